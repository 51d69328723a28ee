"""What a hostile advisor does to the host by being run: nothing is left, nobody waits for it."""

import asyncio
import os
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from app.domain.advice.frames import Answer, Question
from app.engines import advisor_run
from app.wiring.advising import PLACE, hosted
from tests.hostile.world import World, no_answer, said, told, world

GOOD = "yield proposed('good')\n"
ASKING = "answer = yield Question(prompt='p', schema={}, max_tokens=5)\n"
# Each leaves in a way of its own.
LEAVING = (
    GOOD,
    "raise ValueError",
    "print('garbage', flush=True)\nyield",
    "sys.stdin.close()\nsys.stdout.close()\nyield",
    "STOLEN['os']._exit(3)\nyield",
    ASKING + ASKING,
    "open('/etc/passwd')\nyield",
    "while True:\n    yield proposed('x' * 60_000)",
)


def held() -> tuple[int, int, int]:
    """What the host holds: descriptors where they can be counted, threads, children."""
    place = Path("/proc/self/fd")
    descriptors = len(list(place.iterdir())) if place.is_dir() else 0
    return descriptors, threading.active_count(), len(psutil.Process().children())


def one_of_each(around: World) -> None:
    for attack in LEAVING:
        around.run(attack, whole=True, without=frozenset())


def test_a_run_of_each_kind_leaves_nothing(around: World) -> None:
    """That the process and its directory are gone is asserted by `run` itself."""
    before = held()
    one_of_each(around)
    assert held() == before


@pytest.mark.faults
def test_two_hundred_runs_leave_nothing_and_take_no_memory(around: World) -> None:
    one_of_each(around)
    before, memory = held(), psutil.Process().memory_info().rss
    for _ in range(200 // len(LEAVING)):
        one_of_each(around)
    assert held() == before
    assert psutil.Process().memory_info().rss - memory < 8 << 20


def test_one_that_writes_byte_by_byte_does_not_keep_the_host_busy(
    around: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However small the pieces are, the host pauses after each."""
    counted = {"pieces": 0, "pauses": 0}

    def read(descriptor: int, size: int) -> bytes:
        counted["pieces"] += 1
        return os.read(descriptor, size)

    def pause(seconds: float) -> None:
        counted["pauses"] += seconds == advisor_run._PAUSE_S
        time.sleep(seconds)

    monkeypatch.setattr(advisor_run, "os", SimpleNamespace(read=read, write=os.write))
    monkeypatch.setattr(advisor_run, "time", SimpleNamespace(monotonic=time.monotonic, sleep=pause))
    outcome = around.run(
        GOOD + "time = __import__('time')\n"
        "for _ in range(100):\n    sys.stdout.buffer.raw.write(b'x')\n    time.sleep(0.003)",
        whole=True,
    )
    assert [what for what, _ in told(outcome)] == ["garbage"]
    assert counted["pieces"] > 10
    assert counted["pauses"] >= counted["pieces"] - 2  # the last ones end it


async def test_one_that_leaves_while_it_waits_for_an_answer_is_not_answered(around: World) -> None:
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def never(_: Question) -> Answer:
        asked.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            given_up.set()
            raise
        raise AssertionError

    line = '{"question": {"prompt": "p", "schema": {}, "max_tokens": 5}}'
    attack = f"print('{line}', flush=True)\nSTOLEN['os']._exit(0)\nyield"
    outcome = await around.start(attack, whole=True, without=frozenset(), answer=never)
    assert outcome.ended == "it ended without a word (exited with status 0)"
    await asyncio.wait_for(given_up.wait(), 30)
    assert asked.is_set()


async def test_cancelling_while_a_question_is_open_kills_and_gives_it_up(around: World) -> None:
    asked, given_up = asyncio.Event(), asyncio.Event()

    async def never(_: Question) -> Answer:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            given_up.set()
        raise AssertionError

    running = asyncio.create_task(around.start(ASKING, whole=True, answer=never))
    await asked.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await asyncio.wait_for(given_up.wait(), 30)


async def test_three_questions_as_long_as_can_be_are_asked(around: World) -> None:
    asked: list[int] = []

    async def answer(question: Question) -> Answer:
        asked.append(len(question.prompt))
        return Answer("y" * 500_000)

    longest = 65_000
    attack = f"for _ in range(3):\n    a = yield Question(prompt='x' * {longest}, schema={{}})\n"
    outcome = await around.start(
        attack + "    yield proposed(str(len(a.text)))", whole=True, answer=answer
    )
    assert (asked, outcome.ended, len(outcome.proposals)) == ([longest] * 3, "", 3)


async def test_one_that_never_reads_its_answer_blocks_nobody(around: World) -> None:
    """The pipe is full, and the host goes on looking at its clock."""

    async def long(_: Question) -> Answer:
        return Answer("y" * (4 << 20))

    line = '{"question": {"prompt": "p", "schema": {}, "max_tokens": 5}}'
    attack = f"print('{line}', flush=True)\nwhile True:\n    __import__('time').sleep(9)\nyield"
    outcome = await around.start(attack, whole=True, answer=long, clock_s=0.8)
    assert outcome.ended == "it took too long"


@pytest.mark.skipif(sys.platform != "linux", reason="these are walls of Linux")
def test_one_that_stops_itself_is_ended_all_the_same(around: World) -> None:
    attack = GOOD + "STOLEN['os'].kill(STOLEN['os'].getpid(), STOLEN['signal'].SIGSTOP)"
    outcome = around.run(
        attack, whole=True, without=frozenset({"audit-hook", "seccomp"}), clock_s=0.8
    )
    assert outcome.ended == "it took too long"


def test_what_a_server_left_that_was_killed_is_gone_at_the_next_start(tmp_path: Path) -> None:
    hosted(tmp_path)
    place = tmp_path / PLACE
    scratch = place / "scratch-of-the-last-time"
    scratch.mkdir(mode=0o700)
    (scratch / "left").write_text("x")
    hosted(tmp_path)
    assert [one.name for one in place.iterdir()] == ["advisor.zip"]


# F_SETOWN to somebody else, then O_ASYNC: a byte in the pipe is a signal to them.
BY_PIPE = """\
library = STOLEN['library']
done = [library.fcntl(0, 8, KNOWN['decoy']), library.fcntl(0, 4, 0x2000)]
answer = yield Question(prompt='p', schema={}, max_tokens=5)
yield proposed('GOT: it' if done == [0, 0] else 'stopped: ')
"""
BELOW = frozenset({"audit-hook", "seccomp", "no-descriptors"})


@pytest.mark.skipif(sys.platform != "linux", reason="these are walls of Linux")
def test_no_signal_goes_by_way_of_a_pipe(around: World) -> None:
    refused = around.run(BY_PIPE, whole=True, without=frozenset({"audit-hook"}))
    assert said(refused) == "stopped: "
    # Without the filter it can be set, and the next wall keeps the signal back.
    around.run(BY_PIPE, whole=True, without=BELOW)
    assert around.decoy.poll() is None


@pytest.mark.skipif(sys.platform != "linux", reason="these are walls of Linux")
def test_a_signal_would_go_by_way_of_a_pipe_without_walls(tmp_path: Path) -> None:
    """The control."""
    landlock = {"landlock-files", "landlock-network", "landlock-signals"}
    with world(tmp_path) as made:
        made.run(BY_PIPE, whole=True, without=BELOW | landlock, answer=no_answer)
        assert made.decoy.wait(timeout=30) < 0


def test_what_is_in_no_character_set_and_no_number_ends_it(around: World) -> None:
    """Half of a character and a number beyond all: whoever looks for an answer would fail."""
    asked: list[Any] = []

    async def answer(question: Question) -> Answer:
        asked.append(question)
        return Answer("x")

    for attack in (
        "yield Question(prompt='\\ud800', schema={}, max_tokens=5)",
        "yield Question(prompt='x', schema={'\\udfff': 1}, max_tokens=5)",
        'print(\'{"question": {"prompt": "p", "schema": {"a": 1e999}, "max_tokens": 5}}\')\nyield',
        'print(\'{"proposal": {"confidence": 1e999}}\')\nyield',
    ):
        outcome = around.run(attack, whole=True, answer=answer)
        assert [what for what, _ in told(outcome)] == ["garbage"], attack
    assert asked == []


def test_what_it_tells_cannot_be_put_into_its_mouth(around: World) -> None:
    """An advisor that puts its own code in the place of what writes JSON: what is told of it is
    written by nothing that it can reach."""
    outcome = around.run(
        "import json\n"
        "kept = json.JSONEncoder.iterencode\n"
        "def nothing(self, o, _one_shot=False):\n"
        "    raise ValueError\n"
        "json.JSONEncoder.iterencode = json.JSONEncoder.encode = nothing\n"
        "try:\n    open('/etc/passwd')\nexcept PermissionError:\n    pass\n"
        "json.JSONEncoder.iterencode = kept\n"
        "yield",
        whole=True,
    )
    assert told(outcome)[0][0] == "open"
