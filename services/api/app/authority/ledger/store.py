"""The only place that appends to the ledger: one writer, durable, and closed when it fails.

`append` returns after the event is on the disk and has been read back and hashed again. Whatever
keeps that from happening becomes AuditUnavailable, and the caller must not act.
"""

import json
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app.authority.ledger import reading
from app.authority.ledger.events import (
    LedgerEvent,
    Stamp,
    canonical_body,
    check,
    check_phase,
    new_event_id,
)
from app.authority.ledger.failures import audit_unavailable
from app.authority.ledger.guards import broken_guards, file_identity
from app.authority.ledger.lifetime import reconciled
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.writing import reading_directly, writing, writing_directly
from app.authority.ports import Clock
from app.domain.refusals import AuditUnavailable, EventNotFound
from app.evidence.indexing import COLUMNS, index_row
from app.evidence.merkle import leaf_hash
from app.evidence.vocabulary import Kind

_LOG: Final = logging.getLogger(__name__)

# The path of every append, as SQL text: compiling it anew each time cost more than running it.
_NEXT: Final = "SELECT COALESCE(MAX(seq), 0) + 1 FROM ledger_event"
_INSERT_EVENT: Final = "INSERT INTO ledger_event (seq, event_id, body, leaf) VALUES (?, ?, ?, ?)"
_INSERT_INDEX: Final = (
    f"INSERT INTO ledger_index ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"  # noqa: S608
)
_READ_BACK: Final = "SELECT seq, event_id, body, leaf FROM ledger_event WHERE seq = ?"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an event stands, once it does."""

    seq: int
    event_id: str
    leaf: bytes


class Ledger:
    """The append-only log. Every method may be called from any thread."""

    def __init__(self, engine: Engine, clock: Clock, boot_id: str) -> None:
        self._engine = engine
        self._clock = clock
        self._boot_id = boot_id
        self._file = file_identity(engine)
        self._available = True
        self._state = threading.Lock()

    @property
    def boot_id(self) -> str:
        return self._boot_id

    @property
    def available(self) -> bool:
        """Whether the last attempt to write succeeded; the next attempt decides anew."""
        return self._available

    def append(self, event: LedgerEvent) -> Receipt:
        """Write one event in its own transaction; it is durable when this returns."""
        check_phase(event)
        with self._fail_closed():
            with writing_directly(self._engine) as connection:
                receipt = self._insert(connection.execute, event)
            self._read_back(receipt)
        return receipt

    @contextmanager
    def recording(self, event: LedgerEvent) -> Iterator[Connection]:
        """One transaction for a change of state and the event that records it.

        The event is checked first and written last: a block that raises changes and records
        nothing. An IntegrityError of the block's own statements passes as it is.
        """
        check(event)
        with self._fail_closed():
            with writing(self._engine) as connection:
                yield connection
                receipt = self._insert(connection.exec_driver_sql, event)
            self._read_back(receipt)

    def reconcile(self) -> list[Receipt]:
        """Close every intent an earlier run left open; called once, before anything is loaded."""
        return [self.append(reconciled(intent)) for intent in self.open_intents()]

    def event(self, seq: int) -> StoredEvent:
        with self._readable() as connection:
            found = reading.event(connection, seq)
        if found is None:
            raise EventNotFound(
                f"The ledger has no event {seq}. `lmx ledger ls` lists the events there are."
            )
        return found

    def events(  # noqa: PLR0917 - a query; callers name what they filter by
        self,
        after: int = 0,
        limit: int = 100,
        kind: str | None = None,
        actor: str | None = None,
        subject: str | None = None,
        outcome: str | None = None,
        newest_first: bool = False,
    ) -> list[StoredEvent]:
        """Return the events past number `after` (before it, newest first), `limit` at a time."""
        wanted = {"kind": kind, "actor": actor, "subject": subject, "outcome": outcome}
        with self._readable() as connection:
            return reading.events(connection, wanted, after, limit, newest_first)

    def size(self) -> int:
        with self._readable() as connection:
            return reading.size(connection)

    def latest(self, *kinds: Kind) -> dict[str, StoredEvent]:
        """Return, for each subject, the newest event of any of these kinds."""
        with self._readable() as connection:
            return reading.latest(connection, kinds)

    def open_intents(self) -> list[StoredEvent]:
        with self._readable() as connection:
            return reading.open_intents(connection)

    def check_guards(self) -> None:
        """Raise AuditUnavailable unless the database guards the ledger as the migrations said."""
        with self._readable() as connection:
            broken = broken_guards(connection)
        if broken:
            raise AuditUnavailable(
                f"The database does not guard the ledger any more: {'; '.join(broken)}. Somebody "
                "changed its schema. Keep a copy of lmx.db as evidence and restore a backup."
            )

    def _insert(self, execute: Callable[..., Any], event: LedgerEvent) -> Receipt:
        stamp = self._stamp(execute(_NEXT).fetchone()[0])
        body = canonical_body(event, stamp)
        receipt = Receipt(stamp.seq, stamp.event_id, leaf_hash(body))
        try:
            row = (stamp.seq, stamp.event_id, body, receipt.leaf)
            execute(_INSERT_EVENT, row)
            execute(_INSERT_INDEX, tuple(index_row(json.loads(body))))
        except (IntegrityError, sqlite3.IntegrityError) as error:
            raise audit_unavailable(error) from error
        return receipt

    def _stamp(self, seq: int) -> Stamp:
        now_us = self._clock.utc_us()
        return Stamp(
            seq=seq,
            event_id=new_event_id(ts_utc_us=now_us, random=os.urandom(10)),
            ts_utc_us=now_us,
            mono_us=int(self._clock.monotonic() * 1_000_000),
            boot_id=self._boot_id,
        )

    def _read_back(self, receipt: Receipt) -> None:
        """What counts is what the disk gives back, not what was handed to it."""
        with reading_directly(self._engine) as connection:
            row = connection.execute(_READ_BACK, (receipt.seq,)).fetchone()
        stored = None if row is None else StoredEvent(*row)
        if stored is None or stored.leaf != receipt.leaf or not stored.intact:
            raise AuditUnavailable(
                f"Event {receipt.seq} did not read back as it was written. The disk or the "
                "database is damaged: stop the server and check both before going on."
            )
        if self._file is None or file_identity(self._engine) != self._file:
            raise AuditUnavailable(
                "The database's file was deleted or replaced while the server ran. Put the file "
                "back, or restore a backup, and restart the server."
            )

    @contextmanager
    def _fail_closed(self) -> Iterator[None]:
        try:
            yield
        except AuditUnavailable as known:
            self._note(available=False, why=known.message)
            raise
        except IntegrityError:
            raise  # of the caller's own statements; `_insert` has converted the ledger's
        except (SQLAlchemyError, sqlite3.Error) as error:
            refusal = audit_unavailable(error)
            self._note(available=False, why=refusal.message)
            raise refusal from error
        self._note(available=True, why="")

    @contextmanager
    def _readable(self) -> Iterator[Connection]:
        try:
            with self._engine.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise audit_unavailable(error) from error

    def _note(self, *, available: bool, why: str) -> None:
        with self._state:
            changed, self._available = self._available is not available, available
        if changed and available:
            _LOG.warning("the ledger can be written again")
        elif changed:
            _LOG.error("the ledger cannot be written: %s", why)
