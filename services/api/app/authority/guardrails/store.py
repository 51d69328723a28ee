"""The only place that reads and writes documents, activations, definitions and bindings.

Everything is only ever added, and each addition shares one transaction with the event that records
it. What holds now is the newest row. Whether rows are what the ledger recorded is `standing`'s part.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.failures import audit_unavailable
from app.authority.ledger.store import Ledger

Row = tuple[Any, ...]


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

    @property
    def generation(self) -> int:
        """Grows with everything that changes what holds."""
        return self.activation + self.binding


_VERSION: Final = "version, document, form, hash, note, loaded_us, loaded_by"
_ACTIVATION: Final = "seq, version, ask, activated_us, activated_by"
_DEFINITION: Final = "id, version, guardrails, ir_hash, binding_hash, body, created_us"
_BINDING: Final = "seq, task, definition, ask, bound_us, bound_by"

_MARKS: Final = """\
SELECT (SELECT COALESCE(MAX(version), 0) FROM guardrails_version),
       (SELECT COALESCE(MAX(seq), 0) FROM guardrails_activation),
       (SELECT COALESCE(MAX(seq), 0) FROM guardrails_binding)"""
_NEWEST: Final = f"""\
SELECT {_BINDING} FROM guardrails_binding
WHERE seq IN (SELECT MAX(seq) FROM guardrails_binding GROUP BY task) ORDER BY task"""
_BOUND: Final = f"""\
SELECT {", ".join(f"d.{name}" for name in _DEFINITION.split(", "))}
FROM guardrails_binding AS b
JOIN guardrails_definition AS d ON d.id = b.task AND d.version = b.definition
WHERE b.seq IN (SELECT MAX(seq) FROM guardrails_binding GROUP BY task) ORDER BY d.id"""


class GuardrailsStore:
    """Every method may be called from any thread. Reading raises AuditUnavailable."""

    def __init__(self, ledger: Ledger, engine: Engine) -> None:
        self._ledger = ledger
        self._engine = engine

    # --- reading ----------------------------------------------------------------------------

    def marks(self) -> Marks:
        return Marks(*self._rows(_MARKS)[0])

    def version(self, number: int) -> VersionRow | None:
        found = self._rows(f"SELECT {_VERSION} FROM guardrails_version WHERE version = ?", number)
        return _version(found[0]) if found else None

    def versions(self) -> list[VersionRow]:
        """The oldest first."""
        return [
            _version(row)
            for row in self._rows(f"SELECT {_VERSION} FROM guardrails_version ORDER BY version")
        ]

    def version_of(self, document_hash: str) -> int | None:
        """The newest version whose normal form has this hash."""
        found = self._rows(
            "SELECT MAX(version) FROM guardrails_version WHERE hash = ?", document_hash
        )
        number: int | None = found[0][0]
        return number

    def activations(self) -> list[ActivationRow]:
        """The oldest first."""
        query = f"SELECT {_ACTIVATION} FROM guardrails_activation ORDER BY seq"
        return [_activation(row) for row in self._rows(query)]

    def activation(self) -> ActivationRow | None:
        """The newest one."""
        query = f"SELECT {_ACTIVATION} FROM guardrails_activation ORDER BY seq DESC LIMIT 1"
        found = self._rows(query)
        return _activation(found[0]) if found else None

    def definition(self, task: str, version: int) -> DefinitionRow | None:
        found = self._rows(
            f"SELECT {_DEFINITION} FROM guardrails_definition WHERE id = ? AND version = ?",
            task,
            version,
        )
        return _definition(found[0]) if found else None

    def definitions(self, task: str) -> list[DefinitionRow]:
        """All there ever were of a task, the oldest first."""
        query = f"SELECT {_DEFINITION} FROM guardrails_definition WHERE id = ? ORDER BY version"
        return [_definition(row) for row in self._rows(query, task)]

    def bound(self) -> list[DefinitionRow]:
        """The definitions that decide now, by task."""
        return [_definition(row) for row in self._rows(_BOUND)]

    def bindings(self) -> list[BindingRow]:
        """The newest binding of every task that there ever was, by task."""
        return [_binding(row) for row in self._rows(_NEWEST)]

    def history(self, task: str) -> list[BindingRow]:
        """Every binding of a task, the oldest first."""
        query = f"SELECT {_BINDING} FROM guardrails_binding WHERE task = ? ORDER BY seq"
        return [_binding(row) for row in self._rows(query, task)]

    def bound_by(self, ask: str) -> list[BindingRow]:
        """What an ask has bound or retired."""
        query = f"SELECT {_BINDING} FROM guardrails_binding WHERE ask = ? ORDER BY seq"
        return [_binding(row) for row in self._rows(query, ask)]

    # --- adding -----------------------------------------------------------------------------

    def add_version(self, row: VersionRow, event: LedgerEvent) -> None:
        with self._ledger.recording(event) as connection:
            _insert(connection, "guardrails_version", _VERSION, [_values(row, _VERSION)])

    def add_activation(self, row: ActivationRow, event: LedgerEvent) -> None:
        with self._ledger.recording(event) as connection:
            _insert(connection, "guardrails_activation", _ACTIVATION, [_values(row, _ACTIVATION)])

    def bind(
        self,
        definitions: Sequence[DefinitionRow],
        bindings: Sequence[BindingRow],
        event: LedgerEvent,
    ) -> None:
        """All of it or nothing."""
        with self._ledger.recording(event) as connection:
            _insert(
                connection,
                "guardrails_definition",
                _DEFINITION,
                [_values(row, _DEFINITION) for row in definitions],
            )
            _insert(
                connection,
                "guardrails_binding",
                _BINDING,
                [_values(row, _BINDING) for row in bindings],
            )

    # --- private ----------------------------------------------------------------------------

    def _rows(self, query: str, *values: object) -> list[Row]:
        with self._reading() as connection:
            return [tuple(row) for row in connection.exec_driver_sql(query, values)]

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise audit_unavailable(error) from error


def _insert(connection: Connection, table: str, columns: str, rows: list[Row]) -> None:
    marks = ", ".join("?" for _ in columns.split(", "))
    for row in rows:
        connection.exec_driver_sql(f"INSERT INTO {table} ({columns}) VALUES ({marks})", row)


def _values(row: object, columns: str) -> Row:
    return tuple(getattr(row, name) for name in columns.split(", "))


def _version(row: Row) -> VersionRow:
    named = dict(zip(_VERSION.split(", "), row, strict=True))
    return VersionRow(**{**named, "document": bytes(named["document"])})


def _activation(row: Row) -> ActivationRow:
    return ActivationRow(**dict(zip(_ACTIVATION.split(", "), row, strict=True)))


def _definition(row: Row) -> DefinitionRow:
    named = dict(zip(_DEFINITION.split(", "), row, strict=True))
    return DefinitionRow(**{**named, "body": bytes(named["body"])})


def _binding(row: Row) -> BindingRow:
    return BindingRow(**dict(zip(_BINDING.split(", "), row, strict=True)))
