"""The only place that changes what people say about a model: its aliases, its pin and its note.

An alias has no slash and a model's id has one, so neither hides the other. Every change is one
transaction with its event and the model's next generation: a plan drawn before it is stale.
"""

import re
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from app.authority.catalog import records
from app.authority.catalog.store import Catalog
from app.authority.ledger.events import LedgerEvent
from app.authority.permissions import Grant, Permission, require
from app.domain.models import ALIAS
from app.domain.refusals import InvalidRequest
from app.evidence.vocabulary import Kind

MAX_NOTE: Final = 500
MAX_ALIASES: Final = 32
"""Of one model."""

_ALIAS: Final = re.compile(ALIAS)
# Letters and marks that cannot be seen; what Unicode calls control or format is not printable.
_BLANKS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0")
_ALIASES: Final = text("SELECT alias, model_id FROM model_alias ORDER BY alias")
_PUT_ALIAS: Final = text(
    "INSERT INTO model_alias (alias, model_id) VALUES (:alias, :id)"
    " ON CONFLICT (alias) DO UPDATE SET model_id = excluded.model_id"
)
_DROP_ALIAS: Final = text("DELETE FROM model_alias WHERE alias = :alias")
_PIN: Final = text("UPDATE model SET pinned = :pinned WHERE id = :id")
_NOTE: Final = text("UPDATE model SET note = :note WHERE id = :id")


@dataclass(frozen=True, slots=True)
class Change:
    """What is said anew about a model: the event's `change`, the alias's name, before and after."""

    change: str
    before: str
    after: str
    name: str | None = None


class Annotations:
    """`aliases` is what the database holds now. Every method may be called from any thread."""

    def __init__(self, catalog: Catalog, engine: Engine, *, taken: Collection[str] = ()) -> None:
        """`taken`: names that `routing.yaml` gives; they are never given or moved here."""
        self._catalog = catalog
        self._engine = engine
        self._taken = frozenset(taken)
        self._changing = threading.Lock()
        self._aliases: Mapping[str, str] = {}
        self.refresh()

    @property
    def aliases(self) -> Mapping[str, str]:
        """Alias to model id."""
        return self._aliases

    def refresh(self) -> None:
        """Read the aliases again, after somebody else (a deletion, a restore) changed the rows."""
        with self._engine.connect() as connection:
            self._aliases = aliases(connection)

    def chains(self) -> dict[str, tuple[str, ...]]:
        """The aliases as routing takes them."""
        return {alias: (model_id,) for alias, model_id in self._aliases.items()}

    def put_alias(self, grant: Grant, model_id: str, alias: str) -> None:
        """Let `alias` lead to the model; one that leads to another model is moved."""
        require(grant, Permission.MODEL_CHANGE)
        self._catalog.get(model_id)
        with self._changing:
            self._refuse_alias(alias, model_id)
            before = self._aliases.get(alias, "")
            if before == model_id:
                return
            change = Change("alias", before, model_id, alias)

            def write(connection: Connection) -> None:
                connection.execute(_PUT_ALIAS, {"alias": alias, "id": model_id})
                if before:  # what was known of the model that loses the name is no longer true
                    records.next_generation(connection, before)

            self._record(grant, model_id, change, write)
            self._aliases = {**self._aliases, alias: model_id}

    def remove_alias(self, grant: Grant, model_id: str, alias: str) -> None:
        require(grant, Permission.MODEL_CHANGE)
        self._catalog.get(model_id)
        with self._changing:
            if self._aliases.get(alias) != model_id:
                raise InvalidRequest(self._not_its_alias(model_id, alias), param="alias")
            self._record(
                grant,
                model_id,
                Change("alias", model_id, "", alias),
                lambda connection: connection.execute(_DROP_ALIAS, {"alias": alias}),
            )
            self._aliases = {a: m for a, m in self._aliases.items() if a != alias}

    def pin(self, grant: Grant, model_id: str, *, pinned: bool) -> None:
        """A pinned model is not deleted, and is not unloaded to make room once it is loaded."""
        require(grant, Permission.MODEL_CHANGE)
        with self._changing:
            before = self._catalog.get(model_id).pinned
            if before == pinned:
                return
            self._record(
                grant,
                model_id,
                Change("pin", _pin(before), _pin(pinned)),
                lambda connection: connection.execute(
                    _PIN, {"id": model_id, "pinned": int(pinned)}
                ),
            )

    def note(self, grant: Grant, model_id: str, note: str) -> None:
        """Say something about a model, in one line; an empty note takes it away."""
        require(grant, Permission.MODEL_CHANGE)
        refuse_note(note)
        with self._changing:
            before = self._catalog.get(model_id).note
            if before == note:
                return
            self._record(
                grant,
                model_id,
                Change("note", before, note),
                lambda connection: connection.execute(_NOTE, {"id": model_id, "note": note}),
            )

    def _record(
        self,
        grant: Grant,
        model_id: str,
        change: Change,
        write: Callable[[Connection], object],
    ) -> None:
        data = {"change": change.change, "before": change.before, "after": change.after}
        if change.name is not None:
            data["name"] = change.name
        event = LedgerEvent(
            kind=Kind.MODEL_CHANGED,
            actor=grant.actor,
            subject=model_id,
            outcome="done",
            data={**data, "digest": self._catalog.get(model_id).digest},
        )
        with self._catalog.changing(event, model_id) as connection:
            write(connection)

    def _refuse_alias(self, alias: str, model_id: str) -> None:
        if not _ALIAS.fullmatch(alias):
            raise InvalidRequest(
                f"{alias[:120]!r} cannot be an alias. Use 1 to 96 letters, digits, dots, dashes "
                "and underscores, beginning with a letter or digit; a slash makes a model's name.",
                param="alias",
            )
        if alias in self._taken:
            raise InvalidRequest(
                f"{alias} is an alias of routing.yaml. Change it there, or choose another name.",
                param="alias",
            )
        known = {*self._taken, *self._aliases}
        if like := next((a for a in known if a != alias and a.lower() == alias.lower()), None):
            raise InvalidRequest(
                f"{alias} is the alias {like} but for upper and lower case. Choose another name.",
                param="alias",
            )
        if sum(m == model_id for m in self._aliases.values()) >= MAX_ALIASES:
            raise InvalidRequest(
                f"{model_id} has {MAX_ALIASES} aliases, which is the most. Remove one first.",
                param="alias",
            )

    def _not_its_alias(self, model_id: str, alias: str) -> str:
        if alias in self._taken:
            return f"{alias[:120]} is an alias of routing.yaml. Remove it there."
        return f"{alias[:120]!a} is no alias of {model_id}. lmx models show {model_id} lists them."


def aliases(connection: Connection) -> dict[str, str]:
    """Alias to model id, as the table has it."""
    return {row.alias: row.model_id for row in connection.execute(_ALIASES)}


def refuse_note(note: str) -> None:
    """Raise InvalidRequest for what could not be shown on one line as it is."""
    if len(note) > MAX_NOTE:
        raise InvalidRequest(
            f"The note has {len(note)} characters; at most {MAX_NOTE} are kept. Shorten it.",
            param="note",
        )
    hidden = next((c for c in note if not c.isprintable() or c in _BLANKS), None)
    if hidden is not None:
        raise InvalidRequest(
            f"The note holds {hidden!a}, which cannot be seen or breaks the line. Write one "
            "line of visible characters.",
            param="note",
        )


def _pin(pinned: bool) -> str:
    return "pinned" if pinned else "not pinned"
