"""What a ledger that has run for months is asked: pages, totals, counts, over HTTP as users ask."""

import json
import random
import time
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from bench import ledger_data as data
from bench.child import ChildFailed
from bench.statistics import median, percentile
from bench.table import Row, below, orientation

PAGE_MS: Final = 20
TOTAL_MS: Final = 500
EVENTS: Final = "/authority/ledger/events"
_PAGE: Final = "filtered page"
COUNTS: Final = "/authority/ledger/counts"

Query = Mapping[str, str | int]

FILTERS: Final[Mapping[str, Query]] = {
    "none": {},
    "a common kind": {"kind": "refusal"},
    "a common outcome": {"outcome": "refused"},
    "a common person": {"person": data.COMMON_PERSON},
    "a common model": {"model": data.COMMON_MODEL},
    "a rare actor": {"actor": data.RARE_ACTOR},
    "a rare model": {"model": data.RARE_MODEL},
    "a rare outcome": {"outcome": "digest_mismatch"},
    "a role": {"role": "operator"},
    "two common ones": {"kind": "refusal", "actor": data.COMMON_ACTOR},
    "two common ones that never meet": {"kind": "usage_digest", "actor": data.COMMON_ACTOR},
    "two common ones that meet rarely": {"outcome": "failed", "model": data.COMMON_MODEL},
    "four at once": {
        "action": "model.load",
        "person": data.COMMON_PERSON,
        "model": data.COMMON_MODEL,
        "role": "operator",
    },
    "common words": {"text": data.COMMON_WORD},
    "rare words": {"text": data.RARE_WORD},
    "words and a person": {"text": data.COMMON_WORD, "person": data.COMMON_PERSON},
    "nothing is like that": {"actor": "key:ffffffff"},
}
"""The table of filters; each is asked with and without a span of time."""


class Asker:
    """One caller with the operator's key, on one connection."""

    def __init__(self, port: int, home: Path) -> None:
        key = (home / "operator.key").read_text().split()[-1]
        self._headers = {"Authorization": f"Bearer {key}"}
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)

    def get(self, path: str, query: Query) -> tuple[float, dict[str, Any]]:
        """Return milliseconds from the question to the answer's last byte, and the answer."""
        address = f"{path}?{urlencode(query)}"
        started = time.perf_counter()
        self._connection.request("GET", address, headers=self._headers)
        response = self._connection.getresponse()
        content = response.read()
        taken = (time.perf_counter() - started) * 1000
        if response.status != 200:
            raise ChildFailed(f"{address} was answered with {response.status}: {content[:300]!r}")
        answer: dict[str, Any] = json.loads(content)
        return taken, answer

    def close(self) -> None:
        self._connection.close()


def rows(port: int, home: Path, *, events: int, quick: bool) -> list[Row]:
    asker = Asker(port, home)
    try:
        first, _ = asker.get(EVENTS, {"text": data.RARE_WORD})
        pages = _pages(asker, events, times=8 if quick else 40)
        return [
            *pages,
            orientation("first search for words after a start", first, None, "ms"),
            _slowest(asker, "a total", EVENTS, {"limit": 1, "total": "true"}, events),
            _slowest(asker, "counts by day", COUNTS, {"by": "day"}, events),
            _slowest(asker, "counts by day and outcome", COUNTS, {"by": "day+outcome"}, events),
            _slowest(asker, "counts by kind", COUNTS, {"by": "kind"}, events),
        ]
    finally:
        asker.close()


def _pages(asker: Asker, events: int, *, times: int) -> list[Row]:
    """One row for each combination of filters, and one over all of them, the slowest first."""
    chance = random.Random(events)
    taken: dict[str, list[float]] = {}
    for _ in range(times):  # in rounds, so that a disturbance hits all alike
        for name, query in _combinations(events):
            for place in _places(chance, events):
                taken.setdefault(name, []).append(asker.get(EVENTS, {**query, **place})[0])
    figures = {name: percentile(one, 95) for name, one in taken.items()}
    worst = sorted(figures, key=lambda name: -figures[name])
    every = [one for some in taken.values() for one in some]
    note = f"{len(every)} pages of up to 100 events: first, last, and anywhere between"
    return [
        below(f"{_PAGE}, all filters, p95", percentile(every, 95), "ms", limit=PAGE_MS, note=note),
        *(
            below(
                f"{_PAGE}, {name}, p95",
                figures[name],
                "ms",
                limit=PAGE_MS,
                note=f"p50 {percentile(taken[name], 50):.1f}, {len(taken[name])} pages",
            )
            for name in worst
        ),
    ]


def _combinations(events: int) -> Iterator[tuple[str, Query]]:
    """Each filter alone, and within a span of time that begins and ends inside the log."""
    yield from FILTERS.items()
    newest_us = time.time_ns() // 1000
    span_us = events * data.EVERY_US
    since, until = (_day(newest_us - span_us * part // 10) for part in (6, 3))
    for name, query in FILTERS.items():
        yield f"{name}, in a span of time", {**query, "since": since, "until": until}


def _day(time_us: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_us / 1e6))


def _places(chance: random.Random, events: int) -> list[Query]:
    return [
        {},
        {"newest_first": "true"},
        {"after": chance.randrange(1, events)},
        {"after": chance.randrange(1, events), "newest_first": "true"},
    ]


def _slowest(asker: Asker, what: str, path: str, more: Query, events: int) -> Row:
    """The combination that takes longest, by the median of three answers to each."""
    taken = {
        name: median([asker.get(path, {**query, **more})[0] for _ in range(3)])
        for name, query in _combinations(events)
    }
    name = max(taken, key=lambda one: taken[one])
    note = f"the slowest of {len(taken)}: {name}; median of all {median(list(taken.values())):.0f}"
    return below(what, taken[name], "ms", limit=TOTAL_MS, note=note)
