"""Runs: what a page costs where a million attempts were recorded, over HTTP as users ask."""

import random
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from bench import ledger_data as data
from bench.ledger_history import Asker, Query
from bench.ledger_home import Made, make_home
from bench.servers import product
from bench.statistics import percentile
from bench.table import Row, below, orientation

RUNS: Final = 1_000_000
FEW_RUNS: Final = 20_000
PAGE_MS: Final = 20
PATH: Final = "/authority/runs"
_OF_THEM: Final = 7, 6
"""Of so many events so many name a run."""

FILTERS: Final[Mapping[str, Query]] = {
    "none": {},
    "a common outcome": {"outcome": "refused"},
    "a rare outcome": {"outcome": "digest_mismatch"},
    "a common act": {"act": "model.load"},
    "an act that never was": {"act": "model_delete"},
    "a common model": {"model": data.COMMON_MODEL},
    "a rare model": {"model": data.RARE_MODEL},
    "a subject": {"subject": data.COMMON_MODEL},
    "a common person": {"person": data.COMMON_PERSON},
    "a rare actor": {"actor": data.RARE_ACTOR},
    "what failed of a model": {"model": data.COMMON_MODEL, "outcome": "failed"},
    "three at once": {
        "act": "model.load",
        "person": data.COMMON_PERSON,
        "model": data.COMMON_MODEL,
    },
}
"""Each is asked with and without a span of time."""


def run(quick: bool) -> list[Row]:
    """Needs 3 GB in TMPDIR for as long as it runs; says so where they are not there."""
    events, of_them = _OF_THEM
    wanted = (FEW_RUNS if quick else RUNS) * events // of_them
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        made = make_home(Path(scratch) / "home", events=wanted, runs=True)
        with product(made.home) as server:
            return _rows(made, server.port, times=8 if quick else 40)


def _rows(made: Made, port: int, *, times: int) -> list[Row]:
    asker = Asker(port, made.home)
    try:
        _, counted = asker.get(PATH, {"limit": 1, "total": "true"})
        pages = _pages(asker, made.size, times=times)
    finally:
        asker.close()
    note = f"of {made.size:,} events, made up in {made.seconds:.0f} s"
    return [orientation("runs there are", int(counted["total"]), None, "", note=note), *pages]


def _pages(asker: Asker, events: int, *, times: int) -> list[Row]:
    """One row for each filter, the slowest first, and one over all of them."""
    chance = random.Random(events)
    taken: dict[str, list[float]] = {}
    for _ in range(times):  # in rounds, so that a disturbance hits all alike
        for name, query in _combinations(events):
            for place in ({}, {"cursor": chance.randrange(1, events)}):
                taken.setdefault(name, []).append(asker.get(PATH, {**query, **place})[0])
    figures = {name: percentile(one, 95) for name, one in taken.items()}
    every = [one for some in taken.values() for one in some]
    note = f"p50 {percentile(every, 50):.1f}, {len(every)} pages of up to 50 runs"
    return [
        below(
            "page of runs, all filters, p95", percentile(every, 95), "ms", limit=PAGE_MS, note=note
        ),
        *(
            below(
                f"page of runs, {name}, p95",
                figures[name],
                "ms",
                limit=PAGE_MS,
                note=f"p50 {percentile(taken[name], 50):.1f}",
            )
            for name in sorted(figures, key=lambda one: -figures[one])
        ),
    ]


def _combinations(events: int) -> Iterator[tuple[str, Query]]:
    yield from FILTERS.items()
    newest_us, span_us = time.time_ns() // 1000, events * data.EVERY_US
    since, until = (
        time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime((newest_us - span_us * part // 10) / 1e6))
        for part in (6, 3)
    )
    for name, query in FILTERS.items():
        yield f"{name}, in a span of time", {**query, "since": since, "until": until}
