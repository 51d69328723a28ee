"""Long prompts: the client hears that its own is being read, and others go on meanwhile."""

import json
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager

import httpx
import psutil
import pytest

from tests.e2e.asking import still_answers, tokens_of, until
from tests.e2e.server import RunningServer, running_server
from tests.models import tiny_model

MODEL = "tests/patient"
CONTEXT = 8192
CHUNK = 128
LONG = "a long story that takes its time, " * 180

SOON_QUIET = """
import runpy, sys
import app.routers.answering as answering
answering.QUIET_S = 0.02
sys.argv = sys.argv[3:]
runpy.run_module("app.cli.main", run_name="__main__", alter_sys=True)
"""
"""Runs the command behind it, with a comment after so short a silence that a test need not wait."""


@pytest.fixture(scope="module")
def patient_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    place = tmp_path_factory.mktemp("patient")
    quiet = (sys.executable, "-c", SOON_QUIET)
    settings = {"default_context": CONTEXT, "slots": 2, "worker_silence_s": 120}
    with running_server(place / "home", under=quiet, **settings) as running:
        running.import_model(tiny_model(place / "model", context=CONTEXT), MODEL)
        still_answers(running, MODEL)
        yield running


@pytest.fixture
def patient(patient_server: RunningServer) -> Iterator[RunningServer]:
    yield patient_server
    still_answers(patient_server, MODEL)


class Stream(threading.Thread):
    """Reads a streamed completion, and notes when each line came."""

    def __init__(self, server: RunningServer, prompt: str, **more: object) -> None:
        super().__init__(daemon=True)
        body = {"model": MODEL, "prompt": prompt, "stream": True, "temperature": 0, **more}
        self._url, self._body = f"{server.url}/v1/completions", body
        self._leave = threading.Event()
        self.began = time.monotonic()
        self.lines: list[tuple[float, str]] = []
        self.id = ""
        self.start()

    def run(self) -> None:
        with httpx.stream("POST", self._url, json=self._body, timeout=120) as answer:
            assert answer.status_code == 200
            self.id = answer.headers["x-request-id"]
            for line in answer.iter_lines():
                if line:
                    self.lines.append((time.monotonic(), line))
                if self._leave.is_set():
                    return

    def leave(self) -> None:
        self._leave.set()
        self.join(30)

    def texts(self) -> list[tuple[float, str]]:
        found = []
        for moment, line in list(self.lines):
            if line.startswith("data: {"):
                choices = json.loads(line.removeprefix("data: "))["choices"]
                found += [(moment, choice["text"]) for choice in choices if choice["text"]]
        return found


def here(server: RunningServer) -> int:
    """How many requests the server has for the model."""
    found = server.residency(MODEL)
    return int(found["active"] + found["queued"])


def ended(server: RunningServer, requests: list[str]) -> list[tuple[str, str]]:
    """These requests in the order in which they ended, and how each of them did."""
    marks = ", ".join("?" * len(requests))
    rows: list[tuple[str, str]] = []

    def recorded() -> bool:
        with closing(sqlite3.connect(server.home / "lmx.db", timeout=60)) as database:
            rows[:] = database.execute(
                f"SELECT request_id, outcome FROM usage WHERE request_id IN ({marks})"
                " ORDER BY rowid",
                requests,
            ).fetchall()
        return len(rows) == len(requests)

    until(recorded, within_s=60)
    return rows


@contextmanager
def worker_held_up(server: RunningServer) -> Iterator[None]:
    """Nothing is generated meanwhile, so nothing that runs or waits can end."""
    worker = psutil.Process(server.residency(MODEL)["pid"])
    worker.suspend()
    try:
        yield
    finally:
        worker.resume()


def test_a_comment_comes_while_a_long_prompt_is_read(patient: RunningServer) -> None:
    stream = Stream(patient, "comments: " + LONG, max_tokens=4)
    stream.join(120)
    first_text = stream.texts()[0][0]
    comments = [moment for moment, line in stream.lines if line == ": ping"]
    assert comments
    assert comments[0] < first_text
    assert {line[:6] for _, line in stream.lines} <= {": ping", "data: "}
    assert stream.lines[-1][1] == "data: [DONE]"


def test_a_running_answer_goes_on_while_a_long_prompt_is_read(patient: RunningServer) -> None:
    speaker = Stream(patient, "speak", max_tokens=6000)
    until(speaker.texts, within_s=60)
    prompt = "beside: " + LONG
    long = Stream(patient, prompt, max_tokens=1)
    until(long.texts, within_s=100)
    read_by = long.texts()[0][0]
    meanwhile = "".join(text for moment, text in speaker.texts() if long.began < moment < read_by)
    speaker.leave()
    chunks = len(tokens_of(prompt)) // CHUNK
    assert chunks > 20
    assert len(meanwhile) >= chunks // 4  # one at each; a reader may be late with some


def test_who_leaves_while_the_prompt_is_read_frees_the_place(patient: RunningServer) -> None:
    streams = [Stream(patient, f"leaving {n}: " + LONG, max_tokens=2000) for n in range(2)]
    until(lambda: all(stream.lines for stream in streams), within_s=60)
    for stream in streams:
        stream.leave()
    until(lambda: patient.residency(MODEL)["active"] == 0, within_s=60)
    outcomes = ended(patient, [stream.id for stream in streams])
    assert [outcome for _, outcome in outcomes] == ["cancelled"] * 2


PRIORITIES = (
    {"x-priority": "0"},
    {"x-priority": "high", "priority": "u=0, i", "x-request-priority": "100"},
    {"x-queue-position": "0", "x-lmx-priority": "1", "importance": "high"},
)


@pytest.mark.parametrize("headers", PRIORITIES, ids="+".join)
def test_no_header_of_a_client_changes_who_is_served_first(
    patient: RunningServer, headers: dict[str, str]
) -> None:
    asked = ["first", "second", "third", "urgent"]

    def ask(name: str) -> str:
        body = {"model": MODEL, "prompt": name, "max_tokens": 30, "temperature": 0}
        more = headers if name == "urgent" else {}
        url = f"{patient.url}/v1/completions"
        answer = httpx.post(url, json=body, headers=more, timeout=120)
        assert answer.status_code == 200
        return str(answer.headers["x-request-id"])

    speakers: list[Stream] = []
    answers: list[Future[str]] = []
    with ThreadPoolExecutor() as pool:
        with worker_held_up(patient):
            for number in range(2):
                speakers.append(Stream(patient, f"busy {number}", max_tokens=6000))
                until(lambda: here(patient) == len(speakers), within_s=60)
            for name in asked:
                answers.append(pool.submit(ask, name))
                until(lambda: here(patient) == len(speakers) + len(answers), within_s=60)
        speakers[0].leave()
        requests = [answer.result(100) for answer in answers]
    speakers[1].leave()
    assert [request for request, _ in ended(patient, requests)] == requests
