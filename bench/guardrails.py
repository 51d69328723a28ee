"""What guardrails cost: compiling, deciding, deciding again, and finding what a change concerns.

Decisions are made as an act makes them: everything that their conditions watch is read first, from
a catalogue, a ledger and a usage table on the disk, and from this machine's memory.
"""

import asyncio
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from app.authority.guardrails.binding import bind
from app.authority.guardrails.changing import Binding, Changing
from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.document.reading import read
from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.ir import define
from app.authority.guardrails.policy import GuardedPolicy
from app.authority.guardrails.replaying import replay
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.standing import Standing
from app.authority.guardrails.strategies.base import Reading
from app.authority.guardrails.values import Definition, Point
from app.authority.guardrails.verdicts import Asked
from app.authority.guardrails.watching.decision_store import Decided, DecisionStore
from app.authority.guardrails.watching.histories import Histories
from app.authority.guardrails.watching.memory import Glance
from app.authority.guardrails.watching.observing import Observing
from app.authority.guardrails.watching.packing import packed
from app.authority.ledger.writing import writing
from app.authority.policy.decisions import Outcome
from app.authority.policy.hard import HardPolicy
from app.domain.actors import SYSTEM
from app.engines.memory_probe import SystemMemoryProbe
from app.settings import TEMPLATES
from bench.statistics import median, percentile
from bench.table import Row, below, orientation
from tests.fakes.at_work import AtWork, at_work
from tests.fakes.guardrails import SHARE, edited

COMPILE_MS: Final = 5
DECIDE_MS: Final = 1
REPLAY_S: Final = 30
AFFECTED_MS: Final = 200
CONDITIONS: Final = 200
TASKS: Final = 10_000
RECORDED: Final = 100_000
TICKS: Final = 1_500
"""A day of history and an hour."""
WARM_UPS: Final = 20
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
    lambda n: (
        f"Block loading a model when queue depth rises by more than {n + 900} % within 1 hour"
    ),
    lambda n: f"Block loading a model when blocked attempts spike within {n + 2} hours",
    lambda n: f"Ask for approval before loading a model if size is above {n + 500} GB",
)
"""Conditions that are not met, each another one."""


def run(quick: bool) -> list[Row]:
    document = read((TEMPLATES / "guardrails.yaml").read_text("utf-8"), "yaml")
    compiles, decisions, recorded = (20, 300, 2_000) if quick else (200, 5_000, RECORDED)
    found = [compile_row(document, compiles)]
    bound = {f"t{n}": said for n, said in enumerate(conditions())}
    with at_work_in_scratch(bound) as work:
        found += asyncio.run(_decide_rows(work, decisions))
        found.append(replay_row(work.decisions, work, document, recorded))
    with at_work_in_scratch() as work:
        found += asyncio.run(_affected_rows(work, document, 500 if quick else TASKS))
    return found


@contextmanager
def at_work_in_scratch(tasks: Mapping[str, str] | None = None) -> Iterator[AtWork]:
    scratch = tempfile.TemporaryDirectory(prefix="lmx-bench-")
    with scratch as directory, at_work(Path(directory) / "work", tasks) as work:
        yield work


def compile_row(document: Guardrails, rounds: int) -> Row:
    took = [
        _timed(partial(_compiled, intent, document)) for _ in range(rounds) for intent in INTENTS
    ]
    note = (
        f"{len(INTENTS)} intents, {rounds} times each, hashes included; processor time, p50 "
        f"{median(took):.2f} ms"
    )
    return below("compile one intent, p95", percentile(took, 95), "ms", limit=COMPILE_MS, note=note)


def _compiled(intent: str, document: Guardrails) -> Definition:
    return define("task", 1, resolve(intent, document))


# --- deciding -----------------------------------------------------------------------------------


async def _decide_rows(work: AtWork, count: int) -> list[Row]:
    return await asyncio.to_thread(decide_rows, work, count)  # where the server asks


def decide_rows(work: AtWork, count: int) -> list[Row]:
    """What `policy.look` does is all of `policy.decide` but the row, which is timed apart."""
    probe = SystemMemoryProbe(monotonic=work.office.clock.monotonic)
    models = replace(work.sources.models, probe=Glance(probe, work.office.clock))
    observing = Observing(replace(work.sources, models=models), work.decisions)
    standing, clock = work.house.standing, work.office.clock
    policy = GuardedPolicy(HardPolicy(), standing, observing, work.alerts, clock)
    rules = standing.current().rules
    work.used(2_000)
    for n in range(TICKS):
        clock.advance(60)
        work.state.update(waiting=n % 7)
        observing.keep(observing.tick(rules), rules)
    question = work.load()
    deciding, busy, keeping = [], [], []
    for _ in range(count + WARM_UPS):
        clock.advance(0.001)
        cpu, began = time.thread_time(), time.perf_counter()
        found = policy.look(question)
        deciding.append(1000 * (time.perf_counter() - began))
        busy.append(1000 * (time.thread_time() - cpu))
        if found.outcome is not Outcome.ALLOW or found.errors:
            raise AssertionError(f"decided {found}")
    for _ in range(min(count, 200)):
        clock.advance(0.001)
        seen = observing.at(rules, question, Point.LOAD)
        began = time.perf_counter()
        observing.keep(seen, rules)
        keeping.append(1000 * (time.perf_counter() - began))
    if len(seen.evaluation.verdicts) != CONDITIONS:
        raise AssertionError(f"{len(seen.evaluation.verdicts)} conditions were asked")
    wall, busy = deciding[WARM_UPS:], busy[WARM_UPS:]
    note = (
        f"processor time of {count} questions, {TICKS} ticks of history; reading values, deciding "
        f"and the record of {len(seen.evaluation.record):,} bytes, memory read once a second"
    )
    return [
        below(f"decision with {CONDITIONS} active conditions, p99", percentile(busy, 99), "ms",
              limit=DECIDE_MS, note=note),
        orientation("the same, p50", median(busy), None, "ms"),
        orientation("the same, by the clock: p50", median(wall), None, "ms",
                    note=f"p99 {percentile(wall, 99):.2f} ms, other programs included"),
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


async def _affected_rows(work: AtWork, document: Guardrails, count: int) -> list[Row]:
    return await asyncio.to_thread(affected_rows, work, document, count)


def affected_rows(work: AtWork, document: Guardrails, count: int) -> list[Row]:
    """Of tasks that are bound in a database, by a document that was loaded there."""
    compiled = [resolve(said, document) for said in (*INTENTS, *conditions())]
    tasks = [define(f"x{n}", 1, compiled[n % len(compiled)]) for n in range(count)]
    changing, ledger, engine = work.house.changing, work.office.ledger, work.office.engine
    bindings = [Binding(task.id, task, 1) for task in tasks]
    bound = _timed(lambda: changing.set_bound(bindings, SYSTEM))
    loaded = changing.keep(edited({SHARE: 0.4}), "yaml", "", SYSTEM).row.version
    now = changing.standing.current()
    started = Changing(Standing(ledger, engine), work.office.clock)
    cold = _timed(lambda: started.affected(started.standing.current(), loaded))
    took = [_timed(lambda: changing.affected(now, loaded)) for _ in range(20)]
    found = changing.affected(now, loaded)
    if not 0 < len(found) < count:
        raise AssertionError(f"{len(found)} tasks are affected")
    ticking = work.ticking()
    ticks = []
    for _ in range(3):
        work.office.clock.advance(60)
        ticks.append(_timed(ticking.tick))
    same = [_timed(changing.standing.checked) for _ in range(3)]
    here = f"{count:,} tasks bound in a database"
    return [
        below(f"affected tasks among {count:,}, the slowest of 20", max(took), "ms",
              limit=AFFECTED_MS, note=f"{len(found)} of them; processor time"),
        orientation("the same after a start: everything read and compared", cold, None, "ms"),
        orientation(f"binding {count:,} tasks", bound, None, "ms", note="one transaction"),
        orientation("a tick, what is bound compared with the ledger", min(ticks), None, "ms",
                    note=here),
        orientation("of it: the comparison", min(same), None, "ms", note=here),
    ]  # fmt: skip


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds of this thread's processor: other programs run on this machine too."""
    began = time.thread_time()
    work()
    return 1000 * (time.thread_time() - began)
