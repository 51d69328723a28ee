"""A long prompt stalls nobody, and whatever is cancelled ends by the next step."""

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import mlx.core as mx
import pytest
from mlx_lm.models.cache import make_prompt_cache

from app.domain.generation import FinishReason, Sampling, TokenPrompt
from app.domain.work import Tokens
from app.engines.protocol import (
    Cancel,
    Computed,
    Deltas,
    FromWorker,
    Generate,
    SequenceFinished,
    SequenceRejected,
)
from app.engines.worker.backend import Item, Job, Prepared
from app.engines.worker.batch import Batch
from app.engines.worker.generator import SMALL_CHUNK_TOKENS
from app.engines.worker.loading import LoadedModel, load
from app.engines.worker.prefixes import Prefixes
from tests.models import tiny_model

LONG = [40 + number % 70 for number in range(1000)]
SHORT = [65, 66, 67]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    return load(
        tiny_model(tmp_path_factory.mktemp("model"), context=2048), memory_limit_bytes=2**34
    )


class Watched:
    """A model that notes the shape of everything it reads: (sequences, tokens of each)."""

    def __init__(self, model: Any) -> None:
        self._model, self.layers = model, model.layers
        self.read: list[tuple[int, int]] = []

    def __call__(self, tokens: mx.array, **more: Any) -> Any:
        self.read.append((tokens.shape[0], tokens.shape[1]))
        return self._model(tokens, **more)


def watched(model: LoadedModel) -> LoadedModel:
    return LoadedModel(**{**vars(model), "model": Watched(model.model)})


def prepared(handle: int, tokens: list[int], *, max_tokens: int = 200, **sampling: Any) -> Prepared:
    asked = Sampling(temperature=0.0, top_p=1.0, max_tokens=max_tokens, **sampling)
    prompt = TokenPrompt(tuple(tokens))
    return Prepared(handle, list(tokens), max_tokens, Generate(handle, prompt, asked))


class Loop:
    """A loop that the test steps by hand."""

    def __init__(self, model: LoadedModel, *, slots: int = 4) -> None:
        self.sent: list[FromWorker] = []
        self.batch = Batch(
            model,
            slots=slots,
            send=self.sent.extend,
            over_memory=lambda: False,
            prefixes=Prefixes(limit_bytes=2**26),
        )

    def put(self, *items: Item) -> None:
        for item in items:
            self.batch.inbox.put(item)

    def turn(self, times: int = 1) -> list[FromWorker]:
        """What as many turns of the loop say."""
        before = len(self.sent)
        for _ in range(times):
            self.batch._take()
            self.batch._fill()
            if self.batch._running:
                self.batch.step()
            if self.batch._jobs:
                self.batch._work()
        return self.sent[before:]

    def spoke(self, said: list[FromWorker]) -> set[int]:
        return {item.handle for m in said if isinstance(m, Deltas) for item in m.items}

    def ended(self) -> set[int]:
        ends = SequenceFinished | SequenceRejected | Computed
        return {message.handle for message in self.sent if isinstance(message, ends)}

    def finish(self) -> None:
        batch = self.batch
        batch._take()
        while batch._running or batch._waiting or batch._jobs:
            self.turn()

    def texts(self) -> dict[int, str]:
        found: dict[int, str] = {}
        for message in self.sent:
            if isinstance(message, Deltas):
                for item in message.items:
                    found[item.handle] = found.get(item.handle, "") + item.text
        return found


def test_others_get_a_token_between_any_two_chunks_of_a_long_prompt(model: LoadedModel) -> None:
    seen = watched(model)
    loop = Loop(seen)
    loop.put(prepared(1, SHORT), prepared(2, SHORT))
    loop.turn(6)
    loop.put(prepared(3, LONG))
    seen.model.read.clear()
    chunks = 0
    while 3 not in loop.spoke(said := loop.turn()):
        chunks += 1
        assert loop.spoke(said) == {1, 2}
    kinds = ["chunk" if tokens > 1 else "step" for _, tokens in seen.model.read]
    assert ("chunk", "chunk") not in list(pairwise(kinds))
    assert max(tokens for _, tokens in seen.model.read) == SMALL_CHUNK_TOKENS
    assert chunks >= len(LONG) // SMALL_CHUNK_TOKENS


def test_first_tokens_of_a_burst_come_before_any_second_one(model: LoadedModel) -> None:
    loop = Loop(model)
    loop.batch._prompts_at_once = 1
    loop.put(*(prepared(handle, SHORT) for handle in (1, 2, 3)))
    assert [loop.spoke(loop.turn()) for _ in range(3)] == [{1}, {2}, {3}]
    loop.turn()  # brings the first ones again, which were told
    assert [loop.spoke(loop.turn()) for _ in range(2)] == [{1, 2, 3}] * 2


def test_a_burst_holds_nobody_up_who_is_in_the_middle_or_for_long(model: LoadedModel) -> None:
    loop = Loop(model)
    loop.batch._prompts_at_once = 1
    loop.put(prepared(1, SHORT))
    loop.turn(4)
    loop.put(*(prepared(handle, SHORT) for handle in (2, 3)))
    assert [loop.spoke(loop.turn()) for _ in range(2)] == [{1, 2}, {1, 3}]
    loop.finish()
    loop.put(*(prepared(handle, [50 + handle, *LONG[:100]]) for handle in (4, 5, 6, 7)))
    turns = [loop.spoke(loop.turn()) for _ in range(5)]
    assert turns[:3] == [{4}, {5}, {6}]
    assert 4 in turns[4]
    loop.finish()
    loop.put(prepared(8, SHORT), prepared(9, LONG))
    loop.turn(3)
    assert [loop.spoke(loop.turn()) for _ in range(3)] == [{8}] * 3


def test_an_answer_of_one_token_is_told_once_and_ends(model: LoadedModel) -> None:
    loop = Loop(model)
    loop.put(prepared(1, SHORT, max_tokens=1), prepared(2, [65], max_tokens=2))
    loop.finish()
    tokens = [item for m in loop.sent if isinstance(m, Deltas) for item in m.items]
    assert sum(item.tokens for item in tokens if item.handle == 1) == 1
    ends = {m.handle: m.completion_tokens for m in loop.sent if isinstance(m, SequenceFinished)}
    assert ends == {1: 1, 2: 2}


def test_a_long_prompt_does_not_hold_back_a_short_one_that_comes_later(model: LoadedModel) -> None:
    loop = Loop(model)
    loop.put(prepared(1, LONG))
    loop.turn(2)
    loop.put(prepared(2, SHORT))
    first: list[int] = []
    while len(first) < 2:
        first += sorted(loop.spoke(loop.turn()) - set(first))
    assert first == [2, 1]


def test_a_prompt_read_in_chunks_has_the_answer_of_one_read_at_once(model: LoadedModel) -> None:
    prompt = LONG[:400]
    cache, unread, drawn = make_prompt_cache(model.model), prompt, []
    for _ in range(8):
        drawn.append(int(mx.argmax(model.model(mx.array([unread]), cache=cache)[0, -1]).item()))
        unread = drawn[-1:]
    loop = Loop(model)
    loop.put(prepared(1, SHORT, max_tokens=40), prepared(2, prompt, max_tokens=8))
    loop.finish()
    assert loop.texts()[2] == model.tokenizer.decode(drawn)


Stage = Callable[[Loop], None]


def waiting(loop: Loop) -> None:
    loop.put(prepared(1, SHORT), prepared(2, SHORT), prepared(9, SHORT))
    loop.turn(4)
    assert [one.handle for one in loop.batch._waiting] == [9]


def reading(loop: Loop) -> None:
    loop.put(prepared(9, LONG))
    loop.turn(3)
    assert 9 not in loop.spoke(loop.sent)
    assert loop.batch._running


def first_chunk_read(loop: Loop) -> None:
    loop.put(prepared(9, LONG))
    loop.turn(1)


def speaking(loop: Loop) -> None:
    loop.put(prepared(9, SHORT))
    loop.turn(6)
    assert 9 in loop.spoke(loop.sent)


def speaking_beside_others(loop: Loop) -> None:
    loop.put(prepared(1, SHORT), prepared(9, SHORT))
    loop.turn(8)
    assert {1, 9} <= loop.spoke(loop.sent)


def computing(loop: Loop) -> None:
    loop.put(prepared(1, SHORT), Job(9, endless()))
    loop.turn(4)
    assert loop.batch._jobs


def endless() -> Iterator[None]:
    while True:
        yield


STAGES = (waiting, reading, first_chunk_read, speaking, speaking_beside_others, computing)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.__name__)
def test_what_is_cancelled_is_gone_by_the_next_step(model: LoadedModel, stage: Stage) -> None:
    loop = Loop(model, slots=2)
    stage(loop)
    loop.put(Cancel(9))
    said = loop.turn()
    batch = loop.batch
    held = [one.prepared for one in batch._running.values()]
    assert 9 not in {one.handle for one in [*held, *batch._waiting, *batch._jobs]}
    assert 9 not in loop.spoke(said)
    assert 9 not in loop.ended()
    loop.put(prepared(10, SHORT, max_tokens=3))
    loop.finish()
    assert loop.texts().get(10) == alone_says(model, SHORT, 3)


def alone_says(model: LoadedModel, tokens: list[int], count: int) -> str:
    loop = Loop(model)
    loop.put(prepared(1, tokens, max_tokens=count))
    loop.finish()
    return loop.texts()[1]


def test_jobs_and_sequences_take_turns(model: LoadedModel) -> None:
    def steps() -> Iterator[None]:
        for _ in range(5):
            yield
        return Tokens((1,), ())  # type: ignore[return-value]

    loop = Loop(model)
    loop.put(prepared(1, SHORT, max_tokens=20), Job(2, steps()), Job(3, failing()))
    loop.turn(3)
    for _ in range(2):
        assert loop.spoke(loop.turn()) == {1}
    loop.finish()
    assert Computed(2, Tokens((1,), ())) in loop.sent
    assert [m.code for m in loop.sent if isinstance(m, SequenceRejected)] == ["worker_lost"]
    assert loop.ended() == {1, 2, 3}


def failing() -> Iterator[None]:
    yield
    raise ValueError("a poison text")


def test_a_neighbour_with_penalties_and_biases_changes_nothing(model: LoadedModel) -> None:
    plain = [SHORT, LONG[:40], LONG[:300]]
    alone = [alone_says(model, tokens, 24) for tokens in plain]
    loop = Loop(model, slots=8)
    loop.put(prepared(1, plain[0], max_tokens=24), prepared(2, plain[1], max_tokens=24))
    loop.put(
        prepared(
            4,
            plain[1],
            max_tokens=24,
            repetition_penalty=1.7,
            frequency_penalty=1.5,
            logit_bias=((70, 50.0),),
        ),
        prepared(3, plain[2], max_tokens=24),
    )
    loop.finish()
    texts = loop.texts()
    assert [texts[handle] for handle in (1, 2, 3)] == alone
    assert texts[4] != alone[1]


def test_a_cancelled_sequence_leaves_its_neighbours_as_they_were(model: LoadedModel) -> None:
    alone = alone_says(model, SHORT, 40)
    loop = Loop(model)
    loop.put(prepared(1, LONG[:200]), prepared(2, SHORT, max_tokens=40), prepared(3, LONG))
    loop.turn(8)
    loop.put(Cancel(1))
    loop.turn(2)
    loop.put(Cancel(3))
    loop.finish()
    assert loop.texts()[2] == alone
    assert SequenceFinished(2, FinishReason.LENGTH, 3, 40) in loop.sent
