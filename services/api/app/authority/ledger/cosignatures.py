"""The only place that stores what witnesses signed: one row for each witness and size."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine

from app.authority.ledger.writing import asking_directly, driver

_HELD: Final = "SELECT 1 FROM ledger_cosignature WHERE size = ? AND witness = ?"
_INSERT: Final = (
    "INSERT INTO ledger_cosignature (id, size, witness, time_s, note)"
    " SELECT COALESCE(MAX(id), 0) + 1, ?, ?, ?, ? FROM ledger_cosignature"
)
_LAST: Final = (
    "SELECT size, witness, time_s FROM ledger_cosignature ORDER BY size DESC, id DESC LIMIT 1"
)


@dataclass(frozen=True, slots=True)
class Cosigned:
    """That a witness (its verifier key) cosigned the first `size` events, and when it did."""

    size: int
    witness: str
    time_s: int


def is_held(connection: Connection, size: int, witness: str) -> bool:
    return driver(connection).execute(_HELD, (size, witness)).fetchone() is not None


def insert(connection: Connection, cosigned: Cosigned, note: str) -> None:
    """Store one, in the transaction of its event."""
    row = (cosigned.size, cosigned.witness, cosigned.time_s, note)
    driver(connection).execute(_INSERT, row)


class StoredCosignatures:
    """Reads only; from any thread. Raises AuditUnavailable where the database fails."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def last(self) -> Cosigned | None:
        """Return the one over the most events; None where no witness has signed yet."""
        with asking_directly(self._engine) as connection:
            row = connection.execute(_LAST).fetchone()
        return None if row is None else Cosigned(*row)
