"""The loop of a model that generates nothing: turns, cancels, failures, draining."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from app.domain.generation import Sampling, TextPrompt
from app.domain.refusals import PromptRejected
from app.domain.work import Text
from app.engines.protocol import Cancel, Computed, Generate, SequenceRejected
from app.engines.worker.backend import Drain, Job, Prepared, Steps
from app.engines.worker.jobs import Jobs


class Running:
    """Jobs in a thread of their own, and what they sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.steps: list[str] = []
        self.jobs = Jobs(self.sent.extend)
        self.thread = threading.Thread(target=self.jobs.run)

    def job(self, name: str, steps: int = 3, error: Exception | None = None) -> Steps:
        for _ in range(steps):
            self.steps.append(name)
            yield
        if error is not None:
            raise error
        return Text(name)

    def drained(self) -> None:
        self.jobs.inbox.put(Drain())
        if self.thread.ident is None:
            self.thread.start()
        self.thread.join(timeout=60)
        assert not self.thread.is_alive()


@pytest.fixture
def running() -> Iterator[Running]:
    made = Running()
    yield made
    made.drained()


def test_jobs_take_turns_and_each_is_answered(running: Running) -> None:
    running.jobs.inbox.put(Job(1, running.job("long", 4)))
    running.jobs.inbox.put(Job(2, running.job("short", 1)))
    running.drained()
    assert running.steps == ["long", "short", "long", "long", "long"]
    assert running.sent == [Computed(2, Text("short")), Computed(1, Text("long"))]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (PromptRejected("no", param="input[1]"), "invalid_prompt"),
        (KeyError("secret"), "worker_lost"),
    ],
)
def test_a_job_that_fails_rejects_itself_only(
    error: Exception, code: str, running: Running
) -> None:
    running.jobs.inbox.put(Job(1, running.job("bad", 1, error)))
    running.jobs.inbox.put(Job(2, running.job("good", 2)))
    running.drained()
    rejected, answered = running.sent
    assert isinstance(rejected, SequenceRejected)
    assert (rejected.handle, rejected.code) == (1, code)
    assert "secret" not in rejected.message
    assert answered == Computed(2, Text("good"))


def test_a_cancel_is_heard_by_the_next_step(running: Running) -> None:
    def endless() -> Steps:
        while True:
            running.steps.append("endless")
            time.sleep(0.001)
            yield

    running.jobs.inbox.put(Job(1, endless()))
    running.thread.start()
    wait_until(lambda: len(running.steps) > 3)
    running.jobs.inbox.put(Cancel(1))
    running.drained()
    assert running.sent == []


def test_a_cancel_that_comes_first_is_remembered(running: Running) -> None:
    running.jobs.inbox.put(Cancel(1))
    running.jobs.inbox.put(Job(1, running.job("unwanted")))
    running.jobs.inbox.put(Job(2, running.job("wanted", 1)))
    running.drained()
    assert running.steps == ["wanted"]


def test_what_comes_after_the_drain_is_told_so_and_what_runs_is_finished(running: Running) -> None:
    running.jobs.inbox.put(Job(1, running.job("running", 3)))
    running.jobs.inbox.put(Drain())
    running.jobs.inbox.put(Job(2, running.job("late")))
    asked = Generate(3, TextPrompt("a"), Sampling())
    running.jobs.inbox.put(Prepared(3, [1], 1, asked))
    running.drained()
    assert [(m.handle, type(m)) for m in running.sent] == [
        (2, SequenceRejected),
        (3, SequenceRejected),
        (1, Computed),
    ]


def test_a_step_that_hangs_shows(running: Running) -> None:
    gate = threading.Event()

    def hanging() -> Steps:
        gate.wait(60)
        yield
        return Text("")

    assert running.jobs.stalled_ms == 0
    running.jobs.inbox.put(Job(1, hanging()))
    running.thread.start()
    wait_until(lambda: running.jobs.stalled_ms > 20)
    gate.set()
    wait_until(lambda: running.jobs.stalled_ms == 0)


def wait_until(so: Callable[[], bool]) -> None:
    ends = time.monotonic() + 60
    while not so():
        assert time.monotonic() < ends
        time.sleep(0.002)
