"""An answer is refused before it begins, falls back, is cancelled whole, and leaves one row."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine as Database

from app.authority.deadline import Deadline
from app.authority.inference import Generation, Inference
from app.authority.leasing import InferencePorts
from app.authority.ledger import RefusalRecorder, UsageLog
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Access
from app.authority.policy.routing import Routing
from app.database import open_engine
from app.domain.actors import ANONYMOUS
from app.domain.generation import (
    Delta,
    Finished,
    FinishReason,
    InferenceRequest,
    Sampling,
    Sequence,
    TextPrompt,
    TokenPrompt,
)
from app.domain.refusals import (
    ContextLengthExceeded,
    KeyMissing,
    LoadFailed,
    ModelNotFound,
    PromptRejected,
    RequestTimeout,
    WorkerLost,
)
from tests.fakes.lifecycle import House, build_house, until

MODEL = "test/model-0"


class Desk:
    """The use case with everything behind it."""

    def __init__(self, house: House, database: Database) -> None:
        self.house = house
        self.database = database
        self.usage = UsageLog(database)
        self.ports = InferencePorts(
            catalog=house.catalog,
            routing=Routing({"chat": ("test/model-0", "test/model-1")}),
            serving=house.serving,
            usage=self.usage,
            refusals=RefusalRecorder(house.ledger, clock=house.clock),
            clock=house.clock,
            access=Access(),
            timeout_now=lambda: 20,
        )

    async def open(self, request: InferenceRequest, **changed: Any) -> Generation:
        return await Inference(replace(self.ports, **changed)).open(ANONYMOUS, request)

    def rows(self) -> list[tuple[str, int, int, str]]:
        assert self.usage.flush(60)
        with self.database.connect() as connection:
            found = connection.exec_driver_sql(
                "SELECT model_id, prompt_tokens, completion_tokens, outcome FROM usage"
            )
            return [tuple(row) for row in found]

    def idle(self) -> bool:
        held = self.house.serving.residency.of(MODEL)
        return held.waiting == held.running == 0 and not any(e.running for e in self.engines)

    @property
    def engines(self) -> list[Any]:
        return self.house.host.started


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    house = build_house(tmp_path)
    database = open_engine(tmp_path / "lmx.db")
    built = Desk(house, database)
    yield built
    for engine in house.host.started:
        engine.release()
    await house.serving.close()
    built.usage.close()
    database.dispose()


def ask(
    *prompts: str, model: str = MODEL, max_tokens: int = 8, tokens: tuple[int, ...] = ()
) -> InferenceRequest:
    given = [TextPrompt(p) for p in prompts] + ([TokenPrompt(tokens)] if tokens else [])
    sampling = Sampling(temperature=0.0, max_tokens=max_tokens)
    return InferenceRequest(
        "request", model, tuple(Sequence(f"s{i}", p, sampling) for i, p in enumerate(given))
    )


async def read(generation: Generation) -> dict[int, tuple[str, Finished]]:
    """Text and end of every sequence."""
    texts: dict[int, str] = {}
    ends: dict[int, Finished] = {}
    async for index, event in generation.events():
        if isinstance(event, Delta):
            texts[index] = texts.get(index, "") + event.text
        else:
            ends[index] = event
    return {index: (texts.get(index, ""), end) for index, end in ends.items()}


async def test_an_answer_is_whole_and_leaves_one_usage_row_with_exact_counts(desk: Desk) -> None:
    generation = await desk.open(ask("hello"))
    assert generation.prompt_tokens == [5]
    ((text, end),) = (await read(generation)).values()
    assert text
    assert end == Finished(FinishReason.LENGTH, 5, 8)
    assert desk.rows() == [(MODEL, 5, 8, "answered")]
    assert desk.idle()


async def test_the_usage_row_and_the_ledger_never_hold_text(desk: Desk, tmp_path: Path) -> None:
    await read(await desk.open(ask("a very secret question")))
    assert desk.rows()
    for path in tmp_path.glob("lmx.db*"):
        assert b"very secret" not in path.read_bytes()


async def test_several_sequences_come_with_their_index_and_count_together(desk: Desk) -> None:
    answers = await read(await desk.open(ask("one", "two", "three")))
    alone = await read(await desk.open(ask("two")))
    assert sorted(answers) == [0, 1, 2]
    assert answers[1][0] == alone[0][0]
    assert desk.rows()[0] == (MODEL, 11, 24, "answered")


async def test_an_unknown_model_is_not_found_and_nothing_is_loaded(desk: Desk) -> None:
    with pytest.raises(ModelNotFound):
        await desk.open(ask("hello", model="gpt-4o"))
    assert desk.engines == []
    assert desk.rows() == []


async def test_an_alias_falls_back_when_its_first_model_cannot_be_loaded(desk: Desk) -> None:
    desk.house.host.fail_next("no such tensor")
    generation = await desk.open(ask("hello", model="chat"))
    assert generation.model_id == "test/model-1"
    await read(generation)
    (refusal,) = desk.house.events("refusal")
    assert refusal.data["code"] == "load_failed"
    assert refusal.subject == "test/model-0"


async def test_the_last_fallback_that_fails_is_the_refusal(desk: Desk) -> None:
    desk.house.host.fail_next("first")
    desk.house.host.fail_next("second")
    with pytest.raises(LoadFailed, match="second"):
        await desk.open(ask("hello", model="chat"))


async def test_an_exact_id_never_falls_back(desk: Desk) -> None:
    desk.house.host.fail_next("no such tensor")
    with pytest.raises(LoadFailed):
        await desk.open(ask("hello"))
    assert desk.house.serving.residency.state("test/model-1") is State.ABSENT


async def test_closed_inference_refuses_who_has_no_key_before_anything_is_loaded(
    desk: Desk,
) -> None:
    with pytest.raises(KeyMissing):
        await desk.open(ask("hello"), access=Access(inference_needs_key=True))
    assert desk.engines == []


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (ask("fine", tokens=(99_999,)), PromptRejected),
        (ask("fine", ""), PromptRejected),
        (ask("fine", "x" * 300), ContextLengthExceeded),
    ],
)
async def test_one_bad_prompt_of_several_refuses_all_and_leaves_nothing_running(
    desk: Desk, request_: InferenceRequest, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        await desk.open(request_)
    await until(desk.idle)


async def test_leaving_in_the_middle_cancels_every_sequence_and_is_recorded(desk: Desk) -> None:
    generation = await desk.open(ask("one", "two", max_tokens=200))
    async for _ in generation.events():
        break
    await generation.aclose()
    await generation.aclose()
    await until(desk.idle)
    assert desk.engines[0].generated_tokens < 400
    assert [row[3] for row in desk.rows()] == ["cancelled"]


async def test_a_lost_worker_ends_the_answer_with_its_refusal(desk: Desk) -> None:
    generation = await desk.open(ask("one", "two", max_tokens=200))
    with pytest.raises(WorkerLost):
        async for _ in generation.events():
            desk.engines[0].crash()
    await until(desk.idle)
    assert [row[3] for row in desk.rows()] == ["worker_lost"]


async def test_an_answer_that_takes_too_long_is_stopped(desk: Desk) -> None:
    await read(await desk.open(ask("warm")))
    desk.engines[0].hold()
    generation = await desk.open(ask("hello"))
    generation._late = Deadline(asyncio.get_running_loop().time() + 0.05)
    with pytest.raises(RequestTimeout, match="Request timeout"):
        await read(generation)
    await until(desk.idle)
    assert desk.rows()[-1][3] == "request_timeout"


async def test_a_load_that_takes_too_long_for_the_request_is_abandoned(desk: Desk) -> None:
    desk.house.host.loading.clear()
    with pytest.raises(RequestTimeout):
        await desk.open(ask("hello"), timeout_now=lambda: 0.05)
    await until(lambda: desk.house.serving.residency.state(MODEL) is State.ABSENT)
