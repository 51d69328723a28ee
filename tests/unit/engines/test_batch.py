"""One bad step, one bad prompt or no memory costs the sequences concerned and nothing else."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import mlx.core as mx
import pytest

from app.domain.generation import FinishReason, Sampling, TokenPrompt
from app.engines.protocol import (
    Cancel,
    Deltas,
    FromWorker,
    Generate,
    SequenceFinished,
    SequenceRejected,
)
from app.engines.worker.backend import Drain, Prepared
from app.engines.worker.batch import Batch
from app.engines.worker.loading import LoadedModel, load
from tests.models import tiny_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(tiny_model(tmp_path_factory.mktemp("model")), memory_limit_bytes=2**34)


class Flaky:
    """A model whose forward pass fails at the given calls."""

    def __init__(self, model: Any, failures: dict[int, Exception]) -> None:
        self._model, self._failures, self.calls = model, failures, 0
        self.layers = model.layers

    def __call__(self, *arguments: Any, **more: Any) -> Any:
        self.calls += 1
        if error := self._failures.get(self.calls):
            raise error
        return self._model(*arguments, **more)


def prepared(handle: int, *, max_tokens: int = 12, tokens: tuple[int, ...] = (65, 66)) -> Prepared:
    sampling = Sampling(temperature=0.0, top_p=1.0, max_tokens=max_tokens)
    asked = Generate(handle, TokenPrompt(tokens), sampling)
    return Prepared(handle, list(tokens), max_tokens, asked)


def run(
    model: Any, items: list[Any], *, over_memory: Callable[[], bool] = lambda: False, slots: int = 2
) -> list[FromWorker]:
    sent: list[FromWorker] = []
    batch = Batch(model, slots=slots, send=sent.extend, over_memory=over_memory)

    def send(messages: list[FromWorker]) -> None:
        sent.extend(messages)
        ended = [m for m in sent if isinstance(m, SequenceFinished | SequenceRejected)]
        if messages and len(ended) == sum(isinstance(item, Prepared) for item in items):
            batch.inbox.put(Drain())

    batch._send = send
    for item in items:
        batch.inbox.put(item)
    thread = threading.Timer(110.0, lambda: batch.inbox.put(Drain()))
    thread.start()
    batch.run()
    thread.cancel()
    return sent


def flaky(model: LoadedModel, failures: dict[int, Exception]) -> LoadedModel:
    return LoadedModel(**{**vars(model), "model": Flaky(model.model, failures)})


def texts(sent: list[FromWorker]) -> dict[int, str]:
    found: dict[int, str] = {}
    for message in sent:
        if isinstance(message, Deltas):
            for item in message.items:
                found[item.handle] = found.get(item.handle, "") + item.text
    return found


def ends(sent: list[FromWorker]) -> dict[int, FromWorker]:
    ended = (m for m in sent if isinstance(m, SequenceFinished | SequenceRejected))
    return {message.handle: message for message in ended}


def test_a_failing_step_rejects_what_ran_and_the_next_is_answered(model: LoadedModel) -> None:
    broken = flaky(model, {4: ValueError("shape")})
    sent = ends(run(broken, [prepared(1), prepared(2), prepared(3)]))
    assert isinstance(sent[1], SequenceRejected)
    assert sent[1].code == "worker_lost"
    assert "shape" not in sent[1].message
    assert isinstance(sent[2], SequenceRejected)
    assert isinstance(sent[3], SequenceFinished)


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        RuntimeError("[malloc] Unable to allocate 9 bytes"),
        RuntimeError("Out of Memory"),
    ],
)
def test_out_of_memory_keeps_the_partial_text(model: LoadedModel, error: Exception) -> None:
    whole = texts(run(model, [prepared(1)]))[1]
    sent = run(flaky(model, {6: error}), [prepared(1), prepared(2)], slots=1)
    ended = ends(sent)
    assert isinstance(ended[1], SequenceFinished)
    assert ended[1].reason is FinishReason.LENGTH
    assert 0 < ended[1].completion_tokens < 12
    assert whole.startswith(texts(sent)[1])
    assert texts(sent)[1] != ""
    assert ended[2] == SequenceFinished(2, FinishReason.LENGTH, 2, 12)


def test_beyond_its_memory_the_longest_sequence_ends_first(
    model: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engines.worker.batch.MEMORY_CHECK_S", 0.0)
    answers: Iterator[bool] = iter([False] * 5 + [True, True] + [False] * 1000)
    items = [prepared(1, tokens=(65, 66)), prepared(2, tokens=(65,) * 40)]
    ended = ends(run(model, items, over_memory=lambda: next(answers)))
    long, short = ended[2], ended[1]
    assert isinstance(long, SequenceFinished)
    assert isinstance(short, SequenceFinished)
    assert long.completion_tokens < short.completion_tokens == 12


def test_a_sequence_that_cannot_be_inserted_is_rejected_alone(model: LoadedModel) -> None:
    poison = prepared(1, max_tokens=-1)
    ended = ends(run(model, [poison, prepared(2)]))
    assert isinstance(ended[1], SequenceRejected)
    assert isinstance(ended[2], SequenceFinished)


def test_on_a_processor_a_prompt_that_joins_does_not_delay_another_first_token(
    model: LoadedModel,
) -> None:
    sent = run(model, [prepared(handle) for handle in (1, 2, 3)], slots=3)
    frames = [m for m in sent if isinstance(m, Deltas)]
    seen = [sorted({item.handle for item in frame.items}) for frame in frames]
    assert seen[0] == [1]
    assert [1, 2, 3] in seen


def test_a_cancel_that_overtakes_its_sequence_is_remembered(model: LoadedModel) -> None:
    sent = run(model, [Cancel(1), Cancel(7), prepared(2), prepared(8), Drain()])
    assert set(ends(sent)) == {2, 8}
    sent = []
    batch = Batch(model, slots=1, send=sent.extend, over_memory=lambda: False)
    for item in (Cancel(1), prepared(1), Drain()):
        batch.inbox.put(item)
    batch.run()
    assert sent == []


def test_greedy_tokens_are_those_of_argmax(model: LoadedModel) -> None:
    tokens = [65, 66]
    for _ in range(12):
        logits = model.model(mx.array([tokens]))
        tokens.append(int(mx.argmax(logits[0, -1]).item()))
    expected = model.tokenizer.decode(tokens[2:])
    assert texts(run(model, [prepared(1)]))[1] == expected
