"""Tasks are bound as they compile under another document: all of them or none, and back again."""

from typing import Any

import pytest
import yaml

from app.authority.acts.guardrails_rebind import GuardrailsRebind
from app.authority.guardrails import store
from app.authority.warrants.issuing import issue
from app.domain.refusals import (
    GuardrailsNotFound,
    InvalidRequest,
    PlanStale,
    RevisionRequired,
)
from tests.fakes.guardrails import SHARE, SHIPPED, House, edited

CHANGE = "primitives/blocked_attempts/priors/change/high"
STRICTER = {SHARE: 0.4, CHANGE: 0.6}


def share(house: House) -> object:
    condition = house.now.definitions["large-models"].resolution.condition
    return condition.params["value"]  # type: ignore[union-attr]


def swapped_actions() -> str:
    """A document in which the words for blocking mean an alert, and the other way."""
    actions = yaml.safe_load(SHIPPED)["actions"]
    block, alert = actions["block"]["words"], actions["alert"]["words"]
    return edited({"actions/block/words": alert, "actions/alert/words": block})


async def test_exactly_the_affected_tasks_are_bound_as_they_compile_now(guards: House) -> None:
    before = guards.now
    await guards.activated(edited(STRICTER))
    ask = guards.ask("rebind", version=2)
    plan = guards.plan(ask)
    assert plan["phrase"] == "yes, rebind guardrails"
    assert (ask.subject, plan["subject"]) == ("version 2 (2 tasks)", "version 2 (2 tasks)")
    shown = {one["task"]: one for one in plan["effects"]["tasks"]}
    assert shown.keys() == {"large-models", "blocked-attempts"}
    large = shown["large-models"]
    assert large["result"] == "changed"
    assert large["delta"] == [{"what": "when.value", "before": "0.5", "after": "0.4"}]
    assert (large["before"]["version"], large["after"]["version"]) == (1, 2)
    assert (large["before"]["guardrails"], large["after"]["guardrails"]) == (1, 2)
    assert share(guards) == 0.5
    await guards.done(ask)
    now = guards.now
    assert share(guards) == 0.4
    assert now.definitions["large-models"].binding_hash == large["after"]["binding_hash"]
    for task in before.definitions.keys() - shown.keys():
        assert now.definitions[task] == before.definitions[task]


async def test_one_task_is_called_one(guards: House) -> None:
    await guards.activated(edited(STRICTER))
    ask = guards.ask("rebind", version=2, tasks=["large-models"])
    assert ask.subject == "version 2 (1 task)"


async def test_an_ask_that_was_planned_later_is_listed_with_what_it_is_about(
    guards: House,
) -> None:
    office = guards.office
    guards.load(edited(STRICTER))
    with pytest.raises(RevisionRequired) as refused:
        guards.ask("rebind", version=2)
    await guards.does("activate", version=2)
    again = office.governance.asking.again(office.owner, refused.value.details["ask"])
    listed = (await office.governance.list(office.owner, state="open"))["asks"]
    assert [(one["id"], one["subject"]) for one in listed] == [(again.id, "version 2 (2 tasks)")]


async def test_actions_and_points_and_intents_are_kept(guards: House) -> None:
    before = guards.now.definitions
    await guards.activated(edited(STRICTER))
    await guards.does("rebind", version=2)
    for task, after in guards.now.definitions.items():
        assert after.resolution.intent == before[task].resolution.intent


async def test_it_is_one_event_that_names_all_of_it(guards: House) -> None:
    await guards.activated(edited(STRICTER))
    ask = guards.ask("rebind", version=2)
    await guards.done(ask)
    (_, event) = guards.office.ledger.events(kind="guardrails_bound")
    assert event.data["changed"] == ["blocked-attempts@2", "large-models@2"]
    assert (event.data["ask"], event.data["guardrails"], event.data["tasks"]) == (ask.id, 2, 4)


async def test_one_task_can_be_bound_without_the_others(guards: House) -> None:
    await guards.activated(edited(STRICTER))
    await guards.does("rebind", version=2, tasks=["large-models"])
    assert share(guards) == 0.4
    assert guards.now.compiled_under["blocked-attempts"] == 1
    await guards.does("rebind", version=2)
    assert guards.now.compiled_under["blocked-attempts"] == 2


async def test_a_task_that_comes_out_the_same_moves_to_the_new_document(guards: House) -> None:
    await guards.activated(edited({"name": "another"}))
    with pytest.raises(InvalidRequest, match="Nothing would be bound.*lmx guardrails tasks"):
        guards.ask("rebind", version=2)
    ask = guards.ask("rebind", version=2, tasks=["large-models"])
    (shown,) = guards.plan(ask)["effects"]["tasks"]
    assert (shown["result"], shown["delta"]) == ("same", [])
    await guards.done(ask)
    assert guards.now.compiled_under["large-models"] == 2


async def test_rolling_back_binds_the_definitions_of_before_again(guards: House) -> None:
    before = guards.now
    await guards.activated(edited(STRICTER))
    await guards.does("rebind", version=2)
    await guards.does("rebind", version=1)
    assert guards.now.definitions == before.definitions
    assert guards.now.rules.hash == before.rules.hash
    assert [row.version for row in guards.standing.store.definitions("large-models")] == [1, 2]
    await guards.does("rebind", version=2)
    assert guards.now.definitions["large-models"].version == 2


async def test_what_was_bound_stays_to_be_read(guards: House) -> None:
    before = guards.now.definitions["large-models"]
    await guards.activated(edited(STRICTER))
    await guards.does("rebind", version=2)
    assert guards.standing.known()["large-models", 1] == before


def test_a_document_that_was_never_active_binds_nothing(guards: House) -> None:
    guards.load(edited(STRICTER))
    with pytest.raises(RevisionRequired, match="never active"):
        guards.ask("rebind", version=2)


async def test_a_task_that_is_unclear_now_refuses_all_and_is_named(guards: House) -> None:
    await guards.activated(edited({SHARE: None, CHANGE: 0.6}))
    with pytest.raises(RevisionRequired, match="large-models is unclear"):
        guards.ask("rebind", version=2)
    await guards.does("rebind", version=2, tasks=["blocked-attempts"])
    assert guards.now.compiled_under["blocked-attempts"] == 2
    assert share(guards) == 0.5


async def test_a_task_that_is_not_allowed_now_refuses_all_and_is_named(guards: House) -> None:
    await guards.activated(
        edited({"constraints/disallowed_primitives": ["model_memory_share"]}),
    )
    with pytest.raises(RevisionRequired, match="large-models is rejected"):
        guards.ask("rebind", version=2)


async def test_words_that_mean_another_action_now_are_not_bound_again(guards: House) -> None:
    await guards.activated(swapped_actions())
    with pytest.raises(RevisionRequired, match="verified-formats is rejected.*mean alert"):
        guards.ask("rebind", version=2, tasks=["verified-formats"])
    assert str(guards.now.definitions["verified-formats"].resolution.intent.action) == "block"


@pytest.mark.parametrize(
    ("tasks", "refusal"),
    [
        (["nobody"], GuardrailsNotFound),
        (["big"], InvalidRequest),
        ([], InvalidRequest),
        ("large-models", InvalidRequest),
        ([7], InvalidRequest),
    ],
)
async def test_only_what_is_bound_is_bound_again(
    guards: House, tasks: Any, refusal: type[Exception]
) -> None:
    await guards.does("add", id="big", intent="Block loading models whose size is above 20 GB")
    await guards.does("retire", task="big")
    with pytest.raises(refusal):
        guards.ask("rebind", version=1, tasks=tasks)


@pytest.mark.parametrize("params", [{}, {"version": None}, {"version": 1, "more": 1}])
def test_what_names_no_version_is_refused(guards: House, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        guards.ask("rebind", **params)


async def test_after_another_change_the_plan_is_stale(guards: House) -> None:
    await guards.activated(edited(STRICTER))
    ask = guards.office.decide("owner", guards.ask("rebind", version=2))
    await guards.does("retire", task="known-sources")
    with pytest.raises(PlanStale):
        await guards.office.execute(ask)
    assert share(guards) == 0.5


async def test_what_fails_half_way_leaves_nothing(
    guards: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await guards.activated(edited(STRICTER))
    before = guards.now
    ask = guards.ask("rebind", version=2)
    insert = store._insert

    def fails(connection: Any, table: Any, rows: Any) -> None:
        insert(connection, table, rows[:1])
        if table.name == "guardrails_binding":
            raise RuntimeError("the power went")

    with monkeypatch.context() as broken:
        broken.setattr(store, "_insert", fails)
        executed = await guards.done(ask)
    assert executed.effect.outcome == "failed"
    assert guards.standing.checked() is before
    assert guards.standing.store.definitions("blocked-attempts")[-1].version == 1
    assert len(guards.office.ledger.events(kind="guardrails_bound")) == 1


async def test_resumed_after_a_crash_it_is_bound_once(guards: House) -> None:
    await guards.activated(edited(STRICTER))
    ask = guards.ask("rebind", version=2)
    await guards.done(ask)
    plan = guards.office.parts.asks.plan_of(ask)
    warrant = issue(
        act="guardrails_rebind",
        ask=ask.id,
        plan_hash=plan.hash,
        plan=dict(plan.body),
        actor=guards.office.owner,
        intent_seq=1,
    )
    effect = await GuardrailsRebind(guards.changing).perform(warrant)
    assert effect.data == {"guardrails": 2, "tasks": 2}
    assert len(guards.standing.store.history("large-models")) == 2


async def test_a_task_that_others_refer_to_is_bound_without_changing_them(guards: House) -> None:
    both = {
        "action": "require_approval",
        "points": ["load"],
        "when": {
            "all": [
                {"condition": "large-models", "version": 1},
                {"primitive": "model_format", "term": "unverified format"},
            ]
        },
    }
    await guards.does("add", id="both", intent=both)
    before = next(b for b in guards.now.rules.bounds if b.task == "both")
    await guards.activated(edited(STRICTER))
    await guards.does("rebind", version=2, tasks=["large-models"])
    assert next(b for b in guards.now.rules.bounds if b.task == "both") == before
