"""The only place that reads and writes documents, activations, definitions and bindings.

Everything is only ever added, and each addition shares one transaction with the event that records
it. What holds now is the newest row. Whether rows are what was recorded is for `standing` to say.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from typing import Any, Final, TypeVar

from sqlalchemy import (
    Connection,
    Engine,
    Select,
    TableClause,
    and_,
    column,
    func,
    insert,
    literal,
    select,
    table,
)
from sqlalchemy.exc import SQLAlchemyError

from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.failures import audit_unavailable
from app.authority.ledger.store import Ledger
from app.authority.ledger.writing import asking_directly

T = TypeVar("T")
Pin = tuple[str, int]
"""Id and version of a definition."""

CHUNK: Final = 500
"""Ids that are asked for at once."""


def _table(name: str, row: type[Any]) -> TableClause:
    """The table whose columns are the fields of `row`."""
    return table(name, *(column(each.name) for each in fields(row)))


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionRow:
    """One document, to the byte, as it was loaded."""

    version: int
    document: bytes
    form: str
    hash: str
    note: str
    loaded_us: int
    loaded_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActivationRow:
    seq: int
    version: int
    ask: str | None
    activated_us: int
    activated_by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DefinitionRow:
    """`guardrails`: number of the document it was compiled under. `body`: its canonical bytes."""

    id: str
    version: int
    guardrails: int
    ir_hash: str
    binding_hash: str
    body: bytes
    created_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BindingRow:
    """`definition`: the version that decides from then on; None: none does any more."""

    seq: int
    task: str
    definition: int | None
    ask: str | None
    bound_us: int
    bound_by: str


@dataclass(frozen=True, slots=True)
class Marks:
    """The number of the newest row of each table: another one means that something changed."""

    version: int
    activation: int
    binding: int

    def same_state(self, other: "Marks") -> bool:
        """Whether the same holds: a document that was only loaded changes nothing."""
        return (self.activation, self.binding) == (other.activation, other.binding)

    @property
    def generation(self) -> int:
        """Grows with everything that changes what holds."""
        return self.activation + self.binding


_VERSION: Final = _table("guardrails_version", VersionRow)
_ACTIVATION: Final = _table("guardrails_activation", ActivationRow)
_DEFINITION: Final = _table("guardrails_definition", DefinitionRow)
_BINDING: Final = _table("guardrails_binding", BindingRow)

_NEWEST: Final = _BINDING.c.seq.in_(select(func.max(_BINDING.c.seq)).group_by(_BINDING.c.task))
"""Of each task."""
_IS_BOUND: Final = and_(
    _DEFINITION.c.id == _BINDING.c.task, _DEFINITION.c.version == _BINDING.c.definition, _NEWEST
)


_MARKS: Final = """\
SELECT (SELECT COALESCE(MAX(version), 0) FROM guardrails_version),
       (SELECT COALESCE(MAX(seq), 0) FROM guardrails_activation),
       (SELECT COALESCE(MAX(seq), 0) FROM guardrails_binding)"""
"""As text, asked directly: it is asked before every decision."""


class GuardrailsStore:
    """Every method may be called from any thread. Reading raises AuditUnavailable."""

    def __init__(self, ledger: Ledger, engine: Engine) -> None:
        self._ledger = ledger
        self._engine = engine

    # --- reading ----------------------------------------------------------------------------

    def marks(self) -> Marks:
        with asking_directly(self._engine) as connection:
            return Marks(*connection.execute(_MARKS).fetchone())

    def version(self, number: int) -> VersionRow | None:
        return self._one(VersionRow, select(_VERSION).where(_VERSION.c.version == number))

    def versions(self, before: int, limit: int) -> list[VersionRow]:
        """Those with a number below `before`, the newest first, without their bytes."""
        columns = [column for column in _VERSION.c if column.name != "document"]
        query = select(*columns, literal(b"").label("document")).where(_VERSION.c.version < before)
        return self._all(VersionRow, query.order_by(_VERSION.c.version.desc()).limit(limit))

    def version_of(self, document_hash: str) -> int | None:
        """The newest version whose normal form has this hash."""
        newest = select(func.max(_VERSION.c.version)).where(_VERSION.c.hash == document_hash)
        with self._reading() as connection:
            number: int | None = connection.execute(newest).scalar_one()
        return number

    def has_document(self, content: bytes) -> bool:
        """Whether this was loaded, to the byte."""
        same = select(_VERSION.c.version).where(_VERSION.c.document == content).limit(1)
        with self._reading() as connection:
            return connection.execute(same).first() is not None

    def activations(self) -> list[ActivationRow]:
        """The oldest first."""
        return self._all(ActivationRow, select(_ACTIVATION).order_by(_ACTIVATION.c.seq))

    def activation(self) -> ActivationRow | None:
        """The newest one."""
        newest = select(_ACTIVATION).order_by(_ACTIVATION.c.seq.desc()).limit(1)
        return self._one(ActivationRow, newest)

    def definition(self, task: str, version: int) -> DefinitionRow | None:
        wanted = (_DEFINITION.c.id == task, _DEFINITION.c.version == version)
        return self._one(DefinitionRow, select(_DEFINITION).where(*wanted))

    def definitions_of(self, pins: Iterable[Pin]) -> dict[Pin, DefinitionRow]:
        """Those that there are of many ids and versions."""
        wanted = set(pins)
        tasks = sorted({task for task, _ in wanted})
        found: dict[Pin, DefinitionRow] = {}
        for at in range(0, len(tasks), CHUNK):
            query = select(_DEFINITION).where(_DEFINITION.c.id.in_(tasks[at : at + CHUNK]))
            rows = self._all(DefinitionRow, query)
            found |= {pin: row for row in rows if (pin := (row.id, row.version)) in wanted}
        return found

    def definitions(self, task: str) -> list[DefinitionRow]:
        """All there ever were of a task, the oldest first."""
        query = select(_DEFINITION).where(_DEFINITION.c.id == task)
        return self._all(DefinitionRow, query.order_by(_DEFINITION.c.version))

    def pins(self) -> list[Pin]:
        """Id and version of every definition."""
        with self._reading() as connection:
            query = select(_DEFINITION.c.id, _DEFINITION.c.version)
            return [(row.id, row.version) for row in connection.execute(query)]

    def by_binding(self, binding_hash: str) -> DefinitionRow | None:
        """The definition with this hash: no two have the same."""
        query = select(_DEFINITION).where(_DEFINITION.c.binding_hash == binding_hash)
        return self._one(DefinitionRow, query.limit(1))

    def binding_hashes(self) -> list[str]:
        """Of every definition there ever was."""
        with self._reading() as connection:
            query = select(_DEFINITION.c.binding_hash)
            return list(connection.execute(query).scalars())

    def bound(self) -> list[DefinitionRow]:
        """The definitions that decide now, by task."""
        query = select(_DEFINITION).join(_BINDING, _IS_BOUND)
        return self._all(DefinitionRow, query.order_by(_DEFINITION.c.id))

    def bindings(self) -> list[BindingRow]:
        """The newest binding of every task that there ever was, by task."""
        return self._all(BindingRow, select(_BINDING).where(_NEWEST).order_by(_BINDING.c.task))

    def history(self, task: str) -> list[BindingRow]:
        """Every binding of a task, the oldest first."""
        query = select(_BINDING).where(_BINDING.c.task == task)
        return self._all(BindingRow, query.order_by(_BINDING.c.seq))

    def bound_by(self, ask: str) -> list[BindingRow]:
        """What an ask has bound or retired."""
        query = select(_BINDING).where(_BINDING.c.ask == ask)
        return self._all(BindingRow, query.order_by(_BINDING.c.seq))

    # --- adding -----------------------------------------------------------------------------

    def add_version(self, row: VersionRow, event: LedgerEvent) -> None:
        with self._ledger.recording(event) as connection:
            _insert(connection, _VERSION, [row])

    def add_activation(self, row: ActivationRow, event: LedgerEvent) -> None:
        with self._ledger.recording(event) as connection:
            _insert(connection, _ACTIVATION, [row])

    def bind(
        self,
        definitions: Sequence[DefinitionRow],
        bindings: Sequence[BindingRow],
        event: LedgerEvent,
    ) -> None:
        """All of it or nothing."""
        with self._ledger.recording(event) as connection:
            _insert(connection, _DEFINITION, definitions)
            _insert(connection, _BINDING, bindings)

    # --- private ----------------------------------------------------------------------------

    def _one(self, kind: type[T], query: Select[Any]) -> T | None:
        found = self._all(kind, query)
        return found[0] if found else None

    def _all(self, kind: type[T], query: Select[Any]) -> list[T]:
        with self._reading() as connection:
            return [kind(**row) for row in connection.execute(query).mappings()]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise audit_unavailable(error) from error


def _insert(connection: Connection, table: TableClause, rows: Sequence[Any]) -> None:
    if rows:
        connection.execute(insert(table), [asdict(row) for row in rows])
