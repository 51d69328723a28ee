"""The only place that counts in the index: totals, and counts by day, outcome, kind or actor.

Where an index has seen to every filter its entries are counted and no row is read.
"""

import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.authority.ledger.choosing import ALL, FOR_COUNTING, WHAT, WHO, Way, every, ways
from app.authority.ledger.filters import Filter, conditions
from app.authority.ledger.questions import TIME, lend, one_row, ruler_of, size_of
from app.authority.ledger.reasons import Reasons
from app.authority.ledger.spans import DAY_US, Run, runs

_LOOKUPS: Final = 100_000
"""Counts of index entries that are faster than reading rows: a fifth of a second."""
_RUNS_AT_ONCE: Final = 1_000
_SCANS: Final = 5_000
"""Parts of the log that are scanned one by one: a tenth of a second, beside their rows."""
BY: Final[Mapping[str, tuple[str, ...]]] = {
    "day": ("day",),
    "outcome": ("outcome",),
    "day+outcome": ("day", "outcome"),
    "kind": ("kind",),
    "actor": ("actor",),
}
"""What events are counted by, and the columns of an answer."""

# Floor division, also before 1970.
_DAY: Final = f"((ts_utc_us - ((ts_utc_us % {DAY_US}) + {DAY_US}) % {DAY_US}) / {DAY_US})"
_EXPRESSION: Final = {"day": _DAY, "outcome": "outcome", "kind": "kind", "actor": "actor"}


@dataclass(frozen=True, slots=True)
class Count:
    """How many events share these values of the columns asked for; `day` counts from 1970."""

    values: tuple[Any, ...]
    events: int


def total(connection: sqlite3.Connection, wanted: Filter, reasons: Reasons) -> int:
    """How many events are like that, in the whole log."""
    return sum(_grouped(connection, wanted, reasons, ()).values())


def counts(
    connection: sqlite3.Connection, wanted: Filter, reasons: Reasons, by: str
) -> list[Count]:
    """How many events are like that, by one of `BY`, in the order of the values."""
    found = _grouped(connection, wanted, reasons, BY[by])
    return [Count(values, found[values]) for values in sorted(found, key=_absent_first)]


def _grouped(
    connection: sqlite3.Connection, wanted: Filter, reasons: Reasons, names: tuple[str, ...]
) -> Counter[tuple[Any, ...]]:
    lend(connection, wanted)
    found = ways(connection, wanted, reasons, FOR_COUNTING)
    size = size_of(connection)
    ruler = ruler_of(wanted, by_day="day" in names)
    columns = [name for name in names if name != "day"]
    exact = _exact(connection, wanted, found, columns)
    if exact is not None:
        parts = runs(connection, ruler, size, reasons.times)
        if exact.seeks * len(parts) <= _LOOKUPS:
            return _by_entries(connection, exact, parts, names)
    way = _smallest(connection, found, most=size // 4)
    if way is ALL and columns in ([], ["outcome"]):
        parts = runs(connection, ruler, size, reasons.times)
        outcomes = _outcomes(connection) if columns else []
        if len(parts) <= _SCANS and outcomes is not None:
            return _by_runs(connection, wanted, parts, outcomes, names)
    return _by_rows(connection, wanted, way, names)


def _exact(
    connection: sqlite3.Connection, wanted: Filter, found: list[Way], columns: list[str]
) -> Way | None:
    """A way whose index alone answers: it has seen to every filter, and fixes what is asked for."""
    if not wanted.given - TIME and columns:
        found = [*found, *every(connection, WHO if "actor" in columns else WHAT)]
    fitting = [
        way
        for way in found
        if wanted.given <= way.covers | TIME
        and all(name in one.fixed for one in way.ranges for name in columns)
    ]
    return min(fitting, key=lambda way: way.seeks, default=None)


def _by_entries(
    connection: sqlite3.Connection, way: Way, parts: list[Run], names: tuple[str, ...]
) -> Counter[tuple[Any, ...]]:
    """Count the index's entries between the numbers of each run; no row is read."""
    found: Counter[tuple[Any, ...]] = Counter()
    for start in range(0, len(parts), _RUNS_AT_ONCE):
        table = ", ".join(
            f"({one.first}, {one.last}, {one.day})" for one in parts[start : start + _RUNS_AT_ONCE]
        )
        for one in way.ranges:
            rows = connection.execute(
                f"WITH run(first, last, day) AS (VALUES {table}) SELECT day, (SELECT count(*) "  # noqa: S608
                f"FROM {one.source} WHERE {one.where.sql} AND seq BETWEEN run.first AND run.last) "
                "FROM run",
                one.where.values,
            )
            for day, events in rows:
                if events:
                    found[tuple(day if n == "day" else one.fixed[n] for n in names)] += events
    return found


def _by_runs(
    connection: sqlite3.Connection,
    wanted: Filter,
    parts: list[Run],
    outcomes: list[str],
    names: tuple[str, ...],
) -> Counter[tuple[Any, ...]]:
    """Read each run's rows and count as they come: grouping would sort them, which costs more."""
    found: Counter[tuple[Any, ...]] = Counter()
    rest = conditions(wanted, except_for=TIME)
    each = ", count(*) FILTER (WHERE outcome = ?)" * len(outcomes)
    (source,) = (one.source for one in ALL.ranges)
    for one in parts:
        every_one, *some = one_row(
            connection,
            f"SELECT count(*){each} FROM {source} WHERE seq BETWEEN ? AND ? AND {rest.sql}",  # noqa: S608
            *(*outcomes, one.first, one.last, *rest.values),
        )
        fixed: dict[str, Any] = {"day": one.day}
        for outcome, events in zip((None, *outcomes), (every_one - sum(some), *some), strict=True):
            if events:
                fixed["outcome"] = outcome
                found[tuple(fixed[name] for name in names)] += events
    return found


def _outcomes(connection: sqlite3.Connection) -> list[str] | None:
    """The outcomes there are, less the absent one; None where the index has too many to say."""
    there = [one.fixed["outcome"] for way in every(connection, WHAT) for one in way.ranges]
    return sorted({one for one in there if one is not None}) if there else None


def _by_rows(
    connection: sqlite3.Connection, wanted: Filter, way: Way, names: tuple[str, ...]
) -> Counter[tuple[Any, ...]]:
    found: Counter[tuple[Any, ...]] = Counter()
    rest = conditions(wanted, except_for=way.covers)
    columns = "".join(f"{_EXPRESSION[name]}, " for name in names)
    group = f"GROUP BY {', '.join(str(i + 1) for i in range(len(names)))}" if names else ""
    for one in way.ranges:
        rows = connection.execute(
            f"SELECT {columns}count(*) FROM {one.source} "  # noqa: S608
            f"WHERE {one.where.sql} AND {rest.sql} {group}",
            (*one.where.values, *rest.values),
        )
        for *values, events in rows:
            found[tuple(values)] += events
    return found


def _smallest(connection: sqlite3.Connection, found: list[Way], *, most: int) -> Way:
    """The way with the fewest entries; the whole log, in order, where all have more than `most`."""
    best, fewest = ALL, max(most, 1)
    for way in found:
        if way is ALL:
            continue
        entries = 0
        for one in way.ranges:
            (more,) = one_row(
                connection,
                f"SELECT count(*) FROM (SELECT 1 FROM {one.source} WHERE {one.where.sql} LIMIT ?)",  # noqa: S608
                *(*one.where.values, fewest - entries),
            )
            entries += more
            if entries >= fewest:
                break
        if entries < fewest:
            best, fewest = way, entries
    return best


def _absent_first(values: tuple[Any, ...]) -> list[tuple[bool, Any]]:
    return [(value is not None, value if value is not None else 0) for value in values]
