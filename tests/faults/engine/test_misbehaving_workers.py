"""Whatever a worker does, the host says so in words, kills it and goes on."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from app.domain.engine import LoadFailure, LoadSpec
from app.domain.generation import Delta, Sequence, Started, TextPrompt
from app.domain.refusals import WorkerLost
from app.engines.supervisor import WorkerHost
from app.engines.worker_engine import Patience

PROGRAM = Path(__file__).parent / "misbehaving.py"
IMPATIENT = Patience(load_s=60.0, heartbeat_s=0.05, silence_s=0.5, step_s=1.0)
PATIENT = Patience(load_s=60.0, heartbeat_s=0.05)
"""For workers that answer in time, on a busy machine too."""
SPEC = LoadSpec("tests/bad", "0" * 64, Path("/nowhere"), 128, 2, 2**20)
ASK = Sequence("one", TextPrompt("hello"))

Hosts = Callable[..., WorkerHost]


@pytest_asyncio.fixture
async def host_of() -> AsyncIterator[Hosts]:
    hosts: list[WorkerHost] = []

    def make(way: str, patience: Patience = PATIENT) -> WorkerHost:
        host = WorkerHost(command=(sys.executable, str(PROGRAM), way), patience=patience)
        hosts.append(host)
        return host

    yield make
    for host in hosts:
        await host.close()


def children() -> list[psutil.Process]:
    return [child for child in psutil.Process().children(recursive=True) if is_worker(child)]


def is_worker(child: psutil.Process) -> bool:
    try:
        return child.status() != psutil.STATUS_ZOMBIE and str(PROGRAM) in child.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):  # it ended while it was looked at
        return False


@pytest.mark.parametrize(
    ("way", "words", "out_of_memory"),
    [
        ("exits_at_once", "exited with status 3", False),
        ("writes_garbage", "no frame", False),
        ("speaks_another_version", "no frame", False),
        ("exits_during_load", "exited with status 7", False),
        ("is_killed_during_load", "killed by signal 9", True),
        ("runs_out_of_memory_at_load", "no memory", True),
    ],
)
async def test_a_worker_that_fails_to_load_says_why(
    host_of: Hosts, way: str, words: str, out_of_memory: bool
) -> None:
    with pytest.raises(LoadFailure) as failed:
        await host_of(way).start(None, SPEC)
    assert words in failed.value.reason
    assert failed.value.out_of_memory is out_of_memory
    assert children() == []


async def test_a_worker_that_never_speaks_runs_into_the_time_limit(host_of: Hosts) -> None:
    host = host_of("says_nothing", Patience(load_s=0.3))
    with pytest.raises(LoadFailure, match="longer than"):
        await host.start(None, SPEC)
    assert children() == []


async def test_a_program_that_is_not_there_is_a_load_failure() -> None:
    host = WorkerHost(command=("/nowhere/worker",))
    with pytest.raises(LoadFailure, match="could not be started"):
        await host.start(None, SPEC)
    await host.close()


async def test_cancelling_a_start_kills_the_half_started_worker(host_of: Hosts) -> None:
    start = asyncio.ensure_future(host_of("says_nothing").start(None, SPEC))
    while not children():
        await asyncio.sleep(0.01)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    assert children() == []


@pytest.mark.parametrize(
    ("way", "reason"),
    [
        ("hangs", "hung"),
        ("hangs_while_decoding", "hung"),
        ("is_stopped", "hung"),
        ("takes_too_much_memory", "memory limit"),
    ],
)
async def test_a_worker_gone_wrong_is_killed(host_of: Hosts, way: str, reason: str) -> None:
    patience = IMPATIENT if reason == "hung" else PATIENT
    engine = await host_of(way, patience).start(None, SPEC)
    assert await asyncio.wait_for(engine.exited, 60) == reason
    assert children() == []
    with pytest.raises(WorkerLost):
        await anext(engine.generate(None, ASK))


async def test_garbage_mid_answer_fails_the_answer_after_what_was_said(host_of: Hosts) -> None:
    engine = await host_of("writes_garbage_while_it_answers").start(None, SPEC)
    generation = engine.generate(None, ASK)
    assert await anext(generation) == Started(1)
    assert await anext(generation) == Delta("half an ans", 3)
    with pytest.raises(WorkerLost, match="Send the request again"):
        await anext(generation)
    assert await engine.exited == "protocol error"


async def test_a_worker_that_ignores_term_is_killed_after_the_grace(host_of: Hosts) -> None:
    engine = await host_of("ignores_term").start(None, SPEC)
    await engine.stop(0.1)
    assert await engine.exited == "stopped"
    assert children() == []


async def test_a_stop_takes_the_whole_process_group(host_of: Hosts) -> None:
    engine = await host_of("leaves_a_child_behind").start(None, SPEC)
    assert len(children()) == 2
    await engine.stop(0.1)
    assert children() == []
