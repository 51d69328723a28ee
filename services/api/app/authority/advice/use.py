"""What was asked of each model, hour by hour, as advice sees it; read from `hour_use`.

Of models that are in the catalog. Percentiles are those of buckets: at most 19 % more than exact.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from app.authority.ledger.durations import Histogram, added, from_texts, percentile
from app.authority.ledger.writing import DriverConnection
from app.domain.advice.snapshot import UseRow

MOST_ROWS: Final = 150_000
"""Of use; where there are more, the oldest are left out. Sums by model and alias have them all."""

# With "+" read as it is kept, by the hour: model by model takes two to five times as long.
_SINCE: Final = "FROM hour_use WHERE hour >= ? AND +model_id IN (SELECT id FROM model)"
_SUMS: Final = (
    "SELECT model_id, name, count(*), sum(requests), sum(cold), max(longest_tokens),"
    f" max(last_used_us), group_concat(ttft) {_SINCE} GROUP BY +model_id, name"
)
_NUMBERS: Final = tuple(name for name in UseRow._fields if name not in {"model", "name"})
_LINES: Final = "group_concat(model_id, char(10)), group_concat(name, char(10))"
_COLUMNS: Final = ", ".join(f"group_concat(COALESCE({name}, 'null'))" for name in _NUMBERS)
_WRITTEN: Final = (
    f"SELECT {_LINES}, {_COLUMNS}"  # noqa: S608
    f" FROM (SELECT * {_SINCE} ORDER BY hour, model_id, name LIMIT -1 OFFSET ?)"
)
_LAST: Final = (
    "SELECT model_id, max(last_used_us) FROM hour_use WHERE hour >= ? AND hour < ?"
    " GROUP BY model_id"
)
_FIRST: Final = "SELECT min(hour) FROM hour_use"


@dataclass(slots=True)
class Sum:
    """Of a model, or of a name, over all the days."""

    requests: int = 0
    cold: int = 0
    longest_tokens: int = 0
    last_used_us: int | None = None
    ttft: Histogram = field(default_factory=dict)

    @property
    def ttft_p95_ms(self) -> int | None:
        return percentile(self.ttft, 95)

    def add(self, other: "Sum") -> None:
        self.requests += other.requests
        self.cold += other.cold
        self.longest_tokens = max(self.longest_tokens, other.longest_tokens)
        self.last_used_us = max(self.last_used_us or 0, other.last_used_us or 0)
        added(self.ttft, other.ttft)


@dataclass(frozen=True, slots=True)
class Written:
    """`Use` as JSON has it, of which nothing was read: each column without its brackets.

    SQLite writes it, beside every other thread: as numbers of Python's, a month would take a
    second of the processor, and hold up whoever waits for a token meanwhile.
    """

    models: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    columns: Mapping[str, str] = field(default_factory=lambda: dict.fromkeys(UseRow._fields, ""))


@dataclass(frozen=True, slots=True)
class Used:
    use: Written
    models: Mapping[str, Sum]
    names: Mapping[str, Sum]


def used(connection: DriverConnection, since_hour: int, *, most: int) -> Used:
    """Everything since an hour (since 1970, UTC); of single rows the newest `most`."""
    rows = 0
    models: dict[str, Sum] = {}
    names: dict[str, Sum] = {}
    for model, name, count, requests, cold, longest, last_us, ttft in connection.execute(
        _SUMS, (since_hour,)
    ):
        one = Sum(requests, cold, longest, last_us, from_texts(ttft))
        models.setdefault(model, Sum()).add(one)
        names.setdefault(name, Sum()).add(one)
        rows += count
    return Used(_written(connection, since_hour, max(0, rows - most)), models, names)


class LastUse:
    """When each model was asked last in the hours before some. Not for several threads.

    Those do not change: they are read once, and again where older ones were added.
    """

    def __init__(self) -> None:
        self._first: int | None = None
        self._since = 0
        self._last: dict[str, int] = {}

    def before(self, connection: DriverConnection, hour: int) -> Mapping[str, int]:
        """Microseconds of UTC by the model's id."""
        first: int | None = connection.execute(_FIRST).fetchone()[0]
        if first is None:
            return {}
        known = self._first is not None and first >= self._first
        unread = self._since if known else first
        for model, at_us in connection.execute(_LAST, (unread, hour)):
            self._last[model] = max(at_us, self._last.get(model, 0))
        self._first, self._since = first, hour
        return self._last


def _written(connection: DriverConnection, since_hour: int, left_out: int) -> Written:
    """All but so many of the oldest rows."""
    of_models, of_names, *numbers = connection.execute(_WRITTEN, (since_hour, left_out)).fetchone()
    if of_models is None:
        return Written()
    columns = dict(zip(_NUMBERS, numbers, strict=True))
    models, columns["model"] = _indices(of_models)
    names, columns["name"] = _indices(of_names)
    return Written(models, names, columns)


def _indices(lines: str) -> tuple[tuple[str, ...], str]:
    """Each line once, in the order in which they come, and the column of their indices."""
    each = lines.split("\n")
    index = {line: str(number) for number, line in enumerate(dict.fromkeys(each))}
    return tuple(index), ",".join(map(index.__getitem__, each))
