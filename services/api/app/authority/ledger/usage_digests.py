"""The only place that seals usage: one event an hour over its rows, and old rows deleted after it.

Rows are covered by their ids, each exactly once: a digest takes up where the last one ended and
stops before the first row of the hour that still runs, so that a row which comes late goes into the
next one. Empty hours are recorded too: they say that nothing happened, signed. Hours that were
missed while no server ran are one event.
"""

import hashlib
import json
import logging
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from sqlalchemy import Engine, Select, func, select
from sqlalchemy.exc import SQLAlchemyError

from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.failures import audit_unavailable
from app.authority.ledger.hour_use import HOUR_US, forget
from app.authority.ledger.retention import DAY_US
from app.authority.ledger.store import Ledger
from app.authority.ledger.tables import USAGE
from app.authority.ledger.writing import reading_directly
from app.authority.ports import Clock
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import SYSTEM, Actor
from app.evidence.vocabulary import Kind

PRUNE_EVERY_S: Final = 86_400.0
REMOVAL: Final = "state_removal"
"""The act that deletes rows before they are old by the settings."""

PRUNED_AT_ONCE: Final = 20_000
"""Rows a transaction deletes: others who write wait that long."""

_LOG: Final = logging.getLogger(__name__)
_COLUMNS: Final = tuple(sorted(column.name for column in USAGE.columns))
_ROWS: Final = f"SELECT {', '.join(_COLUMNS)} FROM usage WHERE id > ? ORDER BY id"  # noqa: S608
_json: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


class Hours(NamedTuple):
    """From when until when a digest tells, in microseconds of UTC."""

    from_us: int
    until_us: int


class Removable(NamedTuple):
    """How many rows could go, the first and the last of them by id."""

    rows: int
    first_id: int | None
    last_id: int | None


@dataclass(frozen=True, slots=True)
class Sealed:
    """Where the digests so far end: the time, and the last row."""

    until_us: int
    last_id: int


def hour_of(time_us: int) -> int:
    """The full hour at or before a moment."""
    return time_us - time_us % HOUR_US


def due(sealed: Sealed, now_us: int) -> Hours | None:
    """Return the hours to seal now, None while the running one has not ended.

    A clock that was set back by more than an hour makes the last full hour due again: the digests
    go on, and their ids still cover each row once.
    """
    hour = hour_of(now_us)
    if sealed.until_us < hour:
        return Hours(sealed.until_us, hour)
    if sealed.until_us > hour + HOUR_US:
        return Hours(hour - HOUR_US, hour)
    return None


def row_line(row: Mapping[str, Any]) -> bytes:
    """One row as RFC 8785 JSON and a newline: ASCII keys, integers and text, no floats."""
    return _json(row).encode() + b"\n"


class UsageDigests:
    """`tick` is called by one timer; every method may be called from any thread."""

    def __init__(self, ledger: Ledger, engine: Engine, clock: Clock, *, keep_days: int) -> None:
        self._ledger = ledger
        self._engine = engine
        self._clock = clock
        self._keep_us = keep_days * DAY_US
        self._sealed: Sealed | None = None
        self._pruned: float | None = None
        self._one = threading.Lock()

    def tick(self) -> None:
        """Seal the hours that are over, and once a day delete what is old; else do nothing.

        Raises AuditUnavailable: then nothing was deleted, and the next call takes up from here.
        """
        try:
            with self._one:
                self._seal()
                self._prune_daily()
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise audit_unavailable(error) from error

    def removable(self, until_us: int) -> Removable:
        """Rows that are covered by a digest and began before a moment."""
        old = self._covered_before(until_us).subquery()
        query = select(func.count(), func.min(old.c.id), func.max(old.c.id)).select_from(old)
        with self._one, self._engine.connect() as connection:
            return Removable(*connection.execute(query).one())

    def remove(self, warrant: Warrant, until_us: int) -> int:
        """Delete the rows of `removable` now, as approved; how many. Raises AuditUnavailable."""
        require_warrant(warrant, REMOVAL)
        try:
            with self._one:
                return self._prune(until_us, warrant.actor)
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise audit_unavailable(error) from error

    def _seal(self) -> None:
        sealed = self._sealed or self._last()
        now_us = self._clock.utc_us()
        hours = due(sealed, now_us)
        if hours is not None:
            with reading_directly(self._engine) as connection:
                last_id, data = _digest(connection, sealed, hours, now_us)
            self._ledger.append(LedgerEvent(Kind.USAGE_DIGEST, SYSTEM, data=data))
            sealed = Sealed(hours.until_us, last_id)
        self._sealed = sealed

    def _last(self) -> Sealed:
        """Where the last digest ended; before the first one, the hour in which the log began."""
        for digest in self._ledger.events(kind=Kind.USAGE_DIGEST, newest_first=True, limit=1):
            return Sealed(digest.data["until_us"], digest.data["last_id"])
        began = [event.ts_utc_us for event in self._ledger.events(limit=1)]
        return Sealed(hour_of(min(began, default=self._clock.utc_us())), 0)

    def _prune_daily(self) -> None:
        now = self._clock.monotonic()
        if self._pruned is None or now - self._pruned >= PRUNE_EVERY_S:
            self._prune(self._clock.utc_us() - self._keep_us, SYSTEM)
            self._pruned = now

    def _prune(self, until_us: int, actor: Actor) -> int:
        """Delete covered rows that are old, oldest first; the newest row stays. How many.

        SQLite gives the highest id again once its row is gone, and digests count by id.
        """
        pruned = 0
        while ids := self._prunable(until_us):
            data = {"until_us": until_us, "rows": len(ids)}
            event = LedgerEvent(Kind.USAGE_PRUNED, actor, data=data)
            with self._ledger.recording(event) as connection:
                connection.exec_driver_sql("DELETE FROM usage WHERE id = ?", [(i,) for i in ids])
            pruned += len(ids)
            _LOG.info("%d old rows of usage were deleted", len(ids))
        forget(self._engine, until_us)
        return pruned

    def _prunable(self, until_us: int) -> list[int]:
        old = self._covered_before(until_us)
        with self._engine.connect() as connection:
            return list(connection.scalars(old.order_by(USAGE.c.id).limit(PRUNED_AT_ONCE)))

    def _covered_before(self, until_us: int) -> Select[tuple[int]]:
        sealed = self._sealed or self._last()
        return select(USAGE.c.id).where(
            USAGE.c.started_us < until_us,
            USAGE.c.id <= sealed.last_id,
            USAGE.c.id < select(func.max(USAGE.c.id)).scalar_subquery(),
        )


def _digest(
    connection: sqlite3.Connection, sealed: Sealed, hours: Hours, now_us: int
) -> tuple[int, dict[str, int | str]]:
    """Sum and hash the rows that follow the last digest's; returns the last one's id beside it."""
    sums = dict.fromkeys(("rows", "requests", "prompt_tokens", "completion_tokens"), 0)
    lines, last_id = hashlib.sha256(), sealed.last_id
    for row in _rows(connection, sealed.last_id, hours.until_us, now_us):
        lines.update(row_line(row))
        last_id = row["id"]
        sums["rows"] += 1
        for name in ("requests", "prompt_tokens", "completion_tokens"):
            sums[name] += row[name]
    return last_id, {
        **hours._asdict(),
        "first_id": sealed.last_id + 1,
        "last_id": last_id,
        **sums,
        "digest": lines.hexdigest(),
    }


def _rows(
    connection: sqlite3.Connection, after: int, until_us: int, now_us: int
) -> Iterator[dict[str, Any]]:
    """Rows by id, up to the first that began in the hour that still runs."""
    with closing(connection.execute(_ROWS, (after,))) as cursor:
        for values in cursor:
            row = dict(zip(_COLUMNS, values, strict=True))
            if until_us <= row["started_us"] <= now_us:
                return
            yield row
