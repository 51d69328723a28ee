"""The only place that asks the index for a page of events. The bodies answer elsewhere.

Everything takes the driver's connection inside one read transaction. A page costs a bounded amount
of work: where two common filters meet rarely it may hold fewer events than were asked for, and says
how far it looked, so that the next page goes on there.
"""

import heapq
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

from app.authority.ledger.choosing import (
    ALL,
    FOR_A_PAGE,
    Range,
    Way,
    ways,
)
from app.authority.ledger.filters import SAYS, Condition, Filter, conditions, says
from app.authority.ledger.reasons import Reasons
from app.authority.ledger.spans import Ruler, runs

IN_ORDER: Final = 3_000
SCATTERED: Final = 2_000
"""Rows one page may look at, one after another or each on a page of its own: five milliseconds."""

TIME: Final = frozenset({"since_us", "until_us"})


@dataclass(frozen=True, slots=True)
class Span:
    """What an answer covers: events `first_seq` to `last_seq` of a log of `size` events.

    `first_us` and `last_us` are the times of those two events, None where the log has neither.
    """

    first_seq: int
    last_seq: int
    first_us: int | None
    last_us: int | None
    size: int


@dataclass(frozen=True, slots=True)
class Page:
    """Events by number, in the order asked for; `next` goes on after them, None at the end."""

    seqs: tuple[int, ...]
    next: int | None
    span: Span


def page(
    connection: sqlite3.Connection,
    wanted: Filter,
    reasons: Reasons,
    *,
    after: int = 0,
    limit: int = 100,
    newest_first: bool = False,
) -> Page:
    """The events past number `after` (before it, newest first; 0 begins at that end)."""
    lend(connection, wanted)
    size = size_of(connection)
    times = runs(connection, ruler_of(wanted), size, reasons.times)
    low, high = (times[0].first, times[-1].last) if times else (1, 0)
    if newest_first:
        high = min(high, after - 1) if after > 0 else high
    else:
        low = max(low, after + 1)
    if low > high:
        return Page((), None, _span(connection, 0, 0, size))
    timed = TIME if len(times) == 1 else frozenset()
    reader = _Reader(connection, low, high, newest_first)
    found = ways(connection, wanted, reasons, FOR_A_PAGE)
    way, reached = reader.choose(found, wanted.given - timed)
    seen_to = way.covers | timed
    seqs = tuple(reader.read(way, reached, conditions(wanted, except_for=seen_to), limit))
    last = seqs[-1] if len(seqs) == limit else reached
    end = low if newest_first else high
    first = high if newest_first else low
    span = _span(connection, min(first, last), max(first, last), size)
    return Page(seqs, None if last == end else last, span)


def covered(connection: sqlite3.Connection, wanted: Filter) -> Span:
    """What a total or counts cover: the whole log, or the part that a span of time is in."""
    size = size_of(connection)
    times = runs(connection, ruler_of(wanted), size)
    low, high = (times[0].first, times[-1].last) if times else (0, 0)
    return _span(connection, low, high, size)


def ruler_of(wanted: Filter, *, by_day: bool = False) -> Ruler:
    return Ruler(wanted.since_us, wanted.until_us, by_day)


class _Reader:
    """Reads ways in one direction, between two numbers."""

    def __init__(
        self, connection: sqlite3.Connection, low: int, high: int, newest_first: bool
    ) -> None:
        self._connection = connection
        self._low, self._high = low, high
        self._newest_first = newest_first
        self._order = "DESC" if newest_first else "ASC"

    def choose(self, found: list[Way], given: frozenset[str]) -> tuple[Way, int]:
        """Return the way that gets farthest within the budget, and how far."""
        end = self._low if self._newest_first else self._high
        sign = -1 if self._newest_first else 1
        for way in found:
            if given <= way.covers:
                return way, end  # every entry is an answer: reading ends with the page
        best = max(
            ((way, *self._reach(way, end)) for way in found),
            key=lambda one: (sign * one[1], -one[2]),
        )
        return best[0], best[1]

    def read(self, way: Way, reached: int, rest: Condition, limit: int) -> Iterator[int]:
        """Numbers on the way as far as `reached` that fulfil the rest, at most `limit`."""
        low, high = (reached, self._high) if self._newest_first else (self._low, reached)
        parts = [self._seqs(one, low, high, rest, limit) for one in way.ranges]
        return islice(heapq.merge(*parts, reverse=self._newest_first), limit)

    def _reach(self, way: Way, end: int) -> tuple[int, int]:
        """How far the budget leads, and how many entries there are up to there."""
        if not way.ranges:
            return end, 0
        if way is ALL:
            far = self._high - IN_ORDER + 1 if self._newest_first else self._low + IN_ORDER - 1
            far = max(far, self._low) if self._newest_first else min(far, self._high)
            return far, self._high - self._low + 1
        each = max(1, SCATTERED // len(way.ranges))
        walked = [self._walk(one, each) for one in way.ranges]
        stops = [last for count, last in walked if count == each]
        farthest = max if self._newest_first else min
        return farthest(stops, default=end), sum(count for count, _ in walked)

    def _walk(self, one: Range, steps: int) -> tuple[int, int]:
        edge = "min" if self._newest_first else "max"
        count, last = one_row(
            self._connection,
            f"SELECT count(*), {edge}(seq) FROM (SELECT seq FROM {one.source} WHERE "  # noqa: S608
            f"{one.where.sql} AND seq BETWEEN ? AND ? ORDER BY seq {self._order} LIMIT ?)",
            *one.where.values, self._low, self._high, steps,
        )  # fmt: skip
        return int(count), int(last or 0)

    def _seqs(self, one: Range, low: int, high: int, rest: Condition, limit: int) -> Iterator[int]:
        rows = self._connection.execute(
            f"SELECT seq FROM {one.source} WHERE {one.where.sql} AND seq BETWEEN ? AND ? "  # noqa: S608
            f"AND {rest.sql} ORDER BY seq {self._order} LIMIT ?",
            (*one.where.values, low, high, *rest.values, limit),
        )
        return (seq for (seq,) in rows)


def lend(connection: sqlite3.Connection, wanted: Filter) -> None:
    if wanted.words:
        connection.create_function(SAYS, 1, says(wanted.words), deterministic=True)


def _span(connection: sqlite3.Connection, first: int, last: int, size: int) -> Span:
    time = "(SELECT ts_utc_us FROM ledger_index WHERE seq = ?)"
    first_us, last_us = one_row(connection, f"SELECT {time}, {time}", first, last)
    return Span(first, last, first_us, last_us, size)


def size_of(connection: sqlite3.Connection) -> int:
    (size,) = one_row(connection, "SELECT COALESCE(max(seq), 0) FROM ledger_index")
    return int(size)


def one_row(connection: sqlite3.Connection, query: str, *values: Any) -> Any:
    return connection.execute(query, values).fetchone()
