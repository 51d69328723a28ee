"""The control: an advisor that does what it may gets what it needs, and the host stays free."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from app.domain.advice.contained import Order, Outcome
from app.domain.advice.frames import Answer, Question
from app.engines import advisor_run
from app.engines.advisor_bundle import bundle
from app.engines.advisor_host import AdvisorHost
from app.engines.advisor_run import Limits
from tests.hostile.world import SNAPSHOT, World, left_over, no_answer

ASKS = """\
one = yield Question(prompt='how\\nmuch?', schema={'type': 'object'}, max_tokens=7)
yield proposed(f'answered {one.text!r} {one.why!r}')
two = yield Question(prompt='and now?', schema={})
yield proposed(f'answered {two.text!r} {two.why!r}')
"""
FOREVER = "yield proposed('good')\nwhile True:\n    pass"


async def test_questions_are_answered_in_turn(around: World) -> None:
    asked: list[Question] = []

    async def answer(question: Question) -> Answer:
        asked.append(question)
        await asyncio.sleep(0)
        return Answer("x\ny\u2028\x1b") if len(asked) == 1 else Answer(None, "no model is there")

    outcome = await around.start(ASKS, whole=True, answer=answer)
    assert [(one.prompt, one.schema, one.max_tokens) for one in asked] == [
        ("how\nmuch?", {"type": "object"}, 7),
        ("and now?", {}, 1_000),
    ]
    assert [json.loads(one)["reason"] for one in outcome.proposals] == [
        repr_of("x\ny\u2028\x1b", ""),
        repr_of(None, "no model is there"),
    ]
    assert (outcome.ended, outcome.tried, outcome.questions) == ("", (), 2)
    assert all(wall.stands for wall in outcome.walls) or sys.platform != "linux"


def repr_of(text: str | None, why: str) -> str:
    return f"answered {text!r} {why!r}"


async def test_the_clock_stands_still_while_the_host_looks_for_an_answer(
    around: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that jumps an hour at each question."""
    jumped = 0

    async def slowly(_: Question) -> Answer:
        nonlocal jumped
        jumped += 3_600
        return Answer("late")

    clock = SimpleNamespace(monotonic=lambda: time.monotonic() + jumped, sleep=time.sleep)
    monkeypatch.setattr(advisor_run, "time", clock)
    outcome = await around.start(ASKS, whole=True, answer=slowly, answers_s=10_000)
    assert (len(outcome.proposals), outcome.ended) == (2, "")
    assert outcome.elapsed_ms >= 7_200_000
    outcome = await around.start(ASKS, whole=True, answer=slowly, answers_s=5_000)
    assert outcome.ended == "its answers took too long"


async def test_answers_that_take_too_long_end_it(around: World) -> None:
    async def never(_: Question) -> Answer:
        await asyncio.sleep(3600)
        raise AssertionError

    outcome = await around.start(ASKS, whole=True, answer=never, answers_s=0.3)
    assert [one.what for one in outcome.tried] == ["questions"]
    assert outcome.ended == "its answers took too long"


async def test_a_fault_in_answering_is_the_hosts_and_the_child_is_gone(around: World) -> None:
    async def broken(_: Question) -> Answer:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await around.start(ASKS, whole=True, answer=broken)


async def test_cancelling_kills(around: World) -> None:
    """`start` itself asserts that no process and no scratch directory is left."""
    running = asyncio.create_task(around.start(FOREVER, whole=True))
    while not any("advisor.zip" in " ".join(one.cmdline()) for one in children()):
        await asyncio.sleep(0.02)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


def children() -> list[psutil.Process]:
    found = []
    for process in psutil.Process().children():
        with contextlib.suppress(psutil.Error):
            process.cmdline()
            found.append(process)
    return found


async def test_one_that_computes_for_ever_is_ended_and_the_event_loop_goes_on_meanwhile(
    around: World,
) -> None:
    """A loop that is not free cannot count while the child computes for a whole second."""
    counted = 0

    async def count() -> None:
        nonlocal counted
        while True:
            await asyncio.sleep(0.01)
            counted += 1

    counting = asyncio.create_task(count())
    outcome = await around.start(FOREVER, whole=True, cpu_s=1)
    counting.cancel()
    assert ([one.what for one in outcome.tried], outcome.ended) == (["cpu"], "it computed too long")
    assert len(outcome.proposals) == 1
    assert counted > 10


async def test_what_it_took_is_measured(around: World) -> None:
    outcome = await around.start(
        "held = b'x' * (60 << 20)\nsum(range(3_000_000))\nyield proposed('good')",
        whole=True,
    )
    assert outcome.ended == ""
    assert 70 << 20 < outcome.peak_bytes < 120 << 20
    assert 20 <= outcome.cpu_ms <= outcome.elapsed_ms + 50


async def test_the_real_advisors_are_described_behind_their_walls(tmp_path: Path) -> None:
    host = AdvisorHost(bundle=bundle(tmp_path))
    outcome = await host.run(Order(do="look"), no_answer)
    assert (outcome.ended, outcome.tried) == ("", ())
    assert {"routing", "housekeeping", "context", "llm"} <= {one[0] for one in outcome.described}
    assert all(assumes and sure for _, assumes, sure in outcome.described)


@pytest.mark.parametrize("advisor", ["routing", "housekeeping", "context"])
async def test_a_real_advisor_tries_nothing(tmp_path: Path, advisor: str) -> None:
    host = AdvisorHost(bundle=bundle(tmp_path))
    order = Order(do="advise", advisor=advisor, snapshot=SNAPSHOT)
    outcome = await host.run(order, no_answer)
    assert (outcome.ended, outcome.tried) == ("", ())


async def test_a_replay_is_reported(tmp_path: Path) -> None:
    host = AdvisorHost(bundle=bundle(tmp_path))
    order = Order(do="replay", advisor="routing", month="office", seed=3)
    outcome = await host.run(order, no_answer)
    assert (outcome.ended, outcome.tried) == ("", ())
    assert outcome.report is not None
    assert isinstance(json.loads(outcome.report), dict)


async def test_an_advisor_that_there_is_not_is_said(tmp_path: Path) -> None:
    host = AdvisorHost(bundle=bundle(tmp_path))
    order = Order(do="advise", advisor="nobody\x1b", snapshot=SNAPSHOT)
    outcome = await host.run(order, no_answer)
    assert outcome.ended.startswith("it raised LookupError: ")
    assert outcome.ended.isprintable()


async def test_a_bundle_that_is_not_there_is_said(tmp_path: Path) -> None:
    host = AdvisorHost(bundle=tmp_path / "none.zip")
    outcome: Outcome = await host.run(Order(do="look"), no_answer)
    assert outcome.ended.startswith("it ended before its walls stood: ")
    assert (outcome.walls, outcome.described) == ((), ())


def started(tmp_path: Path, order: dict[str, object]) -> "subprocess.Popen[bytes]":
    """A child without a host, so that only its own walls end it."""
    registry = (
        "class Forever:\n    name = assumes = sure = 'x'\n    def advise(self, _):\n"
        "        while True:\n            __import__('time').sleep(10)\n        yield\n"
        "ADVISORS = {'x': Forever}\n"
    )
    made = bundle(tmp_path, {"app/_experimental/registry.py": registry})
    child = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", str(made)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"WITHOUT": "seccomp", "PYTHONPATH": "/", "LMX_WITHOUT": "seccomp"},
        cwd=tmp_path,
    )
    limits = {"address_bytes": 352 << 20, "cpu_s": 5, "alarm_s": 20}
    told = {"do": "advise", "advisor": "x", "month": "", "seed": 0, "limits": limits}
    told |= {"without": ["seccomp"], "WITHOUT": ["seccomp"], "snapshot": json.loads(SNAPSHOT)}
    assert child.stdin is not None
    child.stdin.write(json.dumps(told | order).encode() + b"\n")
    child.stdin.flush()
    return child


@pytest.mark.skipif(sys.platform != "linux", reason="all of them stand on Linux only")
def test_no_order_and_no_environment_takes_a_wall_away(tmp_path: Path) -> None:
    with started(tmp_path, {}) as child:
        assert child.stdout is not None
        walls = json.loads(child.stdout.readline())["walls"]
        child.kill()
    assert len(walls) == 11
    assert all(wall["stands"] for wall in walls)


def test_the_alarm_ends_a_child_that_nobody_watches(tmp_path: Path) -> None:
    limits = {"address_bytes": 352 << 20, "cpu_s": 5, "alarm_s": 1}
    with started(tmp_path, {"limits": limits}) as child:
        assert child.wait(timeout=60) == -signal.SIGALRM


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the alarm ends it")
def test_it_ends_with_the_server_however_that_ends(tmp_path: Path) -> None:
    made = bundle(tmp_path, {"app/_experimental/registry.py": _SLEEPER})
    server = subprocess.Popen(
        [sys.executable, "-c", _SERVER, str(made)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    wait_until(lambda: left_over_children(made, server.pid) != [])
    server.kill()
    server.wait()
    wait_until(lambda: [one for one in left_over(made) if one != server.pid] == [])


_SLEEPER = (
    "def described():\n    while True:\n        __import__('time').sleep(10)\ndescribed()\n"
    "ADVISORS = {}\n"
)
_SERVER = """\
import asyncio, sys
from pathlib import Path
from app.domain.advice.contained import Order
from app.engines.advisor_host import AdvisorHost
asyncio.run(AdvisorHost(bundle=Path(sys.argv[1])).run(Order(do="look"), None))
"""


def left_over_children(made: Path, server: int) -> list[int]:
    return [one for one in left_over(made) if one != server]


def wait_until(holds: object, patience_s: float = 30.0) -> None:
    until = time.monotonic() + patience_s
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < until
        time.sleep(0.02)


def test_limits_of_production_are_those_that_are_promised() -> None:
    from app.engines.advisor_host import LIMITS

    promised = Limits(clock_s=30, cpu_s=10)
    assert LIMITS["advise"] == LIMITS["look"] == promised
    assert (promised.memory_bytes, promised.output_bytes) == (256 << 20, 1 << 20)
    assert (promised.line_bytes, promised.questions) == (64 << 10, 3)
    assert LIMITS["replay"] == Limits(clock_s=180, cpu_s=120, line_bytes=1 << 20)
