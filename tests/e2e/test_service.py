"""A server as a service has it: safe mode after a crash loop, and an end in good order."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil
import pytest

from tests.e2e.asking import chat, refused, until
from tests.e2e.server import RunningServer, running_server
from tests.models import tiny_model

NARROW = "tests/narrow"


def starts_in(home: Path) -> list[int]:
    """When the starts began that have not ended well, in microseconds."""
    found: list[int] = json.loads((home / "run" / "starts.json").read_text("utf-8"))["began_us"]
    return found


def test_after_a_crash_loop_nothing_is_loaded_by_itself_and_everybody_is_told_why(
    tmp_path: Path,
) -> None:
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True, mode=0o700)
    home.chmod(0o700)
    now_us = time.time_ns() // 1000
    began = [now_us - seconds * 1_000_000 for seconds in (90, 60, 30)]
    (home / "run" / "starts.json").write_text(json.dumps({"began_us": began}), "utf-8")
    with running_server(home, preload=["default"]) as server:
        assert "SAFE MODE" in "".join(server.lines)
        error = refused(chat(server, "hi", model="default"), 503, "load_failed")
        assert "safe mode" in error["message"]
        assert server.workers() == []
        with server.authority() as authority:
            why = authority.get("/status").json()["safe_mode"]
        assert why.startswith("The last 3 starts ended without being stopped")
        assert server.events(kind="boot")[0]["body"]["data"]["safe_mode"] == why
        assert server.lmx("models", "load", "lmx/starter").returncode == 0
        assert chat(server, "hi", model="default").status_code == 200
        assert len(starts_in(home)) == 4
        assert server.stop() == 0
    assert starts_in(home) == []  # so the next one is a usual start


@pytest.mark.slow
def test_three_servers_that_were_killed_make_the_fourth_one_careful(tmp_path: Path) -> None:
    home = tmp_path / "home"
    for _ in range(3):
        with running_server(home) as server:
            assert "SAFE MODE" not in "".join(server.lines)
            server.stop(signal.SIGKILL)
    with running_server(home) as server:
        assert "SAFE MODE" in "".join(server.lines)
        assert server.stop() == 0
    with running_server(home) as server:
        assert "SAFE MODE" not in "".join(server.lines)


@contextmanager
def streaming(server: RunningServer, place: Path) -> Iterator[Iterator[str]]:
    """The lines of an answer that takes minutes, of which the first has come."""
    narrow = tiny_model(place / "narrow", hidden=256, layers=16, context=8192)
    server.import_model(narrow, NARROW)
    body = {"model": NARROW, "prompt": "LMX", "max_tokens": 8000, "temperature": 1, "stream": True}
    with (
        httpx.Client(timeout=60) as http,
        http.stream("POST", f"{server.url}/v1/completions", json=body) as answer,
    ):
        lines = answer.iter_lines()
        next(lines)
        yield lines


def test_told_to_stop_an_answer_ends_with_an_error_and_the_server_with_0(tmp_path: Path) -> None:
    with (
        running_server(tmp_path / "home", default_context=8192, drain_timeout_s=0.1) as server,
        streaming(server, tmp_path) as lines,
    ):
        server.process.send_signal(signal.SIGTERM)
        last = [line for line in lines if line][-1]
        assert json.loads(last.removeprefix("data: "))["error"]["code"] == "worker_lost"
        assert server.process.wait(60) == 0
    assert starts_in(tmp_path / "home") == []


@pytest.mark.slow
@pytest.mark.parametrize("again", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_again_it_ends_at_once_and_leaves_no_worker(
    tmp_path: Path, again: signal.Signals
) -> None:
    home = tmp_path / "home"
    with (
        running_server(home, default_context=8192, drain_timeout_s=600) as server,
        streaming(server, tmp_path),
    ):
        family = psutil.Process(server.pid).children(recursive=True)
        server.process.send_signal(signal.SIGTERM)
        until(lambda: "Once more ends at once" in "".join(server.lines))
        server.process.send_signal(again)
        assert server.process.wait(60) == 1
        _, alive = psutil.wait_procs(family, timeout=60)
        assert not alive
    assert starts_in(home) == []  # somebody wanted it: no crash
