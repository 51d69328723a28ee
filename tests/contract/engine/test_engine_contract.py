"""What every engine host keeps: the same facts for the in-memory fake and for real workers.

Both kinds of worker have the same weights, MLX's and llama.cpp's.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from app.domain.engine import LoadFailure, LoadSpec
from app.domain.generation import (
    ChatPrompt,
    Delta,
    Finished,
    FinishReason,
    GenerationEvent,
    Prompt,
    Sampling,
    Sequence,
    Started,
    TextPrompt,
    TokenPrompt,
)
from app.domain.refusals import ContextLengthExceeded, PromptRejected, WorkerLost
from app.domain.shapes import Format
from app.engines.supervisor import WorkerHost
from tests.fakes.engine import FakeEngineHost
from tests.gguf_models import tiny_gguf
from tests.models import tiny_model

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTEXT = 256
LONG_CONTEXT = 1 << 15
SLOTS = 4
HELLO = TextPrompt("hello there")


@dataclass(frozen=True)
class Kind:
    """One host, how it is given the weights, and what a directory without them lacks."""

    host: Callable[[], Any]
    write: Callable[..., Path]
    format: Format
    lacking: str

    def spec_for(self, directory: Path, *, memory_limit_bytes: int = 4 * 2**30) -> LoadSpec:
        return LoadSpec(
            model_id="tests/tiny",
            digest="0" * 64,
            directory=directory,
            context=CONTEXT,
            slots=SLOTS,
            memory_limit_bytes=memory_limit_bytes,
            format=self.format,
        )


KINDS = {
    "fake": Kind(FakeEngineHost, tiny_model, Format.MLX, "config.json"),
    "worker": Kind(WorkerHost, tiny_model, Format.MLX, "config.json"),
    "gguf": Kind(WorkerHost, tiny_gguf, Format.GGUF, ".gguf"),
}


@pytest.fixture(scope="module", params=list(KINDS))
def kind(request: pytest.FixtureRequest) -> Kind:
    return KINDS[request.param]


@pytest.fixture(scope="module")
def directory(kind: Kind, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return kind.write(tmp_path_factory.mktemp("model"), context=CONTEXT)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def host(kind: Kind) -> AsyncIterator[Any]:
    host = kind.host()
    yield host
    await host.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(host: Any, kind: Kind, directory: Path) -> Any:
    return await host.start(None, kind.spec_for(directory))


async def events(engine: Any, prompt: Prompt = HELLO, **sampling: Any) -> list[GenerationEvent]:
    settings = {"temperature": 0.0, "max_tokens": 24} | sampling
    sequence = Sequence("one", prompt, Sampling(**settings))
    return [event async for event in engine.generate(None, sequence)]


def text_of(seen: list[GenerationEvent]) -> str:
    return "".join(event.text for event in seen if isinstance(event, Delta))


def counted(event: GenerationEvent) -> GenerationEvent:
    """The event, whether or not some of the prompt was remembered."""
    return replace(event, cached_tokens=0) if isinstance(event, Finished) else event


async def text(engine: Any, prompt: Prompt = HELLO, **sampling: Any) -> str:
    return text_of(await events(engine, prompt, **sampling))


async def test_a_generation_starts_then_brings_text_then_finishes(engine: Any) -> None:
    first, *middle, last = await events(engine, max_tokens=16)
    assert isinstance(first, Started)
    assert first.prompt_tokens > 0
    assert middle
    assert all(isinstance(event, Delta) for event in middle)
    assert counted(last) == Finished(FinishReason.LENGTH, first.prompt_tokens, 16)


async def test_greedy_answers_repeat(engine: Any) -> None:
    assert await text(engine) == await text(engine) != ""


async def test_a_longer_answer_begins_with_the_shorter_one(engine: Any) -> None:
    assert (await text(engine, max_tokens=32)).startswith(await text(engine, max_tokens=8))


async def test_a_seed_gives_the_same_text_alone_and_in_a_batch(engine: Any) -> None:
    asks = [{"temperature": 1.0, "seed": seed} for seed in range(8)]
    alone = [await text(engine, **ask) for ask in asks]
    together = await asyncio.gather(*(text(engine, **ask) for ask in asks))
    assert together == alone
    assert len(set(alone)) > 1


async def test_without_a_seed_answers_differ(engine: Any) -> None:
    answers = {await text(engine, temperature=1.0) for _ in range(3)}
    assert len(answers) > 1


async def test_a_stop_string_ends_the_text_before_itself(engine: Any) -> None:
    whole = await text(engine, max_tokens=48)
    for start in range(4, len(whole) - 4, 5):
        stop = whole[start : start + 4]
        seen = await events(engine, max_tokens=48, stop=(stop, "never said"))
        assert text_of(seen) == whole[: whole.index(stop)]
        assert isinstance(seen[-1], Finished)
        assert seen[-1].reason is FinishReason.STOP
        assert seen[-1].completion_tokens <= 48


async def test_text_held_back_for_a_stop_string_comes_when_it_does_not(engine: Any) -> None:
    whole = await text(engine, max_tokens=24)
    assert await text(engine, max_tokens=24, stop=(whole[-3:] + "\x00",)) == whole


async def test_chat_messages_are_rendered(engine: Any) -> None:
    short = await events(engine, ChatPrompt(({"role": "user", "content": "hi"},)))
    long = await events(engine, ChatPrompt(({"role": "user", "content": "hi" * 20},)))
    assert isinstance(short[0], Started)
    assert isinstance(long[0], Started)
    assert long[0].prompt_tokens > short[0].prompt_tokens


async def test_token_prompts_count_as_they_are(engine: Any) -> None:
    seen = await events(engine, TokenPrompt((72, 101, 108)))
    assert seen[0] == Started(3)


@pytest.mark.parametrize(
    "prompt",
    [
        TextPrompt(""),
        TokenPrompt(()),
        TokenPrompt((5, 10**6)),
        TokenPrompt((-1,)),
        TokenPrompt((10**30,)),
        TextPrompt("\ud800 alone"),
    ],
    ids=["empty-text", "no-tokens", "outside", "negative", "enormous", "lone-surrogate"],
)
async def test_a_bad_prompt_is_rejected_and_the_next_is_answered(
    engine: Any, prompt: Prompt
) -> None:
    with pytest.raises(PromptRejected):
        await events(engine, prompt)
    assert await text(engine)


async def test_a_bad_prompt_leaves_its_neighbours_alone(engine: Any) -> None:
    expected = await text(engine, max_tokens=48)
    good = [text(engine, max_tokens=48) for _ in range(3)]
    bad = [events(engine, TokenPrompt((10**6,))) for _ in range(3)]
    *answers, one, two, three = await asyncio.gather(*good, *bad, return_exceptions=True)
    assert answers == [expected] * 3
    assert all(isinstance(refusal, PromptRejected) for refusal in (one, two, three))


async def test_a_prompt_beyond_the_context_names_both_numbers(engine: Any) -> None:
    with pytest.raises(ContextLengthExceeded) as refused:
        await events(engine, TokenPrompt((65,) * CONTEXT))
    assert refused.value.message.count(str(CONTEXT)) == 2


async def test_an_answer_ends_with_the_context(engine: Any) -> None:
    prompt = TokenPrompt((65,) * (CONTEXT - 5))
    seen = await events(engine, prompt, max_tokens=None)
    assert counted(seen[-1]) == Finished(FinishReason.LENGTH, CONTEXT - 5, 5)


async def test_more_sequences_than_slots_are_all_answered(engine: Any) -> None:
    expected = await text(engine)
    assert await asyncio.gather(*(text(engine) for _ in range(SLOTS * 3))) == [expected] * 12


async def test_closing_a_generation_frees_its_slot(engine: Any) -> None:
    async def begin_and_leave() -> None:
        sequence = Sequence("leaves", HELLO, Sampling(max_tokens=None))
        async with aclosing(engine.generate(None, sequence)) as generation:
            async for event in generation:
                if isinstance(event, Delta):
                    return

    for _ in range(SLOTS * 2):
        await begin_and_leave()
    assert await text(engine)


async def test_leaving_while_queued_lets_the_next_one_in(engine: Any) -> None:
    running = [asyncio.ensure_future(events(engine, max_tokens=200)) for _ in range(SLOTS)]
    queued = asyncio.ensure_future(events(engine, max_tokens=200))
    behind = asyncio.ensure_future(text(engine, max_tokens=4))
    await asyncio.sleep(0)
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    assert await behind
    await asyncio.gather(*running)


async def test_a_directory_without_a_model_does_not_load(
    host: Any, kind: Kind, tmp_path: Path
) -> None:
    with pytest.raises(LoadFailure) as failed:
        await host.start(None, kind.spec_for(tmp_path))
    assert kind.lacking in failed.value.reason
    assert not failed.value.out_of_memory


async def test_a_load_beyond_its_promise_is_out_of_memory(
    host: Any, kind: Kind, tmp_path: Path
) -> None:
    # Larger than what every worker may take beyond its promise.
    large = kind.write(tmp_path / "model", context=CONTEXT, hidden=512, layers=4)
    small = kind.spec_for(large, memory_limit_bytes=1)
    with pytest.raises(LoadFailure) as failed:
        await host.start(None, small)
    assert failed.value.out_of_memory


async def test_stopping_ends_what_runs_and_resolves_exited(
    host: Any, kind: Kind, tmp_path: Path
) -> None:
    # So long that it cannot be over by itself before the stop.
    long = kind.write(tmp_path / "model", context=LONG_CONTEXT)
    engine = await host.start(None, replace(kind.spec_for(long), context=LONG_CONTEXT))
    sequence = Sequence("runs", HELLO, Sampling(max_tokens=None))
    generation = engine.generate(None, sequence)
    assert isinstance(await anext(generation), Started)
    await engine.stop(0.0)
    assert await engine.exited == "stopped"
    with pytest.raises(WorkerLost):
        async for _ in generation:
            pass
    with pytest.raises(WorkerLost):
        await events(engine)
