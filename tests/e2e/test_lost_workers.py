"""A worker that dies or hangs costs the answers it was giving, and the server nothing."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import openai as sdk
import psutil
import pytest
from openai import Stream
from openai.types import Completion

from tests.e2e.asking import TINY, openai, recorded, refused, still_answers, until
from tests.e2e.asking import chat as ask_chat
from tests.e2e.server import RunningServer, running_server
from tests.models import tiny_model

LONG = 6000


@pytest.fixture(scope="module")
def fragile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Its workers may be silent for twelve seconds; their model is slow, so that they are busy."""
    place = tmp_path_factory.mktemp("fragile")
    slow = tiny_model(place / "slow", hidden=256, layers=8, context=8192)
    with running_server(place / "home", default_context=8192, worker_silence_s=12) as running:
        running.import_model(slow, TINY)
        yield running


def end_mid_stream(server: RunningServer, how: signal.Signals) -> None:
    """Begin a long answer, signal its worker after the first text, expect one error event."""
    with openai(server) as client:
        stream = client.completions.create(
            model=TINY, prompt="LMX", max_tokens=LONG, temperature=1, stream=True
        )
        assert next(iter(stream)).choices[0].text
        os.kill(server.residency(TINY)["pid"], how)
        error = error_of(stream)
    message = error.pop("message")
    assert error == {"type": "server_error", "param": None, "code": "worker_lost"}
    assert message is not None
    assert "Send the request again" in message


def error_of(stream: Stream[Completion]) -> dict[str, str | None]:
    with stream, pytest.raises(sdk.APIError) as failed:
        for _ in stream:
            pass
    assert isinstance(failed.value.body, dict)
    return failed.value.body


def survive_kills(server: RunningServer, times: int) -> None:
    still_answers(server)
    events_before = exits_of(server)
    for _ in range(times):
        end_mid_stream(server, signal.SIGKILL)
        still_answers(server)
    until(lambda: exits_of(server) == events_before + times)
    assert server.residency(TINY)["state"] == "ready"
    assert len(server.workers()) == 1


def exits_of(server: RunningServer) -> int:
    return len(server.events(kind="worker_exited", subject=TINY))


def test_a_killed_worker_costs_one_answer_and_not_the_server(fragile: RunningServer) -> None:
    survive_kills(fragile, 1)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_fifty_killed_workers_cost_fifty_answers_and_not_the_server(
    fragile: RunningServer,
) -> None:
    survive_kills(fragile, 50)


def test_a_worker_that_hangs_is_killed_and_its_client_told(fragile: RunningServer) -> None:
    still_answers(fragile)
    hung = psutil.Process(fragile.residency(TINY)["pid"])
    end_mid_stream(fragile, signal.SIGSTOP)
    until(lambda: not hung.is_running())
    still_answers(fragile)


def test_an_unstreamed_answer_of_a_killed_worker_is_a_503_worth_repeating(
    fragile: RunningServer,
) -> None:
    still_answers(fragile)
    exits_before = exits_of(fragile)
    with openai(fragile, retries=2) as client, ThreadPoolExecutor() as pool:
        killing = pool.submit(kill_when_busy, fragile)
        answer = client.completions.create(model=TINY, prompt="LMX", max_tokens=200)
        killing.result()
    until(lambda: exits_of(fragile) == exits_before + 1)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 200


def kill_when_busy(server: RunningServer) -> None:
    until(lambda: server.residency(TINY)["active"] > 0)
    os.kill(server.residency(TINY)["pid"], signal.SIGKILL)


def test_a_model_that_crashes_at_every_load_ends_in_quarantine_until_verified(
    tmp_path: Path,
) -> None:
    """Its tokenizer cannot be read, so its worker ends during each load."""
    broken = tiny_model(tmp_path / "broken")
    (broken / "tokenizer.json").write_text('{"version": "1.0"}', "utf-8")
    with running_server(tmp_path / "home", crash_limit=2) as server:
        server.import_model(broken, "tests/broken")
        for _ in range(2):
            error = refused(ask_chat(server, "hi", model="tests/broken"), 503, "load_failed")
            assert "Traceback" not in error["message"]
        recorded(server, "load_failed", "tests/broken")
        refused(ask_chat(server, "hi", model="tests/broken"), 503, "model_quarantined")
        recorded(server, "model_quarantined", "tests/broken")
        assert server.events(kind="model_quarantined", subject="tests/broken")
        assert server.lmx("models", "verify", "tests/broken").returncode == 0
        refused(ask_chat(server, "hi", model="tests/broken"), 503, "load_failed")
        assert server.workers() == []
        outcomes = server.events(kind="load_outcome", subject="tests/broken")
        assert {event["outcome"] for event in outcomes} == {"failed"}
        assert len(outcomes) == len(server.events(kind="load_intent", subject="tests/broken"))


@pytest.mark.timeout(300)
def test_no_worker_outlives_the_server_however_it_ends_and_the_ledger_says_so(
    tmp_path: Path, tiny_directory: Path
) -> None:
    home = tmp_path / "home"
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        with running_server(home, default_context=8192, drain_timeout_s=2) as server:
            if how is signal.SIGKILL:
                server.import_model(tiny_directory, TINY)
            else:
                assert_reconciled(server)
            family = end_while_answering(server, how)
            _, alive = psutil.wait_procs(family, timeout=60)
            assert not alive
            assert "Traceback" not in "".join(server.lines)
            assert server.process.returncode == (-how if how is signal.SIGKILL else 0)
    with running_server(home) as server:
        assert_reconciled(server)
        ends = server.events(kind="shutdown")
        assert len(ends) == 2


def end_while_answering(server: RunningServer, how: signal.Signals) -> list[psutil.Process]:
    """Signal the server in the middle of a stream; its children as they were before."""
    body = {"model": TINY, "prompt": "LMX", "max_tokens": LONG, "stream": True}
    with (
        httpx.Client(timeout=60) as http,
        http.stream("POST", f"{server.url}/v1/completions", json=body) as answer,
    ):
        next(answer.iter_lines())
        family = psutil.Process(server.pid).children(recursive=True)
        assert len(family) >= 2  # the worker, and what renders its templates
        server.stop(how, timeout=60)
    return family


def assert_reconciled(server: RunningServer) -> None:
    """Every intent of an earlier life has its outcome."""
    events = server.events(subject=TINY)
    intents = {e["seq"] for e in events if e["kind"] in ("load_intent", "unload_intent")}
    outcomes = {e["body"]["intent_seq"] for e in events if e["kind"].endswith("_outcome")}
    assert intents
    assert intents == outcomes


def test_an_unload_cut_off_by_a_killed_server_is_reconciled_at_the_next_start(
    tmp_path: Path, tiny_directory: Path
) -> None:
    home = tmp_path / "home"
    patient = {"drain_timeout_s": 600, "worker_silence_s": 600}
    with (
        running_server(home, default_context=8192, **patient) as server,
        ThreadPoolExecutor(1) as pool,
        openai(server) as client,
    ):
        server.import_model(tiny_directory, TINY)
        stream = client.completions.create(model=TINY, prompt="LMX", max_tokens=LONG, stream=True)
        assert next(iter(stream)).choices[0].text
        # Frozen, the worker never ends its answer, for which the unload waits: its intent stands
        # without an outcome.
        os.kill(server.residency(TINY)["pid"], signal.SIGSTOP)
        asked = pool.submit(unload, server)
        until(lambda: server.events(kind="unload_intent", subject=TINY))
        server.stop(signal.SIGKILL)
        assert isinstance(asked.exception(60), httpx.TransportError)
        stream.close()
    with running_server(home) as server:
        events = server.events(kind="unload_outcome", subject=TINY)
    assert [event["outcome"] for event in events] == ["interrupted_by_restart"]


def unload(server: RunningServer) -> httpx.Response:
    with server.authority() as authority:
        return authority.post(f"/models/{TINY}/unload", json={})
