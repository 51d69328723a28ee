"""The server survives what its workers, its operator and its machine do to it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import openai
import psutil
import pytest
from openai import OpenAI

from tests.e2e.server import ROOT, RunningServer, run_lmx, running_server, with_checkout

MODEL = "lmx/starter"


def client(server: RunningServer) -> OpenAI:
    return OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0, timeout=120)


def kill_mid_stream(server: RunningServer) -> None:
    """Start a long answer, kill its worker after the first text, expect one error event."""
    stream = client(server).completions.create(
        model=MODEL, prompt="LMX Authority", max_tokens=900, temperature=1, stream=True
    )
    next(iter(stream))
    for worker in server.workers():
        worker.send_signal(signal.SIGKILL)
    with pytest.raises(openai.APIError, match="worker"):
        for _ in stream:
            pass


def answer(server: RunningServer) -> str:
    done = client(server).chat.completions.create(
        model=MODEL, messages=[{"role": "user", "content": "What is LMX Authority?"}], temperature=0
    )
    return done.choices[0].message.content or ""


def survive_kills(server: RunningServer, times: int) -> None:
    answer(server)
    for _ in range(times):
        kill_mid_stream(server)
        assert "LMX" in answer(server)
    assert server.process.poll() is None


def test_a_killed_worker_costs_one_answer_and_not_the_server(server: RunningServer) -> None:
    survive_kills(server, 2)


@pytest.mark.faults
def test_fifty_killed_workers_cost_fifty_answers_and_not_the_server(tmp_path: Path) -> None:
    with running_server(tmp_path / "home") as server:
        survive_kills(server, 50)


def test_no_worker_outlives_a_server_that_is_killed(tmp_path: Path) -> None:
    with running_server(tmp_path / "home") as server:
        answer(server)
        workers = server.workers()
        assert workers
        server.stop(signal.SIGKILL)
        _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive


def test_a_load_cut_off_by_a_killed_server_is_reconciled_at_the_next_start(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_server(home) as server:
        answer(server)
        with server.authority() as authority:
            worker = authority.get("/status").json()["models"][0]["pid"]
        # Frozen, the worker cannot end by itself: the unload's intent stands without an outcome.
        os.kill(worker, signal.SIGSTOP)
        with httpx.Client() as impatient, pytest.raises(httpx.TimeoutException):
            impatient.post(
                f"{server.url}/authority/models/{MODEL}/unload",
                headers={"Authorization": f"Bearer {server.operator_key}"},
                json={},
                timeout=1,
            )
        server.stop(signal.SIGKILL)
    with running_server(home) as server, server.authority() as authority:
        events = authority.get("/ledger/events", params={"kind": "unload_outcome"}).json()["events"]
    assert [event["outcome"] for event in events] == ["interrupted_by_restart"]


def test_a_taken_port_is_one_sentence(server: RunningServer, tmp_path: Path) -> None:
    port = server.url.rsplit(":", 1)[1]
    done = run_lmx(
        "serve", "--port", port, environment={**os.environ, "LMX_HOME": str(tmp_path / "other")}
    )
    assert done.returncode == 1
    assert f"Port {port} is taken" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_second_server_on_the_same_state_directory_is_refused(server: RunningServer) -> None:
    done = run_lmx("serve", "--port", "0", environment=server.environment)
    assert done.returncode == 1
    assert f"process {server.pid}" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_state_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    done = run_lmx(
        "serve", "--port", "0", environment={**os.environ, "LMX_HOME": str(tmp_path / "file/home")}
    )
    assert done.returncode == 1
    assert "LMX_HOME" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/usr/bin/setpriv").exists(), reason="needs setpriv to drop root")
def test_a_read_only_state_directory_is_one_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    for directory in (home, *home.parents[:2]):
        directory.chmod(0o755 if directory != home else 0o500)
    os.chown(home, 65534, 65534)
    dropped = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    command = [*dropped, sys.executable, "-m", "app.cli.main", "serve", "--port", "0"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=ROOT,
        env=with_checkout({"PATH": os.environ["PATH"], "LMX_HOME": str(home)}),
    )
    if "No module named" in done.stderr or "Permission denied: '/root" in done.stderr:
        pytest.skip("the interpreter itself is not readable by another account here")
    assert done.returncode == 1, done.stderr
    assert "cannot be used" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_client_that_goes_away_frees_the_model_at_once(server: RunningServer) -> None:
    answer(server)
    with httpx.Client(timeout=60) as http:
        body = {
            "model": MODEL,
            "prompt": "LMX",
            "max_tokens": 1500,
            "stream": True,
            "temperature": 1,
        }
        with http.stream("POST", f"{server.url}/v1/completions", json=body) as response:
            next(response.iter_lines())
    with server.authority() as authority:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            models = authority.get("/status").json()["models"]
            busy = sum(m["active"] + m["queued"] for m in models)
            if busy == 0:
                break
    assert busy == 0
