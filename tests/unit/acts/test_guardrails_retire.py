"""A task that is retired decides nothing from then on, and stays on record."""

from typing import Any

import pytest

from app.authority.guardrails.values import Point
from app.domain.refusals import GuardrailsNotFound, InvalidRequest, PlanStale
from tests.fakes.guardrails import SHARE, House, edited


async def test_a_retired_task_decides_nothing_and_stays_on_record(guards: House) -> None:
    before = guards.now.definitions["large-models"]
    ask = guards.ask("retire", task="large-models")
    plan = guards.plan(ask)
    assert plan["phrase"] == "yes, retire guardrail large-models"
    assert plan["effects"]["retires"]["intent"] == before.resolution.intent.text
    await guards.done(ask)
    assert "large-models" not in guards.now.definitions
    assert [b.task for b in guards.now.rules.at(Point.LOAD)] == ["verified-formats"]
    assert guards.standing.known()["large-models", 1] == before
    event = guards.office.ledger.events(kind="guardrails_bound")[-1]
    assert event.data["changed"] == ["large-models retired"]
    assert (event.data["tasks"], event.data["ask"]) == (3, ask.id)


async def test_a_task_is_retired_once(guards: House) -> None:
    await guards.does("retire", task="large-models")
    with pytest.raises(InvalidRequest, match="was retired"):
        guards.ask("retire", task="large-models")


def test_what_is_no_task_cannot_be_retired(guards: House) -> None:
    with pytest.raises(GuardrailsNotFound):
        guards.ask("retire", task="nobody")


@pytest.mark.parametrize("params", [{}, {"task": 7}, {"task": "large-models", "why": "x"}])
def test_what_names_no_task_is_refused(guards: House, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        guards.ask("retire", **params)


async def test_after_another_change_the_plan_is_stale(guards: House) -> None:
    ask = guards.office.decide("owner", guards.ask("retire", task="large-models"))
    await guards.activated(edited({SHARE: 0.4}))
    with pytest.raises(PlanStale):
        await guards.office.execute(ask)
    assert "large-models" in guards.now.definitions


async def test_all_tasks_can_be_retired(guards: House) -> None:
    for task in sorted(guards.now.definitions):
        await guards.does("retire", task=task)
    assert guards.standing.checked().definitions == {}
