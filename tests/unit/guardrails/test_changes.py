"""What another document would change is shown, and asks do the rest."""

import pytest

from app.authority.guarding import Guarding
from app.domain.actors import Actor
from app.domain.refusals import (
    Forbidden,
    GuardrailsConflict,
    GuardrailsNotFound,
    InvalidRequest,
)
from tests.fakes.guardrails import SHARE, SHIPPED, House, edited

BIG = "Block loading models whose size is above 20 GB"
CHANGE = "primitives/blocked_attempts/priors/change/high"
DAY_S = 24 * 3600


# --- intents ----------------------------------------------------------------------------------


async def test_compiling_shows_what_an_intent_means_and_keeps_nothing(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    found = await cases.compile(owner, BIG, id="big")
    assert (found["action"], found["points"]) == ("block", ["load"])
    assert found["guardrails"]["version"] == 1
    assert found["ir"]["concept_id"] == "big"
    assert "big" not in guards.now.definitions
    await guards.does("add", id="big", intent=BIG)
    bound = guards.now.definitions["big"]
    assert (found["ir_hash"], found["binding_hash"]) == (bound.ir_hash, bound.binding_hash)


async def test_an_intent_can_be_compiled_under_a_document_that_is_not_active(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    guards.load(edited({SHARE: 0.4}))
    structure = {
        "action": "alert",
        "points": ["load"],
        "when": {"primitive": "model_memory_share"},
    }
    found = await cases.compile(owner, structure, version=2)
    assert found["guardrails"]["version"] == 2
    assert found["condition"]["params"]["value"] == 0.4


# --- tasks ------------------------------------------------------------------------------------


async def test_tasks_are_listed_with_whether_the_active_document_concerns_them(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    tasks = {task["id"]: task for task in (await cases.tasks(owner))["tasks"]}
    assert not any(task["affected"] for task in tasks.values())
    await guards.activated(edited({SHARE: 0.4}))
    tasks = {task["id"]: task for task in (await cases.tasks(owner))["tasks"]}
    assert [name for name, task in tasks.items() if task["affected"]] == ["large-models"]
    assert tasks["large-models"]["guardrails"] == 1
    assert tasks["large-models"]["state"] == "bound"


async def test_a_retired_task_is_listed_only_when_asked_for(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    await guards.does("retire", task="large-models")
    assert "large-models" not in {t["id"] for t in (await cases.tasks(owner))["tasks"]}
    every = {t["id"]: t for t in (await cases.tasks(owner, retired=True))["tasks"]}
    assert every["large-models"]["state"] == "retired"
    assert every["large-models"]["version"] == 1


async def test_tasks_are_listed_a_page_at_a_time(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    await guards.does("retire", task="known-sources")
    listed, cursor = [], None
    for _ in range(2):
        page = await cases.tasks(owner, cursor=cursor, limit=2)
        listed.append([task["id"] for task in page["tasks"]])
        cursor = page["next"]
    assert listed == [["blocked-attempts", "large-models"], ["verified-formats"]]
    assert cursor is None
    everything = await cases.tasks(owner, retired=True, limit=4)
    assert (len(everything["tasks"]), everything["next"]) == (4, None)
    assert await cases.tasks(owner, cursor="z") == {"tasks": [], "next": None}
    for odd in ("../x", "", "Z", "a" * 65):
        with pytest.raises(InvalidRequest) as refused:
            await cases.tasks(owner, cursor=odd)
        assert refused.value.param == "cursor"


async def test_a_task_tells_every_binding_there_was(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    await guards.activated(edited({SHARE: 0.4}))
    ask = guards.ask("rebind", version=2)
    await guards.done(ask)
    task = await cases.task(owner, "large-models")
    assert [(each["version"], each["guardrails"]) for each in task["history"]] == [(2, 2), (1, 1)]
    assert task["history"][0]["ask"] == ask.id
    assert task["condition"]["params"]["value"] == 0.4
    assert SHARE in task["trace"]["reads"]
    await guards.does("retire", task="large-models")
    retired = await cases.task(owner, "large-models")
    assert (retired["state"], retired["version"]) == ("retired", 2)
    assert retired["history"][0]["version"] is None
    with pytest.raises(GuardrailsNotFound):
        await cases.task(owner, "nobody")


# --- what would change --------------------------------------------------------------------------


async def test_recompiling_shows_delta_and_impact_and_keeps_nothing(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    for _ in range(10):
        guards.decide(model_memory_share=0.45, model_format="gguf")
        guards.decide(model_memory_share=0.6, model_format="gguf")
        guards.office.clock.advance(DAY_S)
    guards.load(edited({SHARE: 0.4}))
    before = guards.now
    found = await cases.recompile(owner, version=2)
    assert (found["from"], found["to"], found["changed"]) == (1, 2, [SHARE])
    assert found["affected"] == ["large-models"]
    assert found["unaffected"] == ["blocked-attempts", "known-sources", "verified-formats"]
    (task,) = found["tasks"]
    assert (task["id"], task["result"]) == ("large-models", "changed")
    assert task["delta"] == [{"what": "when.value", "before": 0.5, "after": 0.4}]
    impact = task["impact"]
    assert (impact["evaluations"], impact["before"], impact["after"]) == (20, 10, 20)
    assert impact["per_day"] == "+1.1"  # ten more, in the nine days between first and last
    assert guards.now is before
    assert guards.standing.store.definitions("large-models")[-1].version == 1


async def test_the_impact_is_of_so_many_days(guards: House, cases: Guarding, owner: Actor) -> None:
    for _ in range(10):
        guards.decide(model_memory_share=0.45, model_format="gguf")
        guards.office.clock.advance(DAY_S)
    guards.load(edited({SHARE: 0.4}))
    (task,) = (await cases.recompile(owner, version=2, days=3))["tasks"]
    assert task["impact"]["evaluations"] == 3


async def test_a_task_that_does_not_compile_any_more_says_why(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    guards.load(edited({SHARE: None, CHANGE: 0.6}))
    found = {task["id"]: task for task in (await cases.recompile(owner, version=2))["tasks"]}
    large = found["large-models"]
    assert (large["result"], large["after"], large["impact"]) == ("unclear", None, None)
    assert large["why"]
    assert found["blocked-attempts"]["result"] == "changed"


async def test_under_the_document_of_now_nothing_would_change(
    cases: Guarding, owner: Actor
) -> None:
    found = await cases.recompile(owner)
    assert (found["from"], found["to"], found["tasks"], found["affected"]) == (1, 1, [], [])
    (task,) = (await cases.recompile(owner, tasks=["large-models"]))["tasks"]
    assert (task["result"], task["delta"], task["impact"]) == ("same", [], None)
    with pytest.raises(GuardrailsNotFound):
        await cases.recompile(owner, tasks=["nobody"])


# --- asks ---------------------------------------------------------------------------------------


async def test_each_change_is_an_ask(guards: House, cases: Guarding, owner: Actor) -> None:
    guards.load(edited({SHARE: 0.4}))
    made = [
        await cases.add(owner, "big", BIG, reason="too big"),
        await cases.activate(owner, 2),
        await cases.retire(owner, "large-models"),
    ]
    assert [ask["act"] for ask in made] == [
        "guardrails_add",
        "guardrails_activate",
        "guardrails_retire",
    ]
    assert {ask["state"] for ask in made} == {"pending"}
    assert made[0]["reason"] == "too big"


async def test_rebinding_is_an_ask(guards: House, cases: Guarding, owner: Actor) -> None:
    await guards.activated(edited({SHARE: 0.4}))
    ask = await cases.rebind(owner, 2, tasks=["large-models"])
    assert (ask["act"], ask["state"]) == ("guardrails_rebind", "pending")
    assert ask["params"] == {"version": 2, "tasks": ["large-models"]}
    assert (await cases.rebind(owner, 2))["params"] == {"version": 2}


async def test_what_is_bound_already_is_answered_without_an_ask(
    guards: House, cases: Guarding, owner: Actor
) -> None:
    await guards.does("add", id="big", intent=BIG)
    for version in (None, 1):
        found = await cases.add(owner, "big", BIG, version=version)
        assert found["ask"] is None
        assert (found["task"]["id"], found["task"]["version"]) == ("big", 1)
    with pytest.raises(GuardrailsConflict):
        await cases.add(owner, "big", "Block loading models whose size is above 9 GB", version=1)


async def test_an_advisor_asks_for_nothing_and_reads_nothing(
    guards: House, cases: Guarding
) -> None:
    advisor = guards.office.hire("adviser", "advisor", person="")
    for reading in (
        cases.add(advisor, "big", BIG),
        cases.tasks(advisor),
        cases.versions(advisor),
        cases.compile(advisor, BIG),
        cases.recompile(advisor),
        cases.decisions(advisor),
        cases.replay(advisor),
        cases.load(advisor, SHIPPED),
        cases.activate(advisor, 1),
        cases.rebind(advisor, 1),
        cases.retire(advisor, "large-models"),
    ):
        with pytest.raises(Forbidden):
            await reading
