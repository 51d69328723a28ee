"""The only place that turns committed events into recorded ones: read back, sign, copy to sinks.

What is signed is what the database gives back, hashed anew, not what was handed to it: a bit that
flipped on the way is found before a checkpoint covers it.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final

from sqlalchemy import Engine

from app.authority.ledger.appending import Receipt, Written
from app.authority.ledger.guards import file_identity
from app.authority.ledger.keeping import Keeping
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.writing import kept_connection, reading_directly
from app.domain.refusals import AuditUnavailable
from app.evidence.merkle import leaf_hash
from app.evidence.notes import Note

_READ_BACK: Final = (
    "SELECT seq, event_id, body, leaf FROM ledger_event WHERE seq > ? AND seq <= ? ORDER BY seq"
)
_BODIES: Final = "SELECT body FROM ledger_event WHERE seq BETWEEN ? AND ? ORDER BY seq"

_Row = tuple[int, str, bytes, bytes]


class Sealing:
    """Called by the one writer, after each commit."""

    def __init__(self, engine: Engine, keeping: Keeping) -> None:
        self._engine = engine
        self._keeping = keeping
        self._file = file_identity(engine)
        self._reader: sqlite3.Connection | None = None

    def close(self) -> None:
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    def seal(self, written: Written) -> Note:
        """Bring every event of the tree under a signed checkpoint and into every sink.

        Raises AuditUnavailable; whatever was left undone is done by the next call.
        """
        size, expected = written.tree.size, {receipt.seq: receipt for receipt in written.receipts}
        rows = self._read_back(self._keeping.signer.size, size)
        if [row[0] for row in rows] != list(range(self._keeping.signer.size + 1, size + 1)):
            raise _damaged(size)
        for row in rows:
            _check(row, expected)
        self._check_file()
        note = self._keeping.signer.sign([row[3] for row in rows])
        if (self._keeping.signer.size, self._keeping.signer.root) != (size, written.root):
            raise _other_events(size)
        self._keeping.sinks.deliver(size=size, note=note, bodies=self._bodies(rows))
        return note

    def _read_back(self, after: int, upto: int) -> list[_Row]:
        """Through a connection of its own: the writer's would answer from what it still holds."""
        if self._reader is None:
            self._reader = kept_connection(self._engine)
        rows: list[_Row] = self._reader.execute(_READ_BACK, (after, upto)).fetchall()
        return rows

    def _bodies(self, rows: list[_Row]) -> "_Bodies":
        return _Bodies(self._engine, {row[0]: row[2] for row in rows})

    def _check_file(self) -> None:
        """A deleted or swapped file stays writable, and what is written to it is lost."""
        if self._file is None or file_identity(self._engine) != self._file:
            raise AuditUnavailable(
                "The database's file was deleted or replaced while the server ran. Put the file "
                "back, or restore a backup, and restart the server."
            )


class _Bodies:
    """Bodies by number: those just read back, or from the database where a sink lags behind."""

    def __init__(self, engine: Engine, fresh: Mapping[int, bytes]) -> None:
        self._engine = engine
        self._fresh = fresh

    def __call__(self, first: int, last: int) -> Iterator[bytes]:
        if first in self._fresh and last in self._fresh:
            return iter([self._fresh[seq] for seq in range(first, last + 1)])
        return self._stored(first, last)

    def _stored(self, first: int, last: int) -> Iterator[bytes]:
        with reading_directly(self._engine) as connection:
            cursor: sqlite3.Cursor = connection.execute(_BODIES, (first, last))
            for (body,) in cursor:
                yield body


def _check(row: _Row, expected: Mapping[int, Receipt]) -> None:
    seq, event_id, body, leaf = row
    receipt = expected.get(seq)
    if receipt is None:  # committed before this call: nothing to compare with but itself
        whole = StoredEvent(seq, event_id, body, leaf).intact
    else:
        same = leaf == receipt.leaf and event_id == receipt.event_id
        whole = same and leaf_hash(body) == leaf
    if not whole:
        raise _damaged(seq)


def _damaged(seq: int) -> AuditUnavailable:
    return AuditUnavailable(
        f"Event {seq} did not read back as it was written. The disk or the "
        "database is damaged: stop the server and check both before going on."
    )


def _other_events(size: int) -> AuditUnavailable:
    return AuditUnavailable(
        f"The database's {size} events are not the ones that were signed: somebody changed them "
        "while the server ran. Stop the server, keep a copy of LMX_HOME as evidence, look at it "
        "with `lmx ledger verify`, and restore a backup."
    )
