"""The ledger as everybody else sees it: what `writer` appends, read back from its database."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from app.authority.ledger import reading
from app.authority.ledger.appending import Receipt
from app.authority.ledger.failures import audit_unavailable
from app.authority.ledger.guards import broken_guards
from app.authority.ledger.keeping import Keeping
from app.authority.ledger.lifetime import interrupted, reconciled
from app.authority.ledger.runs import RunMaker
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.tree import stored_subtree
from app.authority.ledger.writer import Writer
from app.authority.ledger.writing import asking_directly
from app.authority.ports import Clock
from app.database import open_engine
from app.domain.refusals import AuditUnavailable, EventNotFound
from app.evidence.merkle import Subtree
from app.evidence.notes import Note
from app.evidence.vocabulary import Kind

_LOG: Final = logging.getLogger(__name__)


class Ledger(Writer):
    """The append-only log. Every method may be called from any thread."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        boot_id: str,
        keeping: Keeping,
        *,
        versions: Mapping[str, str] | None = None,
    ) -> None:
        """`versions`: what takes part in every attempt, for its run."""
        super().__init__(engine, clock, boot_id, keeping)
        self.runs = RunMaker(versions or {}, boot_id)
        self._readers = open_engine(Path(engine.url.database or ""), read_only=True)

    @property
    def readers(self) -> Engine:
        """Connections that can read this database and nothing else, for whoever asks questions."""
        return self._readers

    def close(self) -> None:
        super().close()
        self._readers.dispose()

    def reconcile(self) -> list[Receipt]:
        """Close every intent an earlier run left open; called once, before anything is loaded.

        Those of approved acts stay: whoever executes looks at the disk and finishes them.
        """
        return [
            self.append(
                self.runs.attached(reconciled(intent), interrupted(intent, self._clock.utc_us()))
            )
            for intent in self.open_intents()
            if intent.kind != Kind.ACT_INTENT
        ]

    def checkpoint(self) -> Note | None:
        """Return the newest checkpoint over recorded events; None while there are none."""
        return self._newest

    @contextmanager
    def tree(self) -> Iterator[Subtree]:
        """Lend the reader of subtrees that proofs are made with; NodeMissing may come of it."""
        with asking_directly(self._readers) as connection:
            yield stored_subtree(connection)

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
        with self.answering() as connection:
            return reading.events(connection, wanted, after, limit, newest_first)

    def size(self) -> int:
        with self._readable() as connection:
            return reading.size(connection)

    def latest_us(self) -> int:
        """When the newest event was written: UTC in microseconds, 0 while there is none."""
        size = self.size()
        return self.event(size).ts_utc_us if size else 0

    def before(self, ts_utc_us: int) -> tuple[int, int]:
        """How many events come before the first one of this time or later, and their bytes."""
        with self.answering() as connection:
            return reading.before(connection, ts_utc_us)

    def latest(self, *kinds: Kind) -> dict[str, StoredEvent]:
        """Return, for each subject, the newest event of any of these kinds."""
        with self.answering() as connection:
            return reading.latest(connection, kinds)

    def open_intents(self) -> list[StoredEvent]:
        with self.answering() as connection:
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

    @contextmanager
    def answering(self) -> Iterator[Connection]:
        """A connection for questions, after the index has caught up with what is recorded."""
        try:
            self.settle()
        except AuditUnavailable:
            _LOG.warning("the ledger's index could not be brought up to date for a question")
        with self._readable() as connection:
            yield connection

    @contextmanager
    def _readable(self) -> Iterator[Connection]:
        try:
            with self._readers.connect() as connection:
                yield connection
        except SQLAlchemyError as error:
            raise audit_unavailable(error) from error
