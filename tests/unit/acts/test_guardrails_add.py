"""An intent decides once a person approved what it was compiled to; no advisor asks for one."""

from typing import Any

import pytest

from app.authority.acts.guardrails_add import GuardrailsAdd
from app.authority.warrants.issuing import issue
from app.domain.refusals import (
    Forbidden,
    GuardrailsConflict,
    GuardrailViolated,
    IntentUnclear,
    InvalidRequest,
    PlanStale,
    Refusal,
)
from tests.fakes.guardrails import SHARE, House, edited

BIG = "Block loading models whose size is above 20 GB"
BIGGER = "Block loading models whose size is above 30 GB"
BIG_AS_STRUCTURE: dict[str, Any] = {
    "action": "block",
    "points": ["load"],
    "when": {
        "primitive": "model_size",
        "strategy": "threshold",
        "params": {"direction": "above", "value": 20_000_000_000},
    },
}


def limit(house: House) -> object:
    return house.now.definitions["big"].resolution.condition.params["value"]  # type: ignore[union-attr]


async def test_an_intent_decides_once_it_is_approved(guards: House) -> None:
    ask = guards.ask("add", id="big", intent=BIG)
    plan = guards.plan(ask)
    assert plan["phrase"] == "yes, add guardrail big"
    assert plan["effects"]["replaces"] is None
    binds = plan["effects"]["binds"]
    assert (binds["intent"], binds["action"], binds["points"]) == (BIG, "block", ["load"])
    assert "20.0 GB" in binds["sentence"]
    assert "big" not in guards.now.definitions
    await guards.done(ask)
    definition = guards.now.definitions["big"]
    assert (definition.version, definition.ir_hash) == (1, binds["ir_hash"])
    assert definition.binding_hash == binds["binding_hash"]
    event = guards.office.ledger.events(kind="guardrails_bound")[-1]
    assert event.data["changed"] == ["big@1"]
    assert event.data["ask"] == ask.id


async def test_a_structure_is_an_intent_too(guards: House) -> None:
    await guards.does("add", id="big", intent=BIG_AS_STRUCTURE)
    assert limit(guards) == 20_000_000_000


async def test_another_intent_of_a_task_is_its_next_version_and_shows_what_it_replaces(
    guards: House,
) -> None:
    await guards.does("add", id="big", intent=BIG)
    ask = guards.ask("add", id="big", intent=BIGGER)
    assert guards.plan(ask)["effects"]["replaces"]["intent"] == BIG
    await guards.done(ask)
    assert (guards.now.definitions["big"].version, limit(guards)) == (2, 30_000_000_000)
    assert [row.version for row in guards.standing.store.definitions("big")] == [1, 2]


async def test_an_intent_that_was_retired_is_bound_again_as_what_it_was(guards: House) -> None:
    await guards.does("add", id="big", intent=BIG)
    before = guards.now.definitions["big"]
    await guards.does("retire", task="big")
    await guards.does("add", id="big", intent=BIG)
    assert guards.now.definitions["big"] == before
    assert len(guards.standing.store.definitions("big")) == 1


async def test_the_same_id_and_version_with_another_hash_is_a_conflict_that_names_both(
    guards: House,
) -> None:
    await guards.does("add", id="big", intent=BIG)
    stored = guards.now.definitions["big"]
    with pytest.raises(GuardrailsConflict) as conflict:
        guards.ask("add", id="big", intent=BIGGER, version=1)
    details = conflict.value.details
    assert details["stored"] == {
        "ir_hash": stored.ir_hash,
        "binding_hash": stored.binding_hash,
    }
    submitted = details["submitted"]["ir_hash"]
    assert submitted != stored.ir_hash
    assert stored.ir_hash in conflict.value.message
    assert submitted in conflict.value.message
    assert guards.now.definitions["big"] == stored


async def test_the_same_id_and_version_under_another_document_is_a_conflict(guards: House) -> None:
    await guards.does("add", id="big", intent=BIG)
    await guards.activated(edited({SHARE: 0.4}))
    with pytest.raises(GuardrailsConflict):
        guards.ask("add", id="big", intent=BIG, version=1)


async def test_what_is_bound_already_is_nothing_to_ask_for(guards: House) -> None:
    await guards.does("add", id="big", intent=BIG)
    for version in ({}, {"version": 1}):
        with pytest.raises(InvalidRequest, match="bound already"):
            guards.ask("add", id="big", intent=BIG, **version)


def test_a_version_is_the_next_one(guards: House) -> None:
    with pytest.raises(InvalidRequest, match="next version of big is 1"):
        guards.ask("add", id="big", intent=BIG, version=2)
    assert guards.plan(guards.ask("add", id="big", intent=BIG, version=1))


def clause(**said: Any) -> dict[str, Any]:
    return {"action": "block", "points": ["load"], "when": {"primitive": "model_size", **said}}


@pytest.mark.parametrize(
    ("intent", "refusal"),
    [
        ("Make it good", IntentUnclear),
        ("Block loading when share of memory is above 150 %", GuardrailViolated),
        (clause(strategy="oracle"), GuardrailViolated),
        (clause(primitive="mood"), GuardrailViolated),
        (clause(colour="red"), IntentUnclear),
        ({**BIG_AS_STRUCTURE, "when": {"condition": "nobody", "version": 1}}, GuardrailViolated),
        ({**BIG_AS_STRUCTURE, "when": {"condition": "big", "version": 1}}, GuardrailViolated),
        (
            {**BIG_AS_STRUCTURE, "when": {"condition": "large-models", "version": 2}},
            GuardrailViolated,
        ),
        ("", InvalidRequest),
        (7, InvalidRequest),
    ],
)
def test_what_does_not_compile_is_no_ask(
    guards: House, intent: Any, refusal: type[Refusal]
) -> None:
    with pytest.raises(refusal):
        guards.ask("add", guards.office.owner, id="big", intent=intent)
    assert guards.office.parts.asks.page() == []


@pytest.mark.parametrize(
    "params",
    [
        {"id": "Big"},
        {"id": "-big"},
        {"id": "x" * 65},
        {"id": ""},
        {"id": None},
        {"version": 0},
        {"version": "1"},
        {"more": 1},
    ],
)
def test_what_names_no_task_is_refused(guards: House, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        guards.ask("add", **({"id": "big", "intent": BIG} | params))


async def test_under_another_active_document_the_plan_is_stale(guards: House) -> None:
    ask = guards.office.decide("owner", guards.ask("add", id="big", intent=BIG))
    await guards.activated(edited({SHARE: 0.4}))
    with pytest.raises(PlanStale):
        await guards.office.execute(ask)
    assert "big" not in guards.now.definitions


async def test_resumed_after_a_crash_it_is_bound_once(guards: House) -> None:
    ask = guards.ask("add", id="big", intent=BIG)
    await guards.done(ask)
    plan = guards.office.parts.asks.plan_of(ask)
    warrant = issue(
        act="guardrails_add",
        ask=ask.id,
        plan_hash=plan.hash,
        plan=dict(plan.body),
        actor=guards.office.owner,
        intent_seq=1,
    )
    effect = await GuardrailsAdd(guards.changing).perform(warrant)
    assert effect.data == {"task": "big", "version": 1}
    assert len(guards.standing.store.history("big")) == 1


# --- who may not -----------------------------------------------------------------------------


@pytest.mark.parametrize("role", ["advisor", "approver", "auditor", "client"])
def test_nobody_else_asks_for_a_guardrail(guards: House, role: str) -> None:
    somebody = guards.office.hire(role, role, person=None if role == "approver" else "")
    with pytest.raises(Forbidden):
        guards.ask("add", somebody, id="big", intent=BIG)
