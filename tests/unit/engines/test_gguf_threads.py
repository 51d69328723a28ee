"""As few threads as are about as fast as any, found in bounded time."""

from collections.abc import Sequence
from typing import Any

import pytest

from app.engines.worker.gguf import backend
from app.engines.worker.gguf.decoder import Feed
from app.engines.worker.gguf.threads import best, candidates


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def chosen(seconds: dict[int, float], *, budget_s: float = 10.0) -> tuple[int, list[int]]:
    clock, tried = Clock(), list[int]()

    def seconds_with(count: int) -> float:
        tried.append(count)
        clock.now += seconds[count]
        return seconds[count]

    return best(seconds, seconds_with, budget_s=budget_s, now=clock), tried


def test_every_core_is_used_where_it_pays() -> None:
    assert chosen({4: 0.1, 3: 0.14, 2: 0.2, 1: 0.4})[0] == 4


def test_a_core_is_left_to_the_others_where_it_costs_nothing() -> None:
    assert chosen({4: 0.1, 3: 0.1, 2: 0.101, 1: 0.2})[0] == 2


def test_cores_that_are_taken_are_not_waited_for() -> None:
    assert chosen({2: 5.0, 1: 0.1})[0] == 1


def test_a_slow_model_is_measured_for_a_bounded_time() -> None:
    count, tried = chosen({8: 1.0, 7: 0.9, 6: 0.8, 1: 8.0}, budget_s=0.5)
    assert tried == [8, 7]
    assert count == 7


def test_what_is_tried_is_never_more_than_there_is() -> None:
    assert candidates(1) == [1]
    assert candidates(2) == [2, 1]
    assert candidates(16) == [16, 15, 12, 8, 4, 1]


class Slow:
    """A decoder that takes a second for every token, whatever the threads."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.threads = (0, 0)
        self.now = 0.0

    def use_threads(self, answer: int, prompt: int) -> None:
        self.threads = (answer, prompt)

    def step(self, feeds: Sequence[Feed]) -> None:
        self.read.append(len(feeds[0].tokens))
        self.now += self.read[-1]

    def keep(self, slot: int, tokens: int) -> None:
        assert (slot, tokens) == (0, 0)


def test_a_slow_model_is_measured_with_few_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "cores", lambda: 4)
    decoder: Any = Slow()
    assert backend.choose_threads(decoder, 0, now=lambda: decoder.now) == decoder.threads
    assert max(decoder.read) == 2
    assert sum(decoder.read) < 20
