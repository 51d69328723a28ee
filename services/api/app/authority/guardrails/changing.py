"""The only place that changes the guardrails: load, activate, bind, retire. All of it is recorded.

Loading a document changes nothing by itself and takes a grant; everything that changes what decides
takes a warrant, which a person has approved. What a warrant's plan says is compiled once more and
must come out the same: otherwise the plan is stale and nothing is done.
"""

import hashlib
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.authority.guardrails.affected import Change, changed_phrases, vocabulary
from app.authority.guardrails.definitions import to_bytes
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.document.normal_form import changed_keys
from app.authority.guardrails.document.reading import FORMS, Form, read
from app.authority.guardrails.recompiling import Recompiled, recompiled
from app.authority.guardrails.standing import Now, Standing, definition_of, listing
from app.authority.guardrails.store import (
    ActivationRow,
    BindingRow,
    DefinitionRow,
    Pin,
    VersionRow,
)
from app.authority.guardrails.values import Definition
from app.authority.ledger.events import LedgerEvent
from app.authority.permissions import Grant, Permission, require
from app.authority.ports import Clock
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest, PlanStale
from app.evidence.vocabulary import Kind

ACTIVATE: Final = "guardrails_activate"
ADD: Final = "guardrails_add"
REBIND: Final = "guardrails_rebind"
RETIRE: Final = "guardrails_retire"

MAX_NOTE: Final = 500
NAMED: Final = 50
"""How many of what changed an event names; all of it is evidence."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """`new` False: the same document is this version already."""

    row: VersionRow
    new: bool


@dataclass(frozen=True, slots=True)
class Binding:
    """What decides for a task from now on; `definition` None: nothing does any more.

    `guardrails`: the number of the document that it was compiled under.
    """

    task: str
    definition: Definition | None
    guardrails: int | None = None


class Changing:
    """Blocking; every method may be called from any thread."""

    def __init__(self, standing: Standing, clock: Clock) -> None:
        self.standing = standing
        self._store = standing.store
        self._clock = clock
        self._changing = threading.Lock()

    # --- documents --------------------------------------------------------------------------

    def load(self, grant: Grant, text: str, form: str, note: str) -> Loaded:
        """Keep a document as the next version. Raises GuardrailsInvalid with every error."""
        require(grant, Permission.GUARDRAILS_CHANGE)
        if len(note) > MAX_NOTE:
            raise InvalidRequest(f"A note has at most {MAX_NOTE} characters.", param="note")
        with self._changing:
            return self.keep(text, form_of(form), note, grant.actor)

    def keep(self, text: str, form: Form, note: str, by: Actor) -> Loaded:
        """As `load`, for who holds the right to change."""
        document = read(text, form)
        known = self._store.version_of(document.hash)
        if known is not None:
            self.standing.documents.get(known)  # as the ledger recorded it
            return Loaded(self.standing.documents.row(known), new=False)
        content = text.encode()
        row = VersionRow(
            version=self._store.marks().version + 1,
            document=content,
            form=form,
            hash=document.hash,
            note=note,
            loaded_us=self._clock.utc_us(),
            loaded_by=by.id,
        )
        data = {
            "version": row.version,
            "hash": row.hash,
            "document": hashlib.sha256(content).hexdigest(),
            **({"note": note} if note else {}),
        }
        event = LedgerEvent(
            Kind.GUARDRAILS_LOADED, by, outcome="done", data=data, evidence=(content,)
        )
        self._store.add_version(row, event)
        return Loaded(row, new=True)

    def activate(self, warrant: Warrant) -> int:
        """Compile under the plan's document from now on. Safe to call again."""
        require_warrant(warrant, ACTIVATE)
        version = int(warrant.plan["effects"]["to"]["version"])
        with self._changing:
            last = self._store.activation()
            if last is not None and last.ask == warrant.ask:
                return last.version
            now = self._as_planned(warrant)
            document = self.standing.documents.get(version)
            if document.hash != warrant.plan["effects"]["to"]["hash"]:
                raise PlanStale(_STALE)
            self.set_active(version, document, warrant.actor, before=now.version, ask=warrant.ask)
            self.standing.checked()
            return version

    def set_active(
        self,
        version: int,
        document: Guardrails,
        by: Actor,
        *,
        before: int | None = None,
        ask: str | None = None,
    ) -> None:
        data: dict[str, Any] = {"version": version, "hash": document.hash}
        data |= {} if before is None else {"before": before}
        data |= {} if ask is None else {"ask": ask}
        row = ActivationRow(
            seq=self._store.marks().activation + 1,
            version=version,
            ask=ask,
            activated_us=self._clock.utc_us(),
            activated_by=by.id,
        )
        event = LedgerEvent(Kind.GUARDRAILS_ACTIVATED, by, outcome="done", data=data)
        self._store.add_activation(row, event)

    # --- bindings ---------------------------------------------------------------------------

    def bind(self, warrant: Warrant, act: str, bindings: Sequence[Binding]) -> int:
        """Bind all of it, or nothing; how many tasks changed. Safe to call again.

        `bindings` are what the plan says, as they come out now.
        """
        require_warrant(warrant, act)
        with self._changing:
            if self.done(warrant):
                return len(self._store.bound_by(warrant.ask))
            self._as_planned(warrant)
            return self.set_bound(bindings, warrant.actor, ask=warrant.ask)

    def set_bound(self, bindings: Sequence[Binding], by: Actor, *, ask: str | None = None) -> int:
        """As `bind`, for who holds the right to change."""
        now_us, seq = self._clock.utc_us(), self._store.marks().binding
        kept = self._store.definitions_of(
            _pin(one.definition) for one in bindings if one.definition
        )
        added = {
            _pin(one.definition): _row(one.definition, one.guardrails, now_us)
            for one in bindings
            if one.definition and one.guardrails and _pin(one.definition) not in kept
        }
        rows = [
            BindingRow(
                seq=seq + at,
                task=one.task,
                definition=None if one.definition is None else one.definition.version,
                ask=ask,
                bound_us=now_us,
                bound_by=by.id,
            )
            for at, one in enumerate(bindings, 1)
        ]
        event = self._bound_event(bindings, kept | added, [*added.values()], by, ask)
        self._store.bind([*added.values()], rows, event)
        self.standing.checked()
        return len(rows)

    def done(self, warrant: Warrant) -> bool:
        """Whether what it is for was bound already, by an attempt that a crash interrupted."""
        return bool(self._store.bound_by(warrant.ask))

    # --- what would change ------------------------------------------------------------------

    def recompiled(self, now: Now, version: int, tasks: Iterable[str]) -> list[Recompiled]:
        """Every one of `tasks`, which are bound, under a document; sorted by task."""
        document, known = self.standing.documents.get(version), self.standing.known()
        return [
            recompiled(now.definitions[task], self.earlier(task), document, known)
            for task in sorted(tasks)
        ]

    def earlier(self, task: str) -> list[Definition]:
        """Every definition of a task, the oldest first."""
        return [definition_of(row) for row in self._store.definitions(task)]

    def affected(self, now: Now, version: int) -> frozenset[str]:
        """The bound tasks whose compilation read something that is another in this document."""
        found: set[str] = set()
        for under in set(now.compiled_under.values()) - {version}:
            change = self.change(under, version)
            of_it = {task for task, number in now.compiled_under.items() if number == under}
            found |= now.index.by(change) & of_it
        return frozenset(found)

    def change(self, before: int, after: int) -> Change:
        """What differs between two documents, for whoever looks for what it concerns."""
        return changed(self.standing.documents.get(before), self.standing.documents.get(after))

    # --- private ----------------------------------------------------------------------------

    def _as_planned(self, warrant: Warrant) -> Now:
        now = self.standing.checked()
        if now.generation != warrant.plan["generation"]:
            raise PlanStale(_STALE)
        return now

    def _bound_event(
        self,
        bindings: Sequence[Binding],
        rows: Mapping[Pin, DefinitionRow],
        added: Sequence[DefinitionRow],
        by: Actor,
        ask: str | None,
    ) -> LedgerEvent:
        bound = self._bound_after(bindings, rows)
        after = dict(self.standing.current().definitions)
        after |= {one.task: one.definition for one in bindings if one.definition is not None}
        used = self.standing.used_by(after[task] for task in bound)
        content = listing(bound.values(), used)
        anew = [one.definition for one in bindings if one.definition is not None]
        documents = {one.guardrails for one in bindings if one.definition is not None}
        data: dict[str, Any] = {
            "bindings": hashlib.sha256(content).hexdigest(),
            "tasks": len(bound),
            "changed": [_said(one) for one in bindings[:NAMED]],
            "changed_count": len(bindings),
            "binding_hashes": [one.binding_hash for one in anew[:NAMED]],
        }
        if len(documents) == 1:
            data["guardrails"] = documents.pop()
        if ask is not None:
            data["ask"] = ask
        return LedgerEvent(
            Kind.GUARDRAILS_BOUND,
            by,
            outcome="done",
            data=data,
            evidence=(content, *(row.body for row in added)),
        )

    def _bound_after(
        self, bindings: Sequence[Binding], rows: Mapping[Pin, DefinitionRow]
    ) -> Mapping[str, DefinitionRow]:
        bound = {row.id: row for row in self._store.bound()}
        for one in bindings:
            if one.definition is None:
                bound.pop(one.task, None)
            else:
                bound[one.task] = rows[_pin(one.definition)]
        return bound


def form_of(form: str) -> Form:
    """Raises InvalidRequest for what is no form of a document."""
    if form not in FORMS:
        raise InvalidRequest(f"A document is one of: {', '.join(FORMS)}.", param="form")
    return form


def changed(before: Guardrails, after: Guardrails) -> Change:
    """What differs between two documents."""
    return Change(
        keys=changed_keys(before.document, after.document),
        phrases=changed_phrases(vocabulary(before.document), vocabulary(after.document)),
    )


_STALE: Final = "The guardrails were changed since this was asked. Ask again."


def _pin(definition: Definition) -> Pin:
    return definition.id, definition.version


def _row(definition: Definition, guardrails: int, now_us: int) -> DefinitionRow:
    return DefinitionRow(
        id=definition.id,
        version=definition.version,
        guardrails=guardrails,
        ir_hash=definition.ir_hash,
        binding_hash=definition.binding_hash,
        body=to_bytes(definition),
        created_us=now_us,
    )


def _said(binding: Binding) -> str:
    if binding.definition is None:
        return f"{binding.task} retired"
    return f"{binding.task}@{binding.definition.version}"
