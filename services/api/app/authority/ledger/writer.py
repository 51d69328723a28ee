"""The only place that appends to the ledger: one writer, durable, and closed when it fails.

`append` returns after the event is on the disk, has been read back and hashed again, is under a
signed checkpoint that the signer remembers, and is in every sink that is required. Whatever keeps
that from happening becomes AuditUnavailable, and the caller must not act.
"""

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from app.authority.ledger import appending
from app.authority.ledger.appending import Receipt, Written, current_head
from app.authority.ledger.events import Draft, LedgerEvent, Stamp, draft, new_event_id
from app.authority.ledger.failures import DISK_FULL, audit_unavailable, of_a_full_disk
from app.authority.ledger.group import GroupCommit, Ticket
from app.authority.ledger.index import fill
from app.authority.ledger.keeping import ESSENTIAL, Keeping
from app.authority.ledger.lifetime import (
    reserve_used_event,
    signing_key_rotated_event,
)
from app.authority.ledger.sealing import Sealing
from app.authority.ledger.writing import (
    driver,
    one_writer,
    transaction,
    transaction_directly,
)
from app.authority.ports import Clock
from app.domain.actors import Actor
from app.domain.refusals import AuditUnavailable
from app.evidence.indexing import IndexRow
from app.evidence.merkle import Frontier
from app.evidence.notes import Note, VerifierKey

_LOG: Final = logging.getLogger(__name__)

_CHECKPOINT: Final = "INSERT INTO ledger_checkpoint (size, root, note) VALUES (?, ?, ?)"
_LAST_STORED: Final = "SELECT COALESCE(MAX(size), 0) FROM ledger_checkpoint"
_Waiting = Ticket[Draft, Receipt]
_UNINDEXED_AT_MOST: Final = 2_000
"""Behind this many events the next group fills the index itself, whatever the timer does."""


class Writer:
    """What appends. Every method may be called from any thread."""

    def __init__(self, engine: Engine, clock: Clock, boot_id: str, keeping: Keeping) -> None:
        self._engine = engine
        self._clock = clock
        self._boot_id = boot_id
        self._keeping = keeping
        self._sealing = Sealing(engine, keeping)
        self._groups: GroupCommit[Draft, Receipt] = GroupCommit(self._commit)
        self._head: Frontier | None = None
        self._newest: Note | None = None
        self._unstored: tuple[int, bytes, str] | None = None
        self._rows: list[IndexRow] = []
        self._caught_up = False
        self._available = True
        # A server that is started again on a full disk goes on as the last one ended.
        self._on_reserve = keeping.reserve is not None and keeping.reserve.missed
        self._unsaid: list[Draft] = []
        self._state = threading.Lock()
        self.noticed: Callable[[LedgerEvent], None] = lambda _: None
        """Told of every event that `append` has recorded, on the thread that appended it."""

    @property
    def boot_id(self) -> str:
        return self._boot_id

    @property
    def available(self) -> bool:
        """Whether the last attempt to write succeeded; the next attempt decides anew."""
        return self._available and not self._on_reserve

    @property
    def on_reserve(self) -> bool:
        """Whether the disk is full and only what must be written is, from the reserve."""
        return self._on_reserve

    @property
    def keeping(self) -> Keeping:
        return self._keeping

    # --- writing ----------------------------------------------------------------------------

    def append(self, event: LedgerEvent) -> Receipt:
        """Write one event; it is durable, signed and in the sinks when this returns."""
        receipt = self._groups.submit(draft(event))
        self.noticed(event)
        return receipt

    @contextmanager
    def recording(self, event: LedgerEvent) -> Iterator[Connection]:
        """One transaction for a change of state and the event that records it.

        The event is checked first and written last: a block that raises changes and records
        nothing. An IntegrityError of the block's own statements passes as it is.
        """
        ready = draft(event)
        with self._fail_closed(), one_writer(self._engine):
            if event.kind not in ESSENTIAL and self._short_of_room():
                raise _disk_full()
            with transaction(self._engine) as connection:
                yield connection
                written = self._write(driver(connection), [ready])
            self._rows += written.rows
            self._seal(written)

    def seal(self) -> None:
        """Sign what an earlier run committed and did not sign; called once, at the start."""
        with self._fail_closed(), one_writer(self._engine):
            with transaction_directly(self._engine) as connection:
                head = current_head(connection, self._head, self._keeping.signer)
            if head.size:
                self._seal(Written(head, head.root(), ()))

    def settle(self) -> None:
        """Bring what is derived up to date: the newest checkpoint's row, and the index."""
        if self._unstored is None and self._caught_up and not self._rows:
            return  # says nothing about whether the ledger can be written
        with self._fail_closed(proves=False), one_writer(self._engine):
            self._settle_now()

    def close(self) -> None:
        """Settle what can be settled and let go of the sinks; nothing is appended afterwards."""
        with suppress(AuditUnavailable):  # said in the log; the next start derives it again
            self.settle()
        self._sealing.close()
        self._keeping.sinks.close()
        self._keeping.signer.close()

    def rotate(self, actor: Actor) -> tuple[VerifierKey, VerifierKey]:
        """Change the signing key; the checkpoint over the event that says so is signed by both."""
        signer = self._keeping.signer
        with self._fail_closed(), one_writer(self._engine):
            if self._short_of_room():
                raise _disk_full()
            old, new = signer.key, signer.begin_rotation()
            event = draft(signing_key_rotated_event(actor, old=str(old), new=str(new)))
            # Where this fails the new key stays pending: what a failed commit left in the log may
            # come back with the next start, which alone can tell whether the rotation happened.
            with transaction_directly(self._engine) as connection:
                written = self._write(connection, [event])
            self._rows += written.rows
            self._seal(written)
            self._settle_now()  # the one checkpoint that both keys sign is kept for good
            self.finish_rotation()
        return old, new

    def finish_rotation(self) -> None:
        """After a checkpoint over the rotation's event: from here on the new key signs alone."""
        signer = self._keeping.signer
        signer.finish_rotation()
        self._keeping.sinks.trust(signer.keys)

    # --- the one writer ---------------------------------------------------------------------

    def _commit(self, tickets: Sequence[_Waiting]) -> None:
        try:
            with self._fail_closed(), one_writer(self._engine):
                self._serve(self._admitted(tickets))
        except AuditUnavailable as refusal:
            for ticket in tickets:
                if not ticket.settled:  # each caller raises one of its own
                    ticket.fail(AuditUnavailable(refusal.message, details=refusal.details))

    def _serve(self, tickets: Sequence[_Waiting]) -> None:
        if not tickets:
            return
        try:
            receipts = self._append([ticket.asked for ticket in tickets])
        except sqlite3.Error as error:
            if not (of_a_full_disk(error) and self._took_reserve()):
                raise
            self._serve(_essential(tickets))
            return
        for ticket, receipt in zip(tickets, receipts, strict=True):
            ticket.give(receipt)

    def _append(self, drafts: list[Draft]) -> tuple[Receipt, ...]:
        """One group in one transaction; a sqlite3.Error means that none of it is there."""
        said = self._unsaid
        with transaction_directly(self._engine) as connection:
            written = self._write(connection, [*said, *drafts])
            rows = [*self._rows, *written.rows]
            if len(rows) > _UNINDEXED_AT_MOST:
                self._settle(connection, rows)
                rows = []
        self._unsaid, self._rows = [], rows
        self._seal(written)
        return written.receipts[len(said) :]

    def _write(self, connection: sqlite3.Connection, drafts: Sequence[Draft]) -> Written:
        head = current_head(connection, self._head, self._keeping.signer)
        try:
            return appending.append(connection, drafts, head, self._keeping.signer, self._stamp)
        except sqlite3.IntegrityError as error:
            raise audit_unavailable(error) from error

    def _seal(self, written: Written) -> None:
        self._head = written.tree
        try:
            note = self._sealing.seal(written)
        except AuditUnavailable as refusal:
            if not (of_a_full_disk(refusal) and self._took_reserve()):
                raise
            note = self._sealing.seal(written)
        self._newest = note
        self._unstored = (written.tree.size, written.root, str(note))

    # --- a full disk ------------------------------------------------------------------------

    def _took_reserve(self) -> bool:
        """Make room by letting go of the reserve; False where there is none left."""
        reserve = self._keeping.reserve
        if reserve is None or not reserve.release():
            return False
        self._on_reserve = True
        self._unsaid = [draft(reserve_used_event(reserve_bytes=reserve.size_bytes))]
        _LOG.error("the disk is full: the reserve is in use, only what must be written is")
        return True

    def _admitted(self, tickets: Sequence[_Waiting]) -> list[_Waiting]:
        """The tickets that may be written now; the others are refused."""
        return _essential(tickets) if self._short_of_room() else list(tickets)

    def _short_of_room(self) -> bool:
        reserve = self._keeping.reserve
        if self._on_reserve and reserve is not None and reserve.restore():
            self._on_reserve = False
            _LOG.warning("there is room on the disk again")
        return self._on_reserve

    def _settle_now(self) -> None:
        with transaction_directly(self._engine) as connection:
            self._settle(connection, self._rows)
        self._unstored, self._rows, self._caught_up = None, [], True

    def _settle(self, connection: sqlite3.Connection, rows: Sequence[IndexRow]) -> None:
        """What is remembered of it changes after the commit only."""
        if self._unstored is not None and self._unstored[0] > _last_stored(connection):
            connection.execute(_CHECKPOINT, self._unstored)
        fill(connection, rows)

    def _stamp(self, seq: int) -> Stamp:
        now_us = self._clock.utc_us()
        return Stamp(
            seq=seq,
            event_id=new_event_id(ts_utc_us=now_us, random=os.urandom(10)),
            ts_utc_us=now_us,
            mono_us=int(self._clock.monotonic() * 1_000_000),
            boot_id=self._boot_id,
        )

    @contextmanager
    def _fail_closed(self, *, proves: bool = True) -> Iterator[None]:
        """`proves`: whether coming to the end shows that events can be recorded."""
        try:
            yield
        except AuditUnavailable as known:
            self._note(available=False, why=known.message)
            raise
        except IntegrityError:
            raise  # of the caller's own statements; `_write` has converted the ledger's
        except (SQLAlchemyError, sqlite3.Error) as error:
            refusal = audit_unavailable(error)
            self._note(available=False, why=refusal.message)
            raise refusal from error
        if proves:
            self._note(available=True, why="")

    def _note(self, *, available: bool, why: str) -> None:
        with self._state:
            changed, self._available = self._available is not available, available
        if changed and available:
            _LOG.warning("the ledger can be written again")
        elif changed:
            _LOG.error("the ledger cannot be written: %s", why)


def _last_stored(connection: sqlite3.Connection) -> int:
    found: int = connection.execute(_LAST_STORED).fetchone()[0]
    return found


def _essential(tickets: Iterable[_Waiting]) -> list[_Waiting]:
    """The tickets that are written from the reserve; the others are refused."""
    for ticket in tickets:
        if ticket.asked.event.kind not in ESSENTIAL:
            ticket.fail(_disk_full())
    return [ticket for ticket in tickets if not ticket.settled]


def _disk_full() -> AuditUnavailable:
    return AuditUnavailable(DISK_FULL, details={"reason": "SQLITE_FULL"})
