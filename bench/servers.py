"""Starts and stops the servers that are compared: ours as users start it, and `mlx_lm.server`."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from bench.child import ROOT, ChildFailed, environment

SLOTS = 16
POLL_S = 0.01


@dataclass(frozen=True, slots=True)
class Running:
    port: int
    process: subprocess.Popen[bytes]
    ready_s: float
    """Seconds from the start of the process to its first good answer."""


@contextmanager
def product(home: Path) -> Iterator[Running]:
    """`lmx serve` on a state directory of its own."""
    port = free_port()
    command = ["-m", "app.cli.main", "serve", "--port", str(port), "--home", str(home)]
    with _started(command, port=port, path="/readyz", log=home.parent / "product.log") as running:
        yield running


@contextmanager
def mlx_lm_server(model: Path) -> Iterator[Running]:
    port = free_port()
    command = ["-m", "mlx_lm", "server", "--model", str(model), "--port", str(port)]
    command += ["--log-level", "ERROR"]
    log = model.parent / "mlx_lm_server.log"
    with _started(command, port=port, path="/health", log=log) as running:
        yield running


@contextmanager
def llama_cpp_server(file: Path, *, slots: int) -> Iterator[Running]:
    """llama.cpp's own server, from the library that the product's worker uses."""
    port = free_port()
    command = ["-m", "bench.llama_server", str(file), str(port), str(slots), str(os.cpu_count())]
    log = file.parent.parent / "llama_server.log"
    with _started(command, port=port, path="/health", log=log) as running:
        yield running


def quiet_home(home: Path) -> Path:
    """A state directory whose server loads nothing by itself and has as many slots as streams."""
    home.mkdir(mode=0o700, parents=True)
    settings = home / "config.yaml"
    settings.write_text(f"version: 1\npreload: []\nslots: {SLOTS}\nqueue_limit: 256\n")
    settings.chmod(0o600)
    return home


def bring_in(
    running: Running, home: Path, model: Path, name: str, *, slots: int = SLOTS, context: int = 1024
) -> None:
    """Import `model` by the way every model takes, and load it."""
    imported = _ask(running, home, "/authority/models/import", {"path": str(model), "name": name})
    if "done" not in imported:
        raise ChildFailed(f"the import of {name} was refused: {imported}")
    load(running, home, name, slots=slots, context=context)


def load(
    running: Running, home: Path, name: str, *, slots: int = SLOTS, context: int = 1024
) -> None:
    loaded = _ask(
        running, home, f"/authority/models/{name}/load", {"slots": slots, "context": context}
    )
    if "code" in loaded:
        raise ChildFailed(f"the load of {name} was refused: {loaded}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _ask(running: Running, home: Path, path: str, body: dict[str, Any]) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", running.port, timeout=120)
    key = (home / "operator.key").read_text().split()[-1]
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    connection.request("POST", path, json.dumps(body), headers)
    lines = connection.getresponse().read().splitlines()
    connection.close()
    last: dict[str, Any] = json.loads(lines[-1])
    return last


@contextmanager
def _started(command: list[str], *, port: int, path: str, log: Path) -> Iterator[Running]:
    started = time.perf_counter()
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment(),
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_for(process, port, path, log)
        yield Running(port, process, time.perf_counter() - started)
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(process: subprocess.Popen[bytes], port: int, path: str, log: Path) -> None:
    deadline = time.perf_counter() + 120
    while time.perf_counter() < deadline:
        if process.poll() is not None:
            raise ChildFailed(f"the server ended at its start: {_tail(log)}")
        if _answers(port, path):
            return
        time.sleep(POLL_S)
    raise ChildFailed(f"the server did not answer {path} in time: {_tail(log)}")


def _answers(port: int, path: str) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def _tail(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
