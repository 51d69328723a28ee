"""Queues are bounded, loads shared, and who leaves takes along what only they wanted."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest

from tests.e2e.asking import Json, complete, post, refused, still_answers, until
from tests.e2e.server import RunningServer, running_server
from tests.models import tiny_model

NARROW = "tests/narrow"
SLOW_TO_LOAD = "tests/slow"
LONG = 8000


@pytest.fixture(scope="module")
def narrow_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One answer at a time, and two requests may wait; a long answer takes minutes."""
    place = tmp_path_factory.mktemp("narrow")
    with running_server(place / "home", default_context=8192, slots=1, queue_limit=2) as running:
        narrow = tiny_model(place / "narrow", hidden=256, layers=16, context=8192)
        running.import_model(narrow, NARROW)
        big = tiny_model(place / "slow", hidden=512, layers=8, context=512, seed=2)
        running.import_model(big, SLOW_TO_LOAD)
        yield running


@pytest.fixture
def narrow(narrow_server: RunningServer) -> Iterator[RunningServer]:
    yield narrow_server
    idle(narrow_server)
    still_answers(narrow_server, NARROW)


class Client:
    """A request whose sender may hang up at any time, as a program that is killed does."""

    def __init__(self, server: RunningServer, model: str = NARROW, **more: Any) -> None:
        body = {"model": model, "prompt": "LMX", "max_tokens": LONG, "temperature": 1, **more}
        content = json.dumps(body).encode()
        address = urlsplit(server.url)
        self._socket = socket.create_connection((address.hostname, address.port), timeout=60)
        head = f"POST /v1/completions HTTP/1.1\r\nHost: {address.netloc}\r\n"
        head += f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
        self._socket.sendall(head.encode() + content)

    def wait_for_text(self) -> None:
        seen = b""
        while b"data: " not in seen:
            piece = self._socket.recv(4096)
            assert piece, seen
            seen += piece

    def leave(self) -> None:
        self._socket.close()


def counts(server: RunningServer, model: str = NARROW) -> tuple[int, int]:
    """How many of its sequences run and how many wait."""
    found = server.residency(model)
    return (found["active"], found["queued"]) if found else (0, 0)


def idle(server: RunningServer, model: str = NARROW) -> None:
    until(lambda: counts(server, model) == (0, 0))


def frozen_loading(server: RunningServer, besides: list[psutil.Process]) -> psutil.Process:
    """The new worker, which loads until it is told to go on: so no test is too late for its load.

    It is let alone until it is a worker: before, the server waits for it to become one.
    """

    def new() -> list[psutil.Process]:
        workers = [worker for worker in server.workers() if worker not in besides]
        return [worker for worker in workers if "app.engines.worker" in worker.cmdline()]

    until(new)
    (worker,) = new()
    worker.suspend()
    return worker


def usage(server: RunningServer) -> Json:
    """The newest usage row: what the last request cost."""
    import sqlite3

    with sqlite3.connect(f"file:{server.home}/lmx.db?mode=ro", uri=True) as database:
        database.row_factory = sqlite3.Row
        row = database.execute("SELECT * FROM usage ORDER BY rowid DESC LIMIT 1").fetchone()
    database.close()
    return dict(row) if row else {}


@pytest.mark.parametrize("stream", [True, False], ids=["streamed", "unstreamed"])
def test_a_client_that_leaves_ends_its_generation_at_once(
    narrow: RunningServer, stream: bool
) -> None:
    still_answers(narrow, NARROW)
    client = Client(narrow, stream=stream)
    if stream:
        client.wait_for_text()
    until(lambda: counts(narrow) == (1, 0))
    client.leave()
    idle(narrow)
    until(lambda: usage(narrow).get("outcome") == "cancelled")
    assert usage(narrow)["completion_tokens"] < LONG
    # The one slot is free in the worker too: this is answered without waiting for 8000 tokens.
    began = time.monotonic()
    still_answers(narrow, NARROW)
    assert time.monotonic() - began < 30


def test_a_client_that_leaves_the_queue_frees_its_place(narrow: RunningServer) -> None:
    still_answers(narrow, NARROW)
    first = Client(narrow, stream=True)
    first.wait_for_text()
    waiting = [Client(narrow), Client(narrow, stream=True)]
    until(lambda: sum(counts(narrow)) == 3)
    full = post(narrow, "/v1/completions", {"model": NARROW, "prompt": "one too many"})
    assert refused(full, 429, "queue_full")["type"] == "rate_limit_error"
    assert int(full.headers["retry-after"]) >= 1
    for client in waiting:
        client.leave()
    until(lambda: sum(counts(narrow)) == 1)
    first.leave()


def test_one_request_larger_than_slots_and_queue_is_refused_whole(narrow: RunningServer) -> None:
    body = {"model": NARROW, "prompt": "a", "n": 4, "max_tokens": 2}
    refused(post(narrow, "/v1/completions", body), 429, "queue_full")
    assert counts(narrow) == (0, 0)


def test_a_load_that_only_a_client_who_left_wanted_is_abandoned(narrow: RunningServer) -> None:
    still_answers(narrow, NARROW)
    workers = narrow.workers()
    client = Client(narrow, SLOW_TO_LOAD)
    frozen_loading(narrow, workers)
    assert narrow.events(kind="load_intent", subject=SLOW_TO_LOAD)
    assert narrow.residency(SLOW_TO_LOAD)["state"] == "loading"
    client.leave()
    until(lambda: narrow.residency(SLOW_TO_LOAD)["state"] == "absent")
    outcome = narrow.events(kind="load_outcome", subject=SLOW_TO_LOAD)[0]
    assert outcome["outcome"] == "abandoned"
    assert [w.pid for w in narrow.workers()] == [narrow.residency(NARROW)["pid"]]
    assert narrow.residency(SLOW_TO_LOAD)["promised_bytes"] == 0


def test_a_load_that_somebody_else_still_wants_goes_on(narrow: RunningServer) -> None:
    before = len(narrow.events(kind="load_intent", subject=SLOW_TO_LOAD))
    workers = narrow.workers()
    leaver = Client(narrow, SLOW_TO_LOAD)
    loading = frozen_loading(narrow, workers)
    assert narrow.residency(SLOW_TO_LOAD)["state"] == "loading"
    with ThreadPoolExecutor(1) as pool:
        stays = pool.submit(complete, narrow, "a", model=SLOW_TO_LOAD, max_tokens=2)
        until(lambda: sum(counts(narrow, SLOW_TO_LOAD)) == 2)
        leaver.leave()
        until(lambda: sum(counts(narrow, SLOW_TO_LOAD)) == 1)
        loading.resume()
        assert stays.result()["usage"]["completion_tokens"] == 2
    assert len(narrow.events(kind="load_intent", subject=SLOW_TO_LOAD)) == before + 1
    assert narrow.lmx("models", "unload", SLOW_TO_LOAD).returncode == 0


def test_twenty_requests_for_an_absent_model_start_one_worker(
    tiny: RunningServer, tmp_path: Path
) -> None:
    name = "tests/wanted-by-twenty"
    tiny.import_model(tiny_model(tmp_path / "model", seed=8), name)
    with ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(complete, tiny, "a", model=name, max_tokens=2) for _ in range(20)]
        answers = [answer.result() for answer in asked]
    assert [answer["usage"]["completion_tokens"] for answer in answers] == [2] * 20
    assert len(tiny.events(kind="load_intent", subject=name)) == 1
    outcomes = tiny.events(kind="load_outcome", subject=name)
    assert [event["outcome"] for event in outcomes] == ["loaded"]
    assert tiny.lmx("models", "unload", name).returncode == 0
