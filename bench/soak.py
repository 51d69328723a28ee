"""A day of six bots and their operator in minutes: does the API process grow?

The server is the real one over HTTP; its clock runs fast and its workers are made up
(`bench.soak_server`), so that all of the work is the API process's own. Memory is its resident set
once everything has been asked for some time, and at the end of the day.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import psutil

from bench.child import ROOT, ChildFailed, environment
from bench.servers import free_port
from bench.statistics import median
from bench.table import Row, no_more_than, orientation

DAY_S = 86_400
MINUTES, QUICK_MINUTES = 6.0, 1.0
WARM_UP = 0.25
"""Of the day: every kind of request has come hundreds of times by then."""
GROWS = 1.1
BOTS = 6
CHAT = "/v1/chat/completions"
MODELS = ("lab/one", "lab/two")


def run(quick: bool) -> list[Row]:
    seconds = (QUICK_MINUTES if quick else MINUTES) * 60
    with (
        tempfile.TemporaryDirectory(prefix="lmx-bench-") as scratch,
        _server(Path(scratch), DAY_S / seconds) as (day, process),
    ):
        _bring_in(day, Path(scratch))
        threads = [threading.Thread(target=day.bot, args=(number,)) for number in range(BOTS)]
        threads.append(threading.Thread(target=day.operator))
        for thread in threads:
            thread.start()
        time.sleep(seconds * WARM_UP)
        warm = _resident_mb(process)
        time.sleep(max(0.0, seconds * (1 - WARM_UP) - 2))
        end = _resident_mb(process)
        day.over.set()
        for thread in threads:
            thread.join(60)
    told = ", ".join(f"{count:,} x {status}" for status, count in sorted(day.told.items()))
    what = "memory of the API process after a day over after its warm-up"
    return [
        no_more_than(what, end, warm, "MB", ratio=GROWS, note=f"{seconds:.0f} s; {told}"),
        orientation("requests of that day", sum(day.told.values()), None, "requests"),
    ]


class Day:
    """What is asked, again and again, until it is over."""

    def __init__(self, port: int, key: Callable[[], str]) -> None:
        self.port = port
        self.over = threading.Event()
        self.told: Counter[int] = Counter()
        self._key = key

    def bot(self, number: int) -> None:
        """Answers, most of them, and every mistake that a client makes."""
        wrong = {"Authorization": "Bearer lmx_no_key"}
        turns: tuple[Callable[[], None], ...] = (
            lambda: self.ask(CHAT, _chat(MODELS[number % 2])),
            lambda: self.ask(CHAT, _chat(MODELS[number % 2], stream=True)),
            lambda: self.ask("/v1/completions", {"model": MODELS[0], "prompt": "a", "n": 3}),
            lambda: self.ask("/v1/models"),
            lambda: self.ask(CHAT, _chat("nobody/nothing")),
            lambda: self.ask(CHAT, b"{not json"),
            lambda: self.ask("/v1/embeddings", {"model": MODELS[0], "input": "a"}),
            lambda: self.ask(f"/authority/models/{MODELS[0]}/unload", {}, wrong),
            lambda: self.leave(_chat(MODELS[0], stream=True, max_tokens=200)),
            self.break_off,
        )
        while not self.over.is_set():
            for turn in turns:
                with suppress(OSError, HTTPException):
                    turn()

    def operator(self) -> None:
        """Loads, unloads, asks and reads, as a person and the tools beside them do."""
        while not self.over.wait(0.2):
            mine = {"Authorization": f"Bearer {self._key()}"}
            with suppress(OSError, HTTPException):
                self.ask(f"/authority/models/{MODELS[1]}/load", {}, mine)
                asked = self.ask(f"/authority/models/{MODELS[1]}", None, mine, method="DELETE")
                name = json.loads(asked).get("id", "none")
                self.ask(f"/authority/approvals/{name}/withdraw", {}, mine)
                for path in ("status", "approvals", "runs", "ledger/events?limit=50", "guardrails"):
                    self.ask(f"/authority/{path}", None, mine)
                for path in ("/metrics", "/healthz", "/readyz"):
                    self.ask(path)
                self.ask(f"/authority/models/{MODELS[1]}/unload", {}, mine)

    def ask(
        self,
        path: str,
        body: dict[str, object] | bytes | None = None,
        headers: dict[str, str] | None = None,
        *,
        method: str = "",
    ) -> bytes:
        """One request on a connection of its own; its answer is read to the end."""
        sent = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(
            method or ("GET" if sent is None else "POST"),
            path,
            sent,
            {"Content-Type": "application/json", **(headers or {})},
        )
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        self.told[answer.status] += 1
        return text

    def leave(self, body: dict[str, object]) -> None:
        """Read the beginning of a stream and go."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request("POST", CHAT, json.dumps(body).encode())
        answer = connection.getresponse()
        answer.read1(10)
        connection.close()
        self.told[answer.status] += 1

    def break_off(self) -> None:
        """Say half of a request and go."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as one:
            one.sendall(f"POST {CHAT} HTTP/1.1\r\nHost: a\r\nContent-Length: 99\r\n\r\n".encode())


def _chat(model: str, **more: object) -> dict[str, object]:
    message = {"role": "user", "content": f"what is {os.urandom(4).hex()}?"}
    return {"model": model, "messages": [message], "max_tokens": 20, **more}


def _bring_in(day: Day, scratch: Path) -> None:
    from tests.models import tiny_model

    mine = {"Authorization": f"Bearer {day._key()}"}
    for seed, name in enumerate(MODELS):
        made = tiny_model(scratch / f"model-{seed}", seed=seed)
        told = day.ask("/authority/models/import", {"path": str(made), "name": name}, mine)
        if b'"done"' not in told:
            raise ChildFailed(f"a model was not let in: {told!r}")


@contextmanager
def _server(scratch: Path, speed: float) -> Iterator[tuple[Day, psutil.Process]]:
    home, port = scratch / "home", free_port()
    home.mkdir(mode=0o700)
    with (scratch / "soak.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "bench.soak_server", str(home), str(port), str(speed)],
            cwd=ROOT,
            env=environment(),
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    day = Day(port, lambda: (home / "operator.key").read_text("utf-8").split()[-1])
    try:
        _wait_for(day, process, scratch / "soak.log")
        yield day, psutil.Process(process.pid)
    finally:
        day.over.set()
        process.kill()
        process.wait()


def _wait_for(day: Day, process: subprocess.Popen[bytes], log: Path) -> None:
    for _ in range(600):
        with suppress(OSError, HTTPException):
            day.ask("/readyz")
            return
        if process.poll() is not None:
            break
        time.sleep(0.1)
    raise ChildFailed(f"the server did not start: {log.read_text(errors='replace')[-2000:]}")


def _resident_mb(process: psutil.Process) -> float:
    """The middle of some looks: one may fall into a large answer."""
    looks = []
    for _ in range(10):
        looks.append(process.memory_info().rss / 1e6)
        time.sleep(0.2)
    return median(looks)
