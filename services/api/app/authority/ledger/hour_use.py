"""The only place that writes `hour_use`: what each model was asked, by the hour and the name asked.

Whose request it was is not kept, nor any text. The rows are sums of rows of usage, written in the
same transaction by the one thread that writes those; what was used before there were any is summed
once, from usage alone: then the name is the model's id, and no request was cold.
"""

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Engine

from app.authority.ledger.durations import (
    Histogram,
    added,
    as_text,
    count,
    from_text,
    percentile,
)
from app.authority.ledger.usage_row import Asked, UsageRow
from app.authority.ledger.writing import driver, reading_directly, writing

HOUR_US: Final = 3_600_000_000
FINE: Final = frozenset({"answered", "cancelled"})
"""How requests end that were not refused: a client that goes away is no failure of ours."""

BATCH_HOURS: Final = 24
"""Of old usage that is summed in one transaction; an hour is in one of them as a whole."""

_SUMS: Final = "requests, refused, cold, prompt_tokens, completion_tokens"
_VALUES: Final = f"{_SUMS}, longest_tokens, last_used_us, ttft, duration, waited"
_READ: Final = f"SELECT {_VALUES} FROM hour_use WHERE hour = ? AND model_id = ? AND name = ?"  # noqa: S608
_PERCENTILES: Final = "ttft_p50_ms, ttft_p95_ms, duration_p95_ms, waited_p95_ms"
_PUT: Final = (
    f"INSERT OR REPLACE INTO hour_use (hour, model_id, name, {_VALUES}, {_PERCENTILES})"  # noqa: S608
    f" VALUES ({', '.join('?' * 17)})"
)
_FIRST: Final = "SELECT MIN(hour) FROM hour_use"
_NEWEST_BEFORE: Final = "SELECT MAX(started_us) FROM usage WHERE started_us < ?"
_OLD: Final = (
    "SELECT request_id, actor, model_id, digest, prompt_tokens, completion_tokens, started_us,"
    " ttft_ms, duration_ms, outcome, requests FROM usage WHERE started_us >= ? AND started_us < ?"
)
_FORGET: Final = "DELETE FROM hour_use WHERE hour < ?"
_NEVER: Final = 2**62
_MOST: Final = 2**53
"""More than any sum: a row that was altered must not end the counting."""

Key = tuple[int, str, str]
"""Hours since 1970, the model's id, the name."""


@dataclass(slots=True)
class Tally:
    """A row of the table without its key."""

    requests: int = 0
    refused: int = 0
    cold: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    longest_tokens: int = 0
    last_used_us: int = 0
    ttft: Histogram = field(default_factory=dict)
    duration: Histogram = field(default_factory=dict)
    waited: Histogram = field(default_factory=dict)

    def count(self, row: UsageRow, asked: Asked) -> None:
        """Where a row stands for several, each of them took as long as they did on average."""
        times, tokens = row.requests, row.prompt_tokens + row.completion_tokens
        self.requests += times
        self.refused += 0 if row.outcome in FINE else times
        self.cold += times if asked.cold else 0
        self.prompt_tokens += row.prompt_tokens
        self.completion_tokens += row.completion_tokens
        self.longest_tokens = max(self.longest_tokens, asked.longest_tokens or -(-tokens // times))
        self.last_used_us = max(self.last_used_us, row.started_us)
        count(self.ttft, row.ttft_ms, times)
        count(self.duration, row.duration_ms // times, times)
        count(self.waited, asked.waited_ms, times)

    def add(self, other: "Tally") -> None:
        self.requests += other.requests
        self.refused += other.refused
        self.cold += other.cold
        self.prompt_tokens += other.prompt_tokens
        self.completion_tokens += other.completion_tokens
        self.longest_tokens = max(self.longest_tokens, other.longest_tokens)
        self.last_used_us = max(self.last_used_us, other.last_used_us)
        added(self.ttft, other.ttft)
        added(self.duration, other.duration)
        added(self.waited, other.waited)


class Tallies:
    """Sums by hour, model and name, in memory. Not for several threads at once."""

    def __init__(self) -> None:
        self.of: dict[Key, Tally] = {}

    def count(self, row: UsageRow) -> None:
        """Add a row of usage, unless it has been counted."""
        if row.asked is not None:
            key = (row.started_us // HOUR_US, row.model_id, row.asked.name or row.model_id)
            self._at(key).count(row, row.asked)

    def add(self, other: "Tallies") -> None:
        for key, tally in other.of.items():
            self._at(key).add(tally)

    def _at(self, key: Key) -> Tally:
        found = self.of.get(key)
        if found is None:
            found = self.of[key] = Tally()
        return found

    def write(self, connection: sqlite3.Connection) -> None:
        """Add them to what is in the table, within the caller's transaction; then they are of no
        further use."""
        for key, tally in self.of.items():
            found = connection.execute(_READ, key).fetchone()
            if found is not None:
                tally.add(Tally(*found[:7], *map(from_text, found[7:])))
            connection.execute(_PUT, (*key, *_values(tally)))


def counted_rows(rows: Iterable[UsageRow]) -> Tallies:
    found = Tallies()
    for row in rows:
        found.count(row)
    return found


def backfill(engine: Engine, stopping: Callable[[], bool]) -> bool:
    """Sum the usage of before the first hour in the table, the newest hours first.

    Only before anything else is written: until then each hour is there as a whole or not at all, so
    that it takes up where it was killed. False where it was stopped.
    """
    while True:
        with reading_directly(engine) as connection:
            first: int | None = connection.execute(_FIRST).fetchone()[0]
            until_us = _NEVER if first is None else first * HOUR_US
            newest_us: int | None = connection.execute(_NEWEST_BEFORE, (until_us,)).fetchone()[0]
            if newest_us is None:
                return True
            if stopping():
                return False
            from_us = (newest_us // HOUR_US - BATCH_HOURS + 1) * HOUR_US
            rows = connection.execute(_OLD, (from_us, until_us))
            tallies = counted_rows(UsageRow(*values) for values in rows)
        with writing(engine) as connection_:
            tallies.write(driver(connection_))


def forget(engine: Engine, until_us: int) -> None:
    """Delete the hours that were over at a moment, as usage that is as old."""
    hour = until_us // HOUR_US
    with reading_directly(engine) as connection:
        first: int | None = connection.execute(_FIRST).fetchone()[0]
    if first is not None and first < hour:
        with writing(engine) as connection_:
            driver(connection_).execute(_FORGET, (hour,))


def _values(tally: Tally) -> tuple[int | str | None, ...]:
    sums = (
        tally.requests,
        tally.refused,
        tally.cold,
        tally.prompt_tokens,
        tally.completion_tokens,
        tally.longest_tokens,
        tally.last_used_us,
    )
    return (
        *(min(one, _MOST) for one in sums),
        as_text(tally.ttft),
        as_text(tally.duration),
        as_text(tally.waited),
        percentile(tally.ttft, 50),
        percentile(tally.ttft, 95),
        percentile(tally.duration, 95),
        percentile(tally.waited, 95),
    )
