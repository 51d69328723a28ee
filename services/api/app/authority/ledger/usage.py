"""The only place that writes usage: who used which model, how many tokens, how long; never text.

`add` never waits. Rows are written in batches by one thread, retried until the database takes
them, and flushed at close. Should too many wait, they are summed per actor, model and outcome:
single requests lose their row, and no token is lost. A process that is killed loses what it had
not yet written, at most `BATCH_S` of rows.

With each batch goes what it adds to the sums of its hours (`hour_use`), in the same transaction.
"""

import logging
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Engine, insert
from sqlalchemy.exc import SQLAlchemyError

from app.authority.ledger.hour_use import Tallies, backfill, counted_rows
from app.authority.ledger.tables import USAGE
from app.authority.ledger.usage_row import UsageRow
from app.authority.ledger.writing import driver, writing

BATCH_S: Final = 0.25
RETRY_S: Final = 1.0
CLOSE_S: Final = 5.0
MAX_WAITING: Final = 20_000

__all__ = ["UsageLog", "UsageRow"]

_LOG: Final = logging.getLogger(__name__)
_COLUMNS: Final = tuple(column.name for column in USAGE.columns if column.name != "id")


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows, and what the hours have of those among them that were summed."""

    rows: list[UsageRow] = field(default_factory=list)
    summed: Tallies = field(default_factory=Tallies)


class UsageLog:
    """A queue and the thread that empties it; `close` before the engine is disposed."""

    def __init__(
        self,
        engine: Engine,
        *,
        max_waiting: int = MAX_WAITING,
        may_write: Callable[[], bool] = lambda: True,
    ) -> None:
        """`may_write`: whether there is room for more than the ledger must write."""
        self._engine = engine
        self._max_waiting = max_waiting
        self._may_write = may_write
        self._rows: list[UsageRow] = []
        self._sums: dict[tuple[str, str, str, str], UsageRow] = {}
        self._summed = Tallies()
        self._filled = False
        self._failures = 0
        self._changed = threading.Condition()
        self.noticed: Callable[[UsageRow], None] = lambda _: None
        """Told of every row, on the thread that adds it."""
        self._writing = False
        self._closing = threading.Event()
        self._fills_until = math.inf
        self._flushing = False
        self._thread = threading.Thread(target=self._run, name="usage", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Requests that are not in the database yet."""
        with self._changed:
            return sum(row.requests for row in [*self._rows, *self._sums.values()])

    @property
    def failures(self) -> int:
        """How often a batch could not be written; it is kept and tried again."""
        return self._failures

    def add(self, row: UsageRow) -> None:
        with self._changed:
            self._keep([row])
            self._changed.notify_all()
        self.noticed(row)

    def flush(self, timeout_s: float = CLOSE_S) -> bool:
        """Wait until everything added so far is written; False when it could not be in time."""
        with self._changed:
            self._flushing = True
            self._changed.notify_all()
            return self._changed.wait_for(self._is_empty, timeout_s)

    def close(self) -> None:
        """Write what waits and stop; what cannot be written is counted in the log."""
        self._fills_until = time.monotonic() + CLOSE_S / 2
        self._closing.set()
        with self._changed:
            self._changed.notify_all()
        self._thread.join(CLOSE_S)
        if left := self.waiting:
            _LOG.error("usage of %d requests could not be written", left)

    def _is_empty(self) -> bool:
        return not (self._rows or self._sums or self._writing)

    def _run(self) -> None:
        self._fill()
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._rows or self._sums or self._closing.is_set())
                # A batch is what arrives within a moment; nobody waits for it but the disk.
                self._changed.wait_for(self._hurried, BATCH_S)
                batch = self._take()
            written = self._write(batch)
            with self._changed:
                self._writing = False
                if not written:
                    self._keep(batch.rows)
                    self._summed.add(batch.summed)
                if self._is_empty():
                    self._flushing = False
                self._changed.notify_all()
                if self._closing.is_set() and (self._is_empty() or not written):
                    return
            if not written:
                self._closing.wait(RETRY_S)

    def _hurried(self) -> bool:
        return self._closing.is_set() or self._flushing

    def _take(self) -> _Batch:
        batch = _Batch([*self._rows, *self._sums.values()], self._summed)
        self._rows, self._sums, self._summed = [], {}, Tallies()
        self._writing = bool(batch.rows)
        return batch

    def _keep(self, rows: Iterable[UsageRow]) -> None:
        for row in rows:
            if len(self._rows) < self._max_waiting:
                self._rows.append(row)
                continue
            self._summed.count(row)
            one = replace(row, asked=None)
            key = (row.actor, row.model_id, row.digest, row.outcome)
            held = self._sums.get(key)
            self._sums[key] = one if held is None else _summed(held, one)

    def _fill(self) -> bool:
        """Whether what was used before there were sums of hours is in them.

        It is tried until then, for a short while at close; then usage goes before its sums.
        """
        if not self._filled and self._may_write():
            try:
                self._filled = backfill(self._engine, lambda: time.monotonic() > self._fills_until)
            except (SQLAlchemyError, sqlite3.Error) as error:
                self._failed(error)
        return self._filled

    def _write(self, batch: _Batch) -> bool:
        if not batch.rows:
            return True
        filled = self._fill()
        if not (self._may_write() and (filled or self._closing.is_set())):
            return False
        tallies = counted_rows(batch.rows)
        tallies.add(batch.summed)
        rows = [{name: getattr(row, name) for name in _COLUMNS} for row in batch.rows]
        try:
            with writing(self._engine) as connection:
                connection.execute(insert(USAGE), rows)
                if filled:
                    tallies.write(driver(connection))
        except (SQLAlchemyError, sqlite3.Error) as error:
            self._failed(error)
            return False
        return True

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        _LOG.error("usage cannot be written, will try again: %s", type(error).__name__)


def _summed(held: UsageRow, row: UsageRow) -> UsageRow:
    return replace(
        held,
        request_id="",
        prompt_tokens=held.prompt_tokens + row.prompt_tokens,
        completion_tokens=held.completion_tokens + row.completion_tokens,
        started_us=min(held.started_us, row.started_us),
        ttft_ms=None,
        duration_ms=held.duration_ms + row.duration_ms,
        requests=held.requests + row.requests,
    )
