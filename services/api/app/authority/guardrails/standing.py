"""What the guardrails are now, checked against the ledger: a document, and what is bound.

It is kept in memory and read anew when a row was added. What is in memory was compared with the
newest events, so that it goes on deciding rightly even when somebody alters a row by other means;
`checked` notices that, and every change begins with it.
"""

import hashlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from app.authority.guardrails.affected import Affected, Watched
from app.authority.guardrails.binding import Bound, bind
from app.authority.guardrails.definitions import from_bytes
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.documents import Documents, altered
from app.authority.guardrails.ir import intact
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.store import DefinitionRow, GuardrailsStore, Marks, Pin
from app.authority.guardrails.values import Composite, Condition, Definition, Reference
from app.authority.ledger.store import Ledger
from app.authority.ledger.stored import StoredEvent
from app.domain.refusals import (
    AuditUnavailable,
    GuardrailsInvalid,
    GuardrailsNotFound,
    GuardrailViolated,
)
from app.evidence.vocabulary import Kind

TRIES: Final = 5
"""Readings of a state that changed while it was read; changes are acts of persons, and rare."""

Said = tuple[str, int, str, str, bytes]
"""A row of a definition: equal ones hold the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """One state of the guardrails.

    `version`: number of the active document. `rules`: everything that is bound, ready to be
    evaluated. `definitions`: what is bound, by task; `compiled_under`: the number of the document
    of each. `policy_part`: SHA-256 over the document's hash and the ruleset's: a part of the
    policy's hash. `generation` grows with every change.
    """

    version: int
    guardrails: Guardrails
    rules: Ruleset
    definitions: Mapping[str, Definition]
    compiled_under: Mapping[str, int]
    index: Affected
    policy_part: str
    generation: int
    listed: str
    """SHA-256 of the `listing` that the ledger has of it."""

    def still(self, version: int, document_hash: str, generation: int, listed: str) -> bool:
        """Whether these rows, compared with the ledger, say what this state was made of."""
        held = (self.version, self.guardrails.hash, self.generation, self.listed)
        return held == (version, document_hash, generation, listed)


class Known(Mapping[Pin, Definition]):
    """Every definition there ever was, by id and version, read when it is asked for.

    A definition that does not carry its own hashes raises AuditUnavailable.
    """

    def __init__(self, store: GuardrailsStore) -> None:
        self._store = store
        self._found: dict[Pin, Definition] = {}

    def __getitem__(self, pin: Pin) -> Definition:
        found = self._found.get(pin)
        if found is None:
            row = self._store.definition(*pin)
            if row is None:
                raise KeyError(pin)
            found = self._found[pin] = definition_of(row)
        return found

    def __iter__(self) -> Iterator[Pin]:
        return iter(self._store.pins())

    def __len__(self) -> int:
        return len(self._store.pins())


class Standing:
    """Every method may be called from any thread."""

    def __init__(self, ledger: Ledger, engine: Engine) -> None:
        self.ledger = ledger
        self.store = GuardrailsStore(ledger, engine)
        self.documents = Documents(ledger, self.store)
        self._reading = threading.Lock()
        self._kept: tuple[Marks, Now] | None = None
        self._held: dict[Said, tuple[Definition, Bound]] = {}

    def current(self) -> Now:
        """What holds now, from memory while nothing was added.

        Raises AuditUnavailable when the tables and the ledger differ: then nothing that guardrails
        decide on may be done.
        """
        kept = self._kept
        if kept is not None and kept[0].same_state(self.store.marks()):
            return kept[1]
        return self.checked()

    def checked(self) -> Now:
        """As `current`, but read and compared with the ledger whatever is in memory."""
        with self._reading:
            kept, self._kept = self._kept, None  # not known to be true any more
            self._kept = self._steady(None if kept is None else kept[1])
            return self._kept[1]

    def known(self) -> Known:
        return Known(self.store)

    # --- private ----------------------------------------------------------------------------

    def _steady(self, kept: Now | None) -> tuple[Marks, Now]:
        """A state that did not change while it was read."""
        for _ in range(TRIES):
            before = self.store.marks()
            try:
                now = self._read(before, kept)
            except AuditUnavailable:
                if self.store.marks() == before:
                    raise
                continue
            if self.store.marks() == before:
                return before, now
        raise AuditUnavailable("The guardrails are being changed. Try again.", retry_after_s=1)

    def _read(self, marks: Marks, kept: Now | None) -> Now:
        try:
            return self._holds(marks, kept)
        except GuardrailsNotFound as gone:
            raise altered("which guardrails are active") from gone
        except (GuardrailsInvalid, GuardrailViolated) as unknown:
            raise AuditUnavailable(
                f"This release cannot go by the guardrails that hold: {unknown.message} Start the "
                "release that made them, and bind what both know."
            ) from unknown

    def _holds(self, marks: Marks, kept: Now | None) -> Now:
        """Every row is read and compared each time; what was made of equal rows is made once."""
        version = self._active()
        document = self.documents.get(version)
        rows = {_said(row): row for row in self.store.bound()}
        parsed = {said: self._parsed(said, row) for said, row in rows.items()}
        known = self.known()
        listed = self._compare(rows.values(), self._used(parsed.values(), known))
        if kept is not None and kept.still(version, document.hash, marks.generation, listed):
            return kept  # its rules remember what they found in histories
        self._held = {said: self._bound(said, one, known) for said, one in parsed.items()}
        definitions = {one.id: one for one in parsed.values()}
        rules = Ruleset((bound for _, bound in self._held.values()), document.hash)
        return Now(
            version=version,
            guardrails=document,
            rules=rules,
            definitions=definitions,
            compiled_under={row.id: row.guardrails for row in rows.values()},
            index=Affected(watched(one) for one in definitions.values()),
            policy_part=hashlib.sha256(f"{document.hash}\n{rules.hash}".encode()).hexdigest(),
            generation=marks.generation,
            listed=listed,
        )

    def _parsed(self, said: Said, row: DefinitionRow) -> Definition:
        held = self._held.get(said)
        return held[0] if held else _parsed(row)  # the ledger has its bytes' hash

    def _bound(self, said: Said, one: Definition, known: Known) -> tuple[Definition, Bound]:
        """What a definition refers to never changes either."""
        return self._held.get(said) or (one, bind(one, known))

    def used_by(self, definitions: Iterable[Definition]) -> list[DefinitionRow]:
        """The definitions that these refer to, those that they refer to as well, and so on."""
        return self._used(definitions, self.known())

    def _used(self, definitions: Iterable[Definition], known: Known) -> list[DefinitionRow]:
        waiting = [pin for one in definitions for pin in references(one.resolution.condition)]
        found: dict[Pin, DefinitionRow] = {}
        while waiting:
            pin = waiting.pop()
            if pin not in found:
                row = self.store.definition(*pin)
                if row is None:
                    raise altered("what is bound")
                found[pin] = row
                waiting += references(known[pin].resolution.condition)
        return [found[pin] for pin in sorted(found)]

    def _active(self) -> int:
        row, event = self.store.activation(), self._newest(Kind.GUARDRAILS_ACTIVATED)
        if row is None and event is None:
            raise AuditUnavailable(
                "No guardrails were adopted yet, so nothing that they decide on is done. Start the "
                "server: it adopts config/guardrails.yaml."
            )
        if row is None or event is None or event.data.get("version") != row.version:
            raise altered("which guardrails are active")
        if event.data.get("hash") != self.documents.get(row.version).hash:
            raise altered("which guardrails are active")
        return row.version

    def _compare(self, rows: Iterable[DefinitionRow], used: Iterable[DefinitionRow]) -> str:
        """The hash of the listing, which the ledger has too."""
        event = self._newest(Kind.GUARDRAILS_BOUND)
        digest = hashlib.sha256(listing(rows, used)).hexdigest()
        if event is None and not self.store.marks().binding:
            return digest  # adopted in part: the next start goes on with it
        if event is None or event.data.get("bindings") != digest:
            raise altered("what is bound")
        return digest

    def _newest(self, kind: Kind) -> StoredEvent | None:
        found = list(self.ledger.latest(kind).values())
        if any(not event.intact for event in found):
            raise altered("the guardrails")
        return found[0] if found else None


def definition_of(row: DefinitionRow) -> Definition:
    """What a row holds. Raises AuditUnavailable when it does not carry its own hashes."""
    found = _parsed(row)
    if not intact(found):
        raise altered(f"{row.id}@{row.version}")
    return found


def _parsed(row: DefinitionRow) -> Definition:
    """What a row holds, whose hashes somebody else compares."""
    try:
        found = from_bytes(row.body)
    except ValueError as error:
        raise altered(f"{row.id}@{row.version}") from error
    said = (found.id, found.version, found.ir_hash, found.binding_hash)
    if said != (row.id, row.version, row.ir_hash, row.binding_hash):
        raise altered(f"{row.id}@{row.version}")
    return found


def _said(row: DefinitionRow) -> Said:
    body = hashlib.sha256(row.body).digest()
    return row.id, row.version, row.ir_hash, row.binding_hash, body


def listing(bound: Iterable[DefinitionRow], used: Iterable[DefinitionRow]) -> bytes:
    """What the ledger keeps the SHA-256 of: every definition that decides, and what they refer to.

    One line each: ``bound|used ID@VERSION BINDING_HASH SHA-256 of the body DOCUMENT'S NUMBER``.
    """
    lines = [*(_line("bound", row) for row in bound), *(_line("used", row) for row in used)]
    return "".join(sorted(lines)).encode()


def references(condition: Condition) -> list[Pin]:
    """The definitions that a condition refers to by itself."""
    match condition:
        case Reference(id, version):
            return [(id, version)]
        case Composite(_, operands, _):
            return [pin for operand in operands for pin in references(operand)]
    return []


def watched(definition: Definition) -> Watched:
    """What the compilation of a definition depended on."""
    trace = definition.resolution.trace
    return Watched(definition.id, trace.reads, trace.words)


def _line(how: str, row: DefinitionRow) -> str:
    body = hashlib.sha256(row.body).hexdigest()
    return f"{how} {row.id}@{row.version} {row.binding_hash} {body} {row.guardrails}\n"
