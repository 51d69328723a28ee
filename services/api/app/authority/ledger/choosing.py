"""The only place that chooses which index answers a question. Reads the index, decides, no rows.

SQLite keeps no statistics here (ANALYZE is a change of schema) and would guess. A `Way` is a set
of index ranges that together hold every row the filters it `covers` allow; each range gives its
rows in the order of the log. Ways are compared by walking so many entries of each, which is cheap.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from app.authority.ledger.filters import NAMED_RUN, Condition, Filter, joined
from app.authority.ledger.reasons import Reasons


class Patience(NamedTuple):
    """How much looking around a question is worth."""

    ranges: int
    """A way with more is not taken: what comes in so many kinds is common."""
    reasons: int
    """Different reasons that are looked for one by one."""
    sorted: int
    """Events that are put in order after they were found."""
    entries: int
    """Entries looked at to find a way's ranges."""


FOR_A_PAGE: Final = Patience(ranges=48, reasons=1_500, sorted=5_000, entries=400)
FOR_COUNTING: Final = Patience(ranges=1_000, reasons=30_000, sorted=2**31, entries=5_000)

WHAT: Final = ("kind", "action", "outcome")
WHO: Final = ("actor", "person", "roles")
_WHAT_INDEX: Final = "ledger_index_what"
_WHO_INDEX: Final = "ledger_index_who"
_NULLABLE: Final = frozenset({"outcome", "person"})
_INDEXED: Final = {
    "model": "ledger_index_model",
    "digest": "ledger_index_digest",
    "plan": "ledger_index_plan",
    "request_id": "ledger_index_request",
}
"""Columns with an index of their own, which leaves out the rows without a value."""
_SUBJECT_APART: Final = "subject <> '' AND subject IS NOT model"


class Range(NamedTuple):
    """One index and the values that are fixed in it: its entries are in the order of `seq`."""

    by: str
    """Name of the index; empty for the table itself."""
    where: Condition
    fixed: Mapping[str, str | None]
    """Columns that have one value throughout."""
    seeks: int = 1
    """Places in the index where its entries lie."""

    @property
    def source(self) -> str:
        return f"ledger_index INDEXED BY {self.by}" if self.by else "ledger_index NOT INDEXED"


class Way(NamedTuple):
    """Ranges that hold every row which the filters named in `covers` allow, perhaps others too."""

    ranges: tuple[Range, ...]
    covers: frozenset[str]

    @property
    def seeks(self) -> int:
        return sum(one.seeks for one in self.ranges)


ALL: Final = Way((Range("", Condition("1", ()), {}),), frozenset())
"""Through the whole log, in its order."""


def ways(
    connection: sqlite3.Connection, wanted: Filter, reasons: Reasons, patience: Patience
) -> list[Way]:
    """Return every way to the rows of `wanted`, in no particular order; `ALL` is always one."""
    if wanted.impossible:
        return [Way((), wanted.given)]
    found = [ALL, *_columns(wanted), *_subject(wanted), *_run(wanted)]
    what = {name: value for name in WHAT if (value := getattr(wanted, name)) is not None}
    who = {n: v for n in ("actor", "person") if (v := getattr(wanted, n)) is not None}
    if what:
        found += _combined(connection, _WHAT_INDEX, WHAT, what, None, patience)
    if who or wanted.role is not None:
        found += _combined(connection, _WHO_INDEX, WHO, who, wanted.role, patience)
    if wanted.words:
        found += _text(connection, wanted, reasons, patience)
    return found


def every(connection: sqlite3.Connection, columns: tuple[str, ...]) -> list[Way]:
    """Ways through the whole log by these columns' values; none if there are too many."""
    index = _WHAT_INDEX if columns is WHAT else _WHO_INDEX
    return _combined(connection, index, columns, {}, None, FOR_COUNTING)


def _columns(wanted: Filter) -> list[Way]:
    return [
        Way((Range(index, Condition(f"{name} = ?", (value,)), {name: value}),), frozenset({name}))
        for name, index in _INDEXED.items()
        if (value := getattr(wanted, name)) is not None
    ]


def _subject(wanted: Filter) -> list[Way]:
    """Most subjects are the model, which has its index; the others have one that is small."""
    subject = wanted.subject
    if not subject:
        return []
    same = Condition("model = ? AND subject = model", (subject,))
    apart = Condition(f"subject = ? AND {_SUBJECT_APART}", (subject,))
    ranges = (Range("ledger_index_model", same, {}), Range("ledger_index_subject", apart, {}))
    return [Way(ranges, frozenset({"subject"}))]


def _run(wanted: Filter) -> list[Way]:
    """Most runs are the number of the event that began them; named ones have a small index."""
    run = wanted.run
    if run is None:
        return []
    ranges = [Range("ledger_index_run", Condition(f"run = ? AND {NAMED_RUN}", (run,)), {})]
    if run.isascii() and run.isdigit() and len(run) < 19 and run == str(number := int(run)):
        ranges += [
            Range("", Condition("seq = ? AND run = ?", (number, run)), {}),
            Range("ledger_index_intent", Condition("intent_seq = ?", (number,)), {}),
        ]
    return [Way(tuple(ranges), frozenset({"run"}))]


def _text(
    connection: sqlite3.Connection, wanted: Filter, reasons: Reasons, patience: Patience
) -> list[Way]:
    """Few reasons are a range each; many, with few events, are one that is sorted."""
    holding = reasons.holding(connection, wanted.words)
    if holding is None or len(holding) > patience.reasons:
        return []
    by, covers = "ledger_index_reason", frozenset({"text"})
    if len(holding) <= FOR_A_PAGE.ranges:
        each = (Range(by, Condition("reason = ?", (one,)), {}) for one in holding)
        return [Way(tuple(each), covers)]
    marks = ", ".join("?" * len(holding))
    together = Range(by, Condition(f"reason IN ({marks})", tuple(holding)), {}, len(holding))
    sql, values = together.where
    (events,) = connection.execute(
        f"SELECT count(*) FROM (SELECT 1 FROM {together.source} WHERE {sql} LIMIT ?)",  # noqa: S608
        (*values, patience.sorted + 1),
    ).fetchone()
    return [Way((together,), covers)] if events <= patience.sorted else []


def _combined(  # noqa: PLR0917 - one row of a table, called from two places
    connection: sqlite3.Connection,
    index: str,
    columns: tuple[str, ...],
    wanted: dict[str, str],
    role: str | None,
    patience: Patience,
) -> list[Way]:
    """The combinations of values that are there and match, each a range; none if too many."""
    ranges: list[Range] = []
    walk = _Walk(connection, index, columns, wanted)
    for row in walk.rows():
        if role is None or f",{role}," in (row[-1] or ""):
            fixed = dict(zip(columns, row, strict=True))
            ranges.append(Range(index, _all_equal(columns, row), fixed))
        if len(ranges) > patience.ranges or walk.read > patience.entries:
            return []
    return [Way(tuple(ranges), frozenset(wanted) | ({"role"} if role is not None else set()))]


class _Walk:
    """Different combinations of an index's columns, found by leaping from one to the next."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        index: str,
        columns: tuple[str, ...],
        fixed: dict[str, str],
    ) -> None:
        self._connection = connection
        self._source = Range(index, Condition("1", ()), {}).source
        self._columns = columns
        self._fixed = fixed
        self.read = 0

    def rows(self, done: tuple[str | None, ...] = ()) -> Iterator[tuple[str | None, ...]]:
        if len(done) == len(self._columns):
            yield done
            return
        for value in self._values(done):
            yield from self.rows((*done, value))

    def _values(self, done: tuple[str | None, ...]) -> Iterator[str | None]:
        column = self._columns[len(done)]
        if column in self._fixed:
            yield self._fixed[column]
            return
        before = _all_equal(self._columns, done)
        last: str | None = None
        if column in _NULLABLE and self._next(before, column, _absent(column)):
            yield None
        while True:
            past = Condition(f"{column} > ?", (last,)) if last is not None else _there(column)
            found = self._next(before, column, past)
            if found is None:
                return
            last = found[0]
            yield last

    def _next(self, before: Condition, column: str, past: Condition) -> tuple[str, ...] | None:
        self.read += 1
        sql, values = joined([before, past])
        found: tuple[str, ...] | None = self._connection.execute(
            f"SELECT {column} FROM {self._source} WHERE {sql} ORDER BY {column} LIMIT 1",  # noqa: S608
            values,
        ).fetchone()
        return found


def _absent(column: str) -> Condition:
    return Condition(f"{column} IS NULL", ())


def _there(column: str) -> Condition:
    return Condition(f"{column} IS NOT NULL", ())


def _all_equal(columns: tuple[str, ...], row: tuple[str | None, ...]) -> Condition:
    return joined(
        [
            _absent(name) if value is None else Condition(f"{name} = ?", (value,))
            for name, value in zip(columns, row, strict=False)
        ]
    )
