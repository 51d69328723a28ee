"""The only place that knows where in the log a span of time is. Reads block by block.

Numbers only grow; clocks jump, so time and number agree only mostly. An index keeps the earliest
and the latest time of every 2,048 events within reach: whole blocks are taken or left by them, and
a block that a boundary runs through is looked at closely.
"""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, pairwise
from typing import Final, NamedTuple

BLOCK: Final = 2_048
DAY_US: Final = 86_400_000_000
_SEARCHED: Final = 3
"""A block with more boundaries than this in it is read row by row: its clock jumped."""

_REMEMBERED: Final = 20_000
"""Boundaries: midnights of fifty years."""

_BLOCKS: Final = f"""\
WITH RECURSIVE block(n) AS (SELECT ? UNION ALL SELECT n + 1 FROM block WHERE n < ? / {BLOCK})
SELECT n,
    (SELECT min(ts_utc_us) FROM ledger_index INDEXED BY ledger_index_time WHERE seq / {BLOCK} = n),
    (SELECT max(ts_utc_us) FROM ledger_index INDEXED BY ledger_index_time WHERE seq / {BLOCK} = n)
FROM block"""  # noqa: S608
_EDGE: Final = f"""\
SELECT max(seq), count(*) FROM ledger_index INDEXED BY ledger_index_time
WHERE seq / {BLOCK} = ? AND ts_utc_us < ?"""  # noqa: S608
_ROWS: Final = "SELECT seq, ts_utc_us FROM ledger_index WHERE seq BETWEEN ? AND ? ORDER BY seq"


_Times = tuple[int, int | None, int | None]
"""Number of a block, its earliest and its latest time; neither where it has no rows."""


class KnownTimes:
    """Remembers the times of blocks that are complete, and where boundaries are in them.

    They change only where the index is made anew: `forget` then. Used from any thread; who began
    to read before that adds to what was forgotten.
    """

    def __init__(self) -> None:
        self._blocks: list[_Times] = []
        self._starts: dict[tuple[int, tuple[int, ...]], list[int]] = {}

    def forget(self) -> None:
        self._blocks, self._starts = [], {}

    def blocks(self, connection: sqlite3.Connection, size: int) -> list[_Times]:
        complete = (size + 1) // BLOCK
        kept = self._blocks
        known = kept[:complete]
        found = [*known, *connection.execute(_BLOCKS, (len(known), size))]
        kept[len(known) : complete] = found[len(known) : complete]
        return found

    def starts(
        self, connection: sqlite3.Connection, number: int, edges: list[int]
    ) -> list[int] | None:
        about, kept = (number, tuple(edges)), self._starts
        found = kept.get(about)
        if found is None:
            found = _starts(connection, number, edges)
            if found is not None and number < len(self._blocks):
                if len(kept) >= _REMEMBERED:
                    kept.clear()
                kept[about] = found
        return found


class Run(NamedTuple):
    """Events `first` to `last` are all on day `day` (counted from 1970; 0 where days are not)."""

    first: int
    last: int
    day: int


@dataclass(frozen=True, slots=True)
class Ruler:
    """Which times count, and whether by day. `until_us` is exclusive."""

    since_us: int | None = None
    until_us: int | None = None
    by_day: bool = False

    @property
    def measures(self) -> bool:
        return self.by_day or self.since_us is not None or self.until_us is not None

    def day(self, time_us: int) -> int | None:
        """The mark that events of this time share; None for a time that does not count."""
        early = self.since_us is not None and time_us < self.since_us
        late = self.until_us is not None and time_us >= self.until_us
        if early or late:
            return None
        return time_us // DAY_US if self.by_day else 0

    def edges(self, earliest: int, latest: int) -> list[int]:
        """Boundaries past `earliest` up to `latest`, oldest first; not all where many are."""
        found = [
            e for e in (self.since_us, self.until_us) if e is not None and earliest < e <= latest
        ]
        if self.by_day and (last := latest // DAY_US) != (before := earliest // DAY_US):
            past = range(before + 1, min(last, before + 1 + _SEARCHED) + 1)
            found += [day * DAY_US for day in past]
        return sorted(set(found)) if found else found  # a log has many blocks, and few edges


def runs(
    connection: sqlite3.Connection, ruler: Ruler, size: int, known: KnownTimes | None = None
) -> list[Run]:
    """The parts of the log, in its order, whose times count; neighbours of one day are joined."""
    known = KnownTimes() if known is None else known
    if not size:
        return []
    if not ruler.measures:
        return [Run(1, size, 0)]
    marked = (
        (first, last, mark)
        for number, earliest, latest in known.blocks(connection, size)
        if earliest is not None and latest is not None
        for first, last, mark in _of_block(connection, ruler, number, (earliest, latest), known)
    )
    joined: list[Run] = []
    for first, last, mark in marked:
        if mark is None:
            continue
        if joined and joined[-1].day == mark and joined[-1].last == first - 1:
            joined[-1] = Run(joined[-1].first, min(last, size), mark)
        else:
            joined.append(Run(max(first, 1), min(last, size), mark))
    return joined


def _of_block(
    connection: sqlite3.Connection,
    ruler: Ruler,
    number: int,
    times: tuple[int, int],
    known: KnownTimes,
) -> Iterator[tuple[int, int, int | None]]:
    start, end = number * BLOCK, (number + 1) * BLOCK - 1
    edges = ruler.edges(*times)
    if not edges:
        yield start, end, ruler.day(times[0])
        return
    starts = known.starts(connection, number, edges)
    if starts is None:
        rows = connection.execute(_ROWS, (start, end)).fetchall()
        for mark, same in groupby(rows, key=lambda row: ruler.day(row[1])):
            together = list(same)
            yield together[0][0], together[-1][0], mark
        return
    marks = [ruler.day(times[0]), *map(ruler.day, edges)]
    places = [start, *starts, end + 1]
    for (first, past), mark in zip(pairwise(places), marks, strict=True):
        yield first, past - 1, mark


def _starts(connection: sqlite3.Connection, number: int, edges: list[int]) -> list[int] | None:
    """Where in a block each boundary is; None where time does not go forward throughout."""
    if len(edges) > _SEARCHED:
        return None
    first = max(number * BLOCK, 1)
    found: list[int] = []
    for edge in edges:
        before, events = connection.execute(_EDGE, (number, edge)).fetchone()
        if before is None or before - first + 1 != events:
            return None  # not the earliest ones, each of them
        found.append(before + 1)
    return found
