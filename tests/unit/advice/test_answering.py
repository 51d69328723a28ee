"""An advisor's question goes to a model that is in memory, as a client's, and loads nothing."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from app.authority.advice.answering import Models
from app.domain.advice.frames import Answer, Question
from app.evidence.vocabulary import Kind as Event
from tests.fakes.advised import Advised
from tests.fakes.scripted_advisors import Script, hosting

SCHEMA = {"type": "object"}


def question(**how: Any) -> Question:
    return Question("Which model is idle?", SCHEMA, **{"max_tokens": 5, **how})


async def test_a_question_is_put_to_a_model_in_memory_and_metered(advised: Advised) -> None:
    await advised.load("lab/one")
    script = Script(asks=(question(),))
    await hosting(advised, script, model="lab/one").run("llm", by=advised.person)
    (answer,) = script.answers
    assert (isinstance(answer.text, str), answer.why) == (True, "")
    advised.authority.usage.close()
    with advised.authority.database.connect() as connection:
        rows = connection.exec_driver_sql(
            "SELECT actor, model_id, outcome, completion_tokens FROM usage"
        )
        assert [tuple(row) for row in rows] == [("advisor:llm", "lab/one", "answered", 5)]


@pytest.mark.parametrize(
    ("model", "why"),
    [
        (None, "the settings name no model"),
        ("lab/one", "no model called lab/one is in memory"),
        ("lab/none", "no model called lab/none is in memory"),
    ],
)
async def test_a_question_loads_nothing(advised: Advised, model: str | None, why: str) -> None:
    script = Script(asks=(question(),))
    told = await hosting(advised, script, model=model).run("llm", by=advised.person)
    (answer,) = script.answers
    assert answer.text is None
    assert why in answer.why
    assert told["unanswered"] == [answer.why]
    assert advised.events(Event.LOAD_INTENT) == []


async def test_of_an_alias_the_model_that_is_in_memory_is_asked(advised: Advised) -> None:
    await advised.cases.housekeeping.put_alias(advised.person, "lab/one", "small", ["lab/two"])
    await advised.load("lab/two")
    script = Script(asks=(question(),))
    await hosting(advised, script, model="small").run("llm", by=advised.person)
    assert script.answers[0].text is not None
    assert {event.subject for event in advised.events(Event.LOAD_INTENT)} == {"lab/two"}


async def test_questions_are_few_and_bounded(advised: Advised) -> None:
    await advised.load("lab/one")
    huge = {"type": "object", "description": "x" * 40_000}
    asks = (
        question(max_tokens=2_001),
        Question("x" * 70_000, SCHEMA, 5),
        Question("x", huge, 5),
        question(),
    )
    script = Script(asks=asks)
    await hosting(advised, script, model="lab/one").run("llm", by=advised.person)
    assert [answer.text for answer in script.answers] == [None] * 4
    assert "tokens" in script.answers[0].why
    assert "characters" in script.answers[1].why
    assert "schema" in script.answers[2].why
    assert "3 questions" in script.answers[3].why


async def test_an_answer_that_takes_too_long_is_none(advised: Advised) -> None:
    await advised.load("lab/one")
    advised.host.started[-1].hold()
    script = Script(asks=(question(),))
    slow = Models("lab/one", advised.inference, advised.serving, advised.authority.routing, 0.01)
    made = replace(hosting(advised, script), models=slow)
    await made.run("llm", by=advised.person)
    assert script.answers == [Answer(None, "lab/one did not answer within 0.01 s")]
    advised.host.started[-1].release()


async def test_a_model_that_goes_the_next_moment_is_not_loaded_again(
    advised: Advised, monkeypatch: pytest.MonkeyPatch
) -> None:
    await advised.load("lab/one")
    unloads: list[asyncio.Task[Any]] = []
    looked = Models.ready

    def ready(models: Models, known: set[str]) -> str | None:
        found = looked(models, known)
        unload = advised.cases.execution.unload(advised.person, "lab/one")
        unloads.append(asyncio.ensure_future(unload))  # begins as soon as anything is awaited
        return found

    monkeypatch.setattr(Models, "ready", ready)
    script = Script(asks=(question(),))
    await hosting(advised, script, model="lab/one").run("llm", by=advised.person)
    await asyncio.gather(*unloads)
    assert script.answers[0].text is not None  # the unload let it end
    assert len(advised.events(Event.LOAD_INTENT)) == 1
