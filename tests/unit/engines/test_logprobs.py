"""Log probabilities: numbers that are right, tokens that join to the text, prompts too."""

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytest_asyncio

from app.domain.engine import LoadSpec
from app.domain.generation import (
    LEAST_LOGPROB,
    ChatPrompt,
    Delta,
    Echoed,
    Finished,
    FinishReason,
    GenerationEvent,
    Prompt,
    Sampling,
    Sequence,
    TextPrompt,
    TokenLogprob,
    TokenPrompt,
)
from app.engines.supervisor import WorkerHost
from app.engines.worker.logprobs import told
from tests.models import END_TOKEN, tiny_model, vocabulary

pytestmark = pytest.mark.asyncio(loop_scope="module")

PROMPT = TokenPrompt((72, 101, 108, 108, 111))


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=["ascii", "bytes"])
async def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Any]:
    directory = tiny_model(tmp_path_factory.mktemp("model"), alphabet=request.param)
    host = WorkerHost()
    spec = LoadSpec("tests/tiny", "0" * 64, directory, 512, 2, 4 * 2**30)
    yield await host.start(None, spec)
    await host.close()


async def events(engine: Any, prompt: Prompt = PROMPT, **asked: Any) -> list[GenerationEvent]:
    sampling = Sampling(**{"temperature": 0.0, "max_tokens": 24, "logprobs": 3} | asked)
    return [event async for event in engine.generate(None, Sequence("one", prompt, sampling))]


def entries_of(seen: list[GenerationEvent]) -> list[TokenLogprob]:
    return [one for event in seen if isinstance(event, Delta) for one in event.logprobs]


def text_of(seen: list[GenerationEvent]) -> str:
    return "".join(event.text for event in seen if isinstance(event, Delta))


async def test_every_token_has_an_entry_and_they_join_to_the_text(engine: Any) -> None:
    for seed in range(4):
        seen = await events(engine, temperature=1.0, seed=seed)
        entries = entries_of(seen)
        assert len(entries) == 24
        joined = b"".join(entry.text for entry in entries)
        assert joined.decode("utf-8", "replace") == text_of(seen)


async def test_a_greedy_token_is_the_likeliest(engine: Any) -> None:
    for entry in entries_of(await events(engine)):
        assert entry.logprob is not None
        assert len(entry.top) == 3
        assert entry.top[0] == (entry.token, entry.text, entry.logprob)
        values = [value for _, _, value in entry.top]
        assert values == sorted(values, reverse=True)
        assert 0 < sum(map(math.exp, values)) <= 1.0001


async def test_none_asked_for_is_none_told(engine: Any) -> None:
    assert entries_of(await events(engine, logprobs=None)) == []
    assert all(entry.top == () for entry in entries_of(await events(engine, logprobs=0)))


async def test_text_and_numbers_are_those_of_an_answer_without_them(engine: Any) -> None:
    alone = await events(engine, logprobs=None)
    assert text_of(await events(engine)) == text_of(alone)
    together = await asyncio.gather(*(events(engine, logprobs=n) for n in (None, 0, 3)))
    assert {text_of(seen) for seen in together} == {text_of(alone)}


async def test_a_completion_tells_the_token_that_ends_it_and_a_chat_does_not(
    tmp_path: Path,
) -> None:
    """Evaluations of completions drop the last entry: it must never be one of their own."""
    directory = tiny_model(tmp_path, ends=True)
    host = WorkerHost()
    engine = await host.start(None, LoadSpec("tests/ends", "0" * 64, directory, 512, 2, 4 * 2**30))
    end = vocabulary()[END_TOKEN]
    always = {"logit_bias": ((end, 100.0),), "max_tokens": 1}
    seen = await events(engine, echo=True, **always)
    (entry,) = entries_of(seen)
    assert (entry.token, entry.text) == (end, b"")
    assert entry.logprob is not None
    assert isinstance(seen[-1], Finished)
    assert (seen[-1].reason, seen[-1].completion_tokens) == (FinishReason.STOP, 0)
    chat = ChatPrompt(({"role": "user", "content": "hello"},))
    assert entries_of(await events(engine, chat, **always)) == []
    await host.close()


async def test_tokens_of_a_stop_string_are_not_told(engine: Any) -> None:
    whole = text_of(await events(engine))
    stop = whole[8:12]
    seen = await events(engine, stop=(stop,))
    joined = b"".join(entry.text for entry in entries_of(seen)).decode("utf-8", "replace")
    assert text_of(seen).startswith(joined)
    assert stop not in joined


async def test_a_prompt_is_given_back_with_the_numbers_of_an_answer(engine: Any) -> None:
    """What the model said of its own greedy answer, it says again of the same prompt."""
    seen = await events(engine)
    said = entries_of(seen)
    longer = TokenPrompt((*PROMPT.tokens, *(entry.token for entry in said)))
    again = await events(engine, longer, echo=True, max_tokens=0)
    echoed = next(event for event in again if isinstance(event, Echoed))
    assert echoed.logprobs[0].logprob is None
    assert [entry.token for entry in echoed.logprobs] == list(longer.tokens)
    for one, other in zip(echoed.logprobs[len(PROMPT.tokens) :], said, strict=True):
        assert one.logprob == pytest.approx(other.logprob, abs=2e-3)
        assert one.top[0][0] == other.top[0][0]
    assert isinstance(again[-1], Finished)
    assert (again[-1].reason, again[-1].completion_tokens) == (FinishReason.LENGTH, 0)


async def test_an_echo_comes_before_the_answer(engine: Any) -> None:
    seen = await events(engine, TextPrompt("hello there"), echo=True, logprobs=None)
    kinds = [type(event).__name__ for event in seen]
    assert kinds[:2] == ["Started", "Echoed"]
    assert isinstance(seen[1], Echoed)
    assert seen[1].text == "hello there"
    assert text_of(seen) == text_of(await events(engine, TextPrompt("hello there")))


async def test_leaving_during_an_echo_lets_the_next_one_in(engine: Any) -> None:
    generation = engine.generate(
        None, Sequence("leaves", TokenPrompt((65,) * 500), Sampling(echo=True, logprobs=5))
    )
    await anext(generation)
    await generation.aclose()
    assert text_of(await events(engine))


@pytest.mark.parametrize("number", [float("-inf"), float("nan"), -1e30])
async def test_what_json_cannot_carry_is_the_least(number: float) -> None:
    assert told(np.float32(number)) == LEAST_LOGPROB
    assert told(np.float32(-0.5)) == -0.5
