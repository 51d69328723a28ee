"""What guardrails cost: compiling, deciding, deciding again, and finding what a change concerns.

Decisions are made as an act makes them: everything that their conditions watch is read first, from
a catalogue, a ledger and a usage table on the disk, and from this machine's memory.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from app.authority.guardrails.affected import Affected, Change, Watched
from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.document.reading import read
from app.authority.guardrails.evaluating import Asked, Ruleset, bind, evaluate
from app.authority.guardrails.ir import define
from app.authority.guardrails.replaying import replay
from app.authority.guardrails.strategies.base import Reading
from app.authority.guardrails.values import Definition, Point
from app.authority.guardrails.watching.decision_store import Decided, DecisionStore
from app.authority.guardrails.watching.histories import Histories
from app.authority.guardrails.watching.memory import Glance
from app.authority.guardrails.watching.observing import Observing
from app.authority.guardrails.watching.packing import packed
from app.authority.ledger.writing import writing
from app.engines.memory_probe import SystemMemoryProbe
from app.settings import TEMPLATES
from bench.statistics import median, percentile
from bench.table import Row, below, orientation
from tests.fakes.at_work import AtWork, at_work

COMPILE_MS: Final = 5
DECIDE_MS: Final = 1
REPLAY_S: Final = 30
AFFECTED_MS: Final = 200
CONDITIONS: Final = 200
TASKS: Final = 10_000
RECORDED: Final = 100_000
MINUTE_US: Final = 60_000_000

INTENTS: Final = (
    "Block loading or pulling a model whose format is unverified",
    "Ask for approval before loading a model whose share of memory is unusually large",
    "Alert when blocked attempts rise sharply and are above 10",
    "Block pulls from unknown sources",
    "Block loading a model when model size is above 20 GB",
    "Alert when queue depth is above 30",
    "Block loading a model when memory pressure is above 90 %",
)
"""Of each strategy and of several points."""

MADE: Final[tuple[Callable[[int], str], ...]] = (
    lambda n: f"Block loading a model whose size is above {n + 100} GB",
    lambda n: f"Ask for approval before loading a model whose share of memory is above {n + 40} %",
    lambda n: f"Block loading a model when queue depth is above {n + 1000}",
    lambda n: f"Block loading a model when blocked attempts are above {n + 1000}",
    lambda n: f"Block loading a model when memory headroom is below {n + 1} MB",
)
"""Conditions that are not met, each another one."""


def run(quick: bool) -> list[Row]:
    document = read((TEMPLATES / "guardrails.yaml").read_text("utf-8"), "yaml")
    compiles, decisions, recorded = (20, 300, 2_000) if quick else (200, 5_000, RECORDED)
    found = [compile_row(document, compiles)]
    scratch = tempfile.TemporaryDirectory(prefix="lmx-bench-")
    with scratch as directory, at_work(Path(directory) / "work") as work:
        found += asyncio.run(_decide_rows(work, document, decisions))
        found.append(replay_row(work.decisions, work, document, recorded))
    found += affected_rows(document)
    return found


def compile_row(document: Guardrails, rounds: int) -> Row:
    took = []
    for _ in range(rounds):
        for intent in INTENTS:
            began = time.perf_counter()
            define("task", 1, resolve(intent, document))
            took.append(1000 * (time.perf_counter() - began))
    note = (
        f"{len(INTENTS)} intents, {rounds} times each, hashes included; p50 {median(took):.2f} ms"
    )
    return below("compile one intent, p95", percentile(took, 95), "ms", limit=COMPILE_MS, note=note)


# --- deciding -----------------------------------------------------------------------------------


async def _decide_rows(work: AtWork, document: Guardrails, count: int) -> list[Row]:
    return await asyncio.to_thread(decide_rows, work, document, count)  # where the server asks


def decide_rows(work: AtWork, document: Guardrails, count: int) -> list[Row]:
    rules = ruleset(document, conditions())
    probe = SystemMemoryProbe(monotonic=work.office.clock.monotonic)
    models = replace(work.sources.models, probe=Glance(probe, work.office.clock))
    sources = replace(work.sources, models=models)
    observing = Observing(sources, work.decisions)
    work.used(2_000)
    question = work.load()
    deciding, keeping = [], []
    for _ in range(count + 20):
        work.office.clock.advance(0.001)
        began = time.perf_counter()
        seen = observing.at(rules, question, Point.LOAD)
        decided = time.perf_counter()
        deciding.append(1000 * (decided - began))
        if len(keeping) < 200:
            observing.keep(seen, rules)
            keeping.append(1000 * (time.perf_counter() - decided))
        if seen.evaluation.outcome != "allow" or len(seen.evaluation.verdicts) != CONDITIONS:
            raise AssertionError(f"decided {seen.evaluation.outcome}: {seen.evaluation.errors}")
    note = f"{count} decisions, memory read once a second; p50 {median(deciding[20:]):.2f} ms"
    return [
        below(f"decision with {CONDITIONS} active conditions, p99", percentile(deciding[20:], 99),
              "ms", limit=DECIDE_MS, note=note),
        orientation("of it beside: the record made durable, p50", median(keeping), None, "ms"),
    ]  # fmt: skip


def conditions() -> list[str]:
    return [make(n) for n in range(CONDITIONS // len(MADE)) for make in MADE]


def ruleset(document: Guardrails, intents: list[str]) -> Ruleset:
    return Ruleset([bind(one, {}) for one in definitions(document, intents)], document.hash)


def definitions(document: Guardrails, intents: list[str]) -> list[Definition]:
    return [define(f"t{n}", 1, resolve(said, document)) for n, said in enumerate(intents)]


# --- deciding again -----------------------------------------------------------------------------


def replay_row(store: DecisionStore, work: AtWork, document: Guardrails, count: int) -> Row:
    rules = ruleset(document, list(INTENTS))
    first = store.add(next(_decided(rules, 1, work)))
    with writing(work.office.engine) as connection:
        connection.exec_driver_sql(
            "INSERT INTO guardrails_decision"
            " (seq, at_us, point, subject, actor, outcome, digest, record)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (first + n, *each[:-1], packed(each.record))
                for n, each in enumerate(_decided(rules, count - 1, work), 1)
            ],
        )
    known = {bound.binding_hash: bound for bound in rules.bounds}
    began, identical = time.perf_counter(), 0
    for kept in store.each():
        if kept.seq >= first:
            identical += replay(kept.record, known, kept.digest).identical
    took = time.perf_counter() - began
    if identical != count:
        raise AssertionError(f"{identical} of {count} decisions came out as they were recorded")
    scaled = took * RECORDED / count
    note = f"{count:,} decided again from their rows in {took:.1f} s, every one identical"
    return below(
        f"replay of {RECORDED:,} recorded decisions", scaled, "s", limit=REPLAY_S, note=note
    )


def _decided(rules: Ruleset, count: int, work: AtWork) -> Iterator[Decided]:
    """Ticks and loads in turn, with numbers that change."""
    histories, now = Histories(), work.office.clock.utc_us()
    for n in range(count):
        at_us = now + n * MINUTE_US
        read = _read(n)
        histories.add(at_us, [("blocked_attempts", float(n * 7 % 40))])
        point = Point.TICK if n % 2 else Point.LOAD
        asked = Asked(at_us=at_us, point=point, subject="test/tiny", actor="key:1")
        done = evaluate(rules, asked, read, histories)
        yield Decided(
            at_us, point, asked.subject, asked.actor, done.outcome, done.digest, done.record
        )


def _read(n: int) -> dict[str, Any]:
    return {
        "model_format": Reading(("safetensors", "gguf", "other")[n % 3]),
        "model_memory_share": Reading(n % 100 / 100),
        "model_size": Reading(n % 40 * 10**9),
        "blocked_attempts": Reading(n * 7 % 40),
        "memory_pressure": Reading(n % 97 / 97),
        "queue_depth": Reading(n % 50),
    }


# --- what a change concerns ---------------------------------------------------------------------


def affected_rows(document: Guardrails) -> list[Row]:
    compiled = [resolve(said, document).trace for said in (*INTENTS, *conditions())]
    traces = [compiled[n % len(compiled)] for n in range(TASKS)]
    tasks = [Watched(f"t{n}", trace.reads, trace.words) for n, trace in enumerate(traces)]
    keys = frozenset({"primitives/model_memory_share/priors/threshold/medium"})
    change = Change(keys, frozenset({"rise sharply"}))
    began = time.perf_counter()
    index = Affected(tasks)
    made = 1000 * (time.perf_counter() - began)
    took, found = [], frozenset[str]()
    for _ in range(20):
        began = time.perf_counter()
        found = index.by(change)
        took.append(1000 * (time.perf_counter() - began))
    if not 0 < len(found) < TASKS:
        raise AssertionError(f"{len(found)} tasks are affected")
    note = f"{len(found)} of them; the index over all is made once, in {made:.0f} ms"
    return [
        below(f"affected tasks among {TASKS:,}, index included", made + max(took), "ms",
              limit=AFFECTED_MS, note=note),
    ]  # fmt: skip
