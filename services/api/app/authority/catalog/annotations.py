"""The only place that changes what people say about a model: its aliases, terms, pin and note.

An alias has no slash and a model's id has one, so neither hides the other. Every change is one
transaction with its event and the model's next generation: a plan drawn before it is stale.
"""

import re
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from app.authority.catalog import chains as chain_rows
from app.authority.catalog import own_terms as term_rows
from app.authority.catalog import records
from app.authority.catalog.chains import MAX_CHAIN, Chain
from app.authority.catalog.store import Catalog
from app.authority.ledger.events import LedgerEvent
from app.authority.permissions import Grant, Permission, require
from app.domain.models import ALIAS
from app.domain.refusals import InvalidRequest, ModelNotFound
from app.domain.terms import UNCHANGED, OwnTerms, Unchanged
from app.evidence.vocabulary import Kind

MAX_NOTE: Final = 500
MAX_ALIASES: Final = 32
"""Of one model."""

_ALIAS: Final = re.compile(ALIAS)
# Letters and marks that cannot be seen; what Unicode calls control or format is not printable.
_BLANKS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u2800\u3164\uffa0")
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
    """`aliases` and `terms` are what the database holds now. Every method may be called from any
    thread."""

    def __init__(self, catalog: Catalog, engine: Engine, *, taken: Collection[str] = ()) -> None:
        """`taken`: names that `routing.yaml` gives; they are never given or moved here."""
        self._catalog = catalog
        self._engine = engine
        self._taken = frozenset(taken)
        self._changing = threading.Lock()
        self._chains: Mapping[str, Chain] = {}
        self._terms: Mapping[str, OwnTerms] = {}
        self.refresh()

    @property
    def aliases(self) -> Mapping[str, str]:
        """Alias to the id of the model that it leads to first."""
        return {alias: chain[0] for alias, chain in self._chains.items()}

    @property
    def terms(self) -> Mapping[str, OwnTerms]:
        """What is set for single models, by id; a model for which nothing is set is not in it."""
        return self._terms

    def own_terms(self, model_id: str) -> OwnTerms:
        """What is set for this model; of one that is not there, nothing."""
        return self._terms.get(model_id, term_rows.NONE)

    def refresh(self) -> None:
        """Read them again, after somebody else (a deletion, a restore) changed the rows."""
        with self._changing, self._engine.connect() as connection:
            self._chains = chain_rows.chains(connection)
            self._terms = term_rows.own_terms(connection)

    def chains(self) -> dict[str, Chain]:
        """The aliases as routing takes them: all models they lead to, the first choice first."""
        return dict(self._chains)

    def put_alias(
        self, grant: Grant, model_id: str, alias: str, fallbacks: Sequence[str] = ()
    ) -> None:
        """Let `alias` lead to the model, and to `fallbacks` in turn where it cannot be loaded.

        Whatever the alias led to before, it does not any more.
        """
        require(grant, Permission.MODEL_CHANGE)
        chain = (model_id, *fallbacks)
        with self._changing:
            self.check_alias(model_id, alias, fallbacks)
            before = self._chains.get(alias, ())
            if before == chain:
                return
            change = Change("alias", chain_rows.words(before), chain_rows.words(chain), alias)

            def write(connection: Connection) -> None:
                chain_rows.put(connection, alias, chain)
                # What was known of models that the name leads to, or led to, is no longer true.
                for other in {*before, *chain} - {model_id}:
                    if not records.next_generation(connection, other) and other in chain:
                        raise ModelNotFound(
                            f"{other} was just deleted. Name models that are there.", param="then"
                        )

            self._record(grant, model_id, change, write)
            self._chains = {**self._chains, alias: chain}

    def check_alias(self, model_id: str, alias: str, fallbacks: Sequence[str] = ()) -> None:
        """Raise what `put_alias` would."""
        chain = (model_id, *fallbacks)
        for known in chain:
            self._catalog.get(known)
        refuse_chain(chain)
        self._refuse_alias(alias, model_id)

    def remove_alias(self, grant: Grant, model_id: str, alias: str) -> None:
        require(grant, Permission.MODEL_CHANGE)
        self._catalog.get(model_id)
        with self._changing:
            before = self._chains.get(alias, ())
            if before[:1] != (model_id,):
                raise InvalidRequest(self._not_its_alias(model_id, alias), param="alias")

            def write(connection: Connection) -> None:
                chain_rows.put(connection, alias, ())
                for other in before[1:]:
                    records.next_generation(connection, other)

            change = Change("alias", chain_rows.words(before), "", alias)
            self._record(grant, model_id, change, write)
            self._chains = {a: c for a, c in self._chains.items() if a != alias}

    def set_terms(
        self,
        grant: Grant,
        model_id: str,
        *,
        context: int | Unchanged | None = UNCHANGED,
        slots: int | Unchanged | None = UNCHANGED,
        idle_s: int | Unchanged | None = UNCHANGED,
    ) -> None:
        """Set what the model is loaded on where a load says nothing, and how long it may idle.

        None: the setting holds again. What is not said stays. Raises InvalidRequest.
        """
        require(grant, Permission.MODEL_CHANGE)
        with self._changing:
            model, before = self._catalog.get(model_id), self.own_terms(model_id)
            own = before.changed({"context": context, "slots": slots, "idle_s": idle_s})
            term_rows.refuse(model, own)
            if own == before:
                return
            self._record(
                grant,
                model_id,
                Change("terms", str(before), str(own)),
                lambda connection: term_rows.put(connection, model_id, own),
            )
            terms = {**self._terms, model_id: own}
            self._terms = {known: set_ for known, set_ in terms.items() if set_ != term_rows.NONE}

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
        known = {*self._taken, *self._chains}
        if like := next((a for a in known if a != alias and a.lower() == alias.lower()), None):
            raise InvalidRequest(
                f"{alias} is the alias {like} but for upper and lower case. Choose another name.",
                param="alias",
            )
        others = (chain for name, chain in self._chains.items() if name != alias)
        if sum(chain[0] == model_id for chain in others) >= MAX_ALIASES:
            raise InvalidRequest(
                f"{model_id} has {MAX_ALIASES} aliases, which is the most. Remove one first.",
                param="alias",
            )

    def _not_its_alias(self, model_id: str, alias: str) -> str:
        if alias in self._taken:
            return f"{alias[:120]} is an alias of routing.yaml. Remove it there."
        return f"{alias[:120]!a} is no alias of {model_id}. lmx models show {model_id} lists them."


def refuse_chain(chain: Chain) -> None:
    """Raise InvalidRequest for one that is too long, or that tries a model twice."""
    if len(chain) > MAX_CHAIN:
        raise InvalidRequest(
            f"{len(chain)} models are more than an alias leads to; name at most {MAX_CHAIN}.",
            param="then",
        )
    twice = next((model_id for n, model_id in enumerate(chain) if model_id in chain[:n]), None)
    if twice is not None:
        raise InvalidRequest(f"{twice} is named twice. Name each model once.", param="then")


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
