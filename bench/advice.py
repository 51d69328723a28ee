"""What advice costs, what it would have been worth, and whether anything got past its walls.

Advisors run as the server runs them: each in a child process of its own, behind its walls. The
months are generated from seeds that no advisor was made with.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from app.domain.advice.contained import Order, Outcome
from app.domain.advice.frames import Answer, Question
from app.domain.advice.snapshot import as_plain
from app.engines.advisor_bundle import bundle
from app.engines.advisor_host import AdvisorHost
from bench.advice_meanwhile import meanwhile_row
from bench.child import ROOT, environment
from bench.statistics import median
from bench.table import Row, above, below, missed, no_more_than, orientation
from tests.fakes.snapshots import large

ADVICE_S: Final = 1.0
ADVICE_MB: Final = 150
FEWER_PERCENT: Final = 30
MODELS: Final = 200
DAYS: Final = 30
ADVISORS: Final = ("residency", "routing", "housekeeping", "context")
WITH_A_PATTERN: Final = ("office", "rotation")
WITHOUT: Final = "none"
SEEDS: Final = tuple(range(7001, 7011))
PLANTED: Final = ("tests/architecture/test_boundary.py", "tests/architecture/test_contracts.py")
HOSTILE: Final = ("tests/hostile",)


def run(quick: bool) -> list[Row]:
    rounds, seeds = (1, SEEDS[:1]) if quick else (5, SEEDS)
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        host = AdvisorHost(bundle=bundle(Path(scratch)))
        rows = asyncio.run(_advised(host, rounds=rounds, seeds=seeds))
    rows.append(meanwhile_row(rounds=2 if quick else 7))
    rows.append(_caught("planted violations that were not caught", PLANTED, "bites"))
    rows.append(_caught("escapes of hostile advisors", HOSTILE))
    return rows


# --- what it costs, and what it is worth --------------------------------------------------------


async def _advised(host: AdvisorHost, *, rounds: int, seeds: tuple[int, ...]) -> list[Row]:
    snapshot = json.dumps(as_plain(large(models=MODELS, days=DAYS))).encode()
    outcomes = {
        name: [
            await _well(host, Order(do="advise", advisor=name, snapshot=snapshot))
            for _ in range(rounds)
        ]
        for name in ADVISORS
    }
    rows = _cost_rows(outcomes, size=len(snapshot))
    for month in (*WITH_A_PATTERN, WITHOUT):
        rows += await _month_rows(host, month, seeds)
    return rows


async def _well(host: AdvisorHost, order: Order) -> Outcome:
    outcome = await host.run(order, _no_model)
    if outcome.ended or outcome.tried:
        raise ValueError(f"{order.advisor} ended badly: {outcome.ended} {outcome.tried}")
    return outcome


async def _no_model(_: Question) -> Answer:
    return Answer(None, "no model takes part")


def _cost_rows(outcomes: Mapping[str, list[Outcome]], *, size: int) -> list[Row]:
    seconds = {name: median([o.elapsed_ms / 1000 for o in all_]) for name, all_ in outcomes.items()}
    peaks = {name: max(o.peak_bytes for o in all_) / 1e6 for name, all_ in outcomes.items()}
    slowest, largest = max(seconds, key=seconds.__getitem__), max(peaks, key=peaks.__getitem__)
    what = f"{MODELS} models, {DAYS} days, {size / 1e6:.1f} MB; from the start of its process"
    return [
        below(
            f"advice, slowest advisor ({slowest})", seconds[slowest], "s", limit=ADVICE_S, note=what
        ),
        orientation("advice, all four one after another", sum(seconds.values()), None, "s"),
        below(
            f"memory of an advisor's process, largest ({largest})",
            peaks[largest],
            "MB",
            limit=ADVICE_MB,
            note="peak",
        ),
    ]


async def _month_rows(host: AdvisorHost, month: str, seeds: tuple[int, ...]) -> list[Row]:
    reports = [await _replayed(host, month, seed) for seed in seeds]
    ours, lru = (sum(r[key] for r in reports) for key in ("cold_starts", "cold_starts_lru"))
    by_seed = ", ".join(f"{r['seed']}: {r['cold_starts']}/{r['cold_starts_lru']}" for r in reports)
    note = f"advice always taken; by seed {by_seed}"
    if month == WITHOUT:
        worst = max(r["cold_starts"] / r["cold_starts_lru"] for r in reports)
        return [
            no_more_than(
                f"cold starts over plain LRU, month '{month}', worst seed",
                ours,
                lru,
                "cold starts",
                measured=worst,
                note=note,
            )
        ]
    least = min(100 - 100 * r["cold_starts"] / r["cold_starts_lru"] for r in reports)
    worth = above(
        f"fewer cold starts than plain LRU, month '{month}', all seeds",
        round(100 - 100 * ours / lru, 1),
        "%",
        limit=FEWER_PERCENT,
        note=f"least {least:.0f} %; {note}",
    )
    hits, advised = (sum(r[key] for r in reports) for key in ("hits", "advised_loads"))
    right = orientation(
        f"loads by advice that were used, month '{month}'",
        round(100 * hits / advised, 1) if advised else 0.0,
        None,
        "%",
        note=f"{advised} loads, {sum(r['wrong'] for r in reports)} pieces of wrong advice",
    )
    return [worth, right]


async def _replayed(host: AdvisorHost, month: str, seed: int) -> dict[str, Any]:
    order = Order(do="replay", advisor="residency", month=month, seed=seed)
    outcome = await _well(host, order)
    if outcome.report is None:
        raise ValueError(f"no report of {month} {seed}")
    report: dict[str, Any] = json.loads(outcome.report)
    return report


# --- whether anything got past ------------------------------------------------------------------


def _caught(what: str, paths: tuple[str, ...], only: str = "") -> Row:
    """Run the tests that try, and count those in which something got past."""
    with tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch:
        report = Path(scratch) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-n", "0", f"--junitxml={report}", *paths]
        command += ["-k", only] if only else []
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**environment(), "PATH": os.environ.get("PATH", "")},
            capture_output=True,
            text=True,
            check=False,
        )
        if not report.exists():
            return missed(what, "", target="0", note=done.stdout[-200:])
        suite = next(ET.parse(report).getroot().iter("testsuite"))
    tried, skipped = int(suite.get("tests", 0)), int(suite.get("skipped", 0))
    past = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
    note = f"of {tried - skipped} that were tried" + (f", {skipped} not here" if skipped else "")
    if tried == skipped:
        return missed(what, "", target="0", note="nothing was tried")
    return below(what, past, "", limit=1, note=note)
