"""Workers and servers that die without a word, on real workers."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import app
from app.domain.engine import LoadSpec
from app.domain.generation import Delta, Finished, GenerationEvent, Sampling, Sequence, TextPrompt
from app.domain.refusals import WorkerLost
from app.engines.supervisor import WorkerHost
from app.engines.worker_engine import WorkerEngine

SERVER = Path(__file__).parent / "server.py"


def ask(name: str, **sampling: int) -> Sequence:
    return Sequence(name, TextPrompt("hello"), Sampling(**sampling))


async def first_text(engine: WorkerEngine, asked: Sequence) -> list[GenerationEvent]:
    """Everything until the worker is killed at the first text, and what follows."""
    seen: list[GenerationEvent] = []
    async for event in engine.generate(None, asked):
        seen.append(event)
        if isinstance(event, Delta):
            with suppress(ProcessLookupError):  # text that it sent before it was killed
                os.kill(engine.facts.pid, signal.SIGKILL)
    return seen


async def kill_and_go_on(host: WorkerHost, spec: LoadSpec) -> None:
    engine = await host.start(None, spec)
    with pytest.raises(WorkerLost, match="killed by signal 9"):
        await first_text(engine, ask("one"))
    assert await engine.exited == "killed by signal 9"


@pytest.mark.parametrize("kills", [2, pytest.param(50, marks=pytest.mark.faults)])
@pytest.mark.timeout(900)
async def test_killed_mid_stream_each_answer_ends_in_an_error_and_the_next_is_answered(
    host: WorkerHost, spec: LoadSpec, kills: int
) -> None:
    for _ in range(kills):
        await kill_and_go_on(host, spec)
    engine = await host.start(None, spec)
    seen = [event async for event in engine.generate(None, ask("next", max_tokens=5))]
    assert isinstance(seen[-1], Finished)
    assert psutil.Process().children(recursive=True) != []


async def test_every_sequence_of_a_lost_worker_is_told(host: WorkerHost, spec: LoadSpec) -> None:
    engine = await host.start(None, spec)
    # More than there are slots: what waits in the worker's queue is lost with it.
    asks = [first_text(engine, ask(str(number))) for number in range(8)]
    results = await asyncio.gather(*asks, return_exceptions=True)
    assert [type(result) for result in results] == [WorkerLost] * 8


async def test_term_lets_a_worker_finish_what_it_runs(host: WorkerHost, spec: LoadSpec) -> None:
    engine = await host.start(None, spec)
    generation = engine.generate(None, ask("runs", max_tokens=200))
    seen = [await anext(generation), await anext(generation)]
    stopping = asyncio.ensure_future(engine.stop(60.0))
    seen += [event async for event in generation]
    await stopping
    assert isinstance(seen[-1], Finished)
    assert seen[-1].completion_tokens == 200


def test_no_worker_outlives_a_server_that_is_killed(spec: LoadSpec) -> None:
    server = subprocess.Popen(
        [sys.executable, str(SERVER), str(spec.directory)],
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(Path(app.__file__).parents[1])},
        text=True,
    )
    with server:
        assert server.stdout is not None
        worker_pid = int(server.stdout.readline())
        family = [process.pid for process in psutil.Process(server.pid).children(recursive=True)]
        assert worker_pid in family
        assert len(family) == 2  # the worker, and what renders its templates
        server.kill()
        server.communicate()
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in family) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [pid for pid in family if alive(pid)] == []


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads the environment from /proc")
async def test_a_worker_sees_no_secret_of_the_server(
    host: WorkerHost, spec: LoadSpec, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HF_TOKEN", "OPENAI_API_KEY", "HTTPS_PROXY", "LMX_HOME", "LMX_OPERATOR_KEY"):
        monkeypatch.setenv(name, "planted-secret")
    engine = await host.start(None, spec)
    for process in (
        psutil.Process(engine.facts.pid),
        *psutil.Process(engine.facts.pid).children(),
    ):
        environment = process.environ()
        assert "planted-secret" not in environment.values()
        assert environment["HF_HUB_OFFLINE"] == "1"
        assert os.listdir(process.cwd()) == []  # noqa: PTH208 - a string is what psutil gives
