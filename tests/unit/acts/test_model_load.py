"""A load that policy wants a person for: one ask, its plan, and the load once it is approved."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from app.authority.approvals.acts import NotFeasible
from app.authority.approvals.runs_as_asks import ON_DEMAND
from app.authority.approvals.values import Ask
from app.authority.ledger.writing import writing
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission, grant
from app.authority.policy.admitting import NeedsApproval
from app.authority.policy.decisions import Question
from app.authority.warrants.issuing import issue
from app.domain.actors import ANONYMOUS, SYSTEM, Actor, Role
from app.domain.generation import InferenceRequest, Sampling, Sequence, TextPrompt
from app.domain.refusals import (
    ApprovalRequired,
    Forbidden,
    InvalidRequest,
    KeyMissing,
    ModelNotFound,
    ModelTooLarge,
    NotLoadable,
    PlanStale,
    PolicyDenied,
    Refusal,
    TooManyAsks,
)
from app.domain.terms import OwnTerms
from tests.fakes.loads import Works, open_works

CLIENT = Actor("key:c11e4700", "client", frozenset({Role.CLIENT}))


@pytest.fixture
async def works(tmp_path: Path) -> AsyncIterator[Works]:
    built = open_works(tmp_path / "home")
    yield built
    await built.close()


def request(works: Works, request_id: str = "r") -> InferenceRequest:
    sequence = Sequence("s", TextPrompt("hello"), Sampling(temperature=0.0, max_tokens=4))
    return InferenceRequest(request_id, works.model.id, (sequence,))


async def refused(works: Works, actor: Actor = ANONYMOUS) -> ApprovalRequired:
    with pytest.raises(ApprovalRequired) as refusal:
        await works.inference.open(actor, request(works))
    return refusal.value


def ask_for(works: Works, **terms: Any) -> Ask:
    params = {"model": works.model.id, **terms}
    return works.office.governance.asking.ask(works.office.owner, "model_load", params, "")


async def load(works: Works, actor: Actor, **terms: Any) -> dict[str, Any]:
    asked = {"context": None, "slots": None, "pinned": False, **terms}
    return await works.execution.load(actor, works.model.id, **asked)


async def test_a_load_becomes_an_ask_and_nothing_is_loaded(works: Works) -> None:
    with pytest.raises(ApprovalRequired) as refusal:
        await load(works, works.office.owner, slots=1)
    (ask,) = works.open_asks()
    assert refusal.value.details["ask"] == ask.id
    assert ask.id in refusal.value.message
    assert ask.params == {"model": works.model.id, "context": 256, "slots": 1, "pinned": False}
    assert works.host.started == []
    assert works.serving.residency.state(works.model.id) is State.ABSENT


async def test_once_approved_the_load_is_done_on_the_terms_of_the_plan(works: Works) -> None:
    with pytest.raises(ApprovalRequired):
        await load(works, works.office.owner, context=32, slots=1)
    (ask,) = works.open_asks()
    plan = works.office.parts.asks.plan_of(ask)
    assert plan.body["phrase"] == "yes, load test/tiny"
    assert plan.body["targets"][0]["digest"] == works.model.digest
    works.office.decide("owner", ask)
    executed = await works.office.execute(ask)
    assert executed.effect.outcome == "done"
    assert works.office.state(ask) == "done"
    terms = works.serving.residency.of(works.model.id).terms
    assert terms is not None
    assert (terms.context, terms.slots) == (32, 1)
    (intent,) = works.office.ledger.events(kind="load_intent")
    assert intent.data["policy"] == {"outcome": "approved", "ask": ask.id, "plan": plan.hash}
    assert (await load(works, works.office.owner, context=32, slots=1))["state"] == "ready"


async def test_an_ask_that_says_nothing_has_the_models_own_terms(works: Works) -> None:
    works.own[works.model.id] = OwnTerms(context=48, slots=3)
    effects = works.act.draw({"model": works.model.id}, works.office.owner).effects
    assert (effects["context"], effects["slots"]) == (48, 3)
    effects = works.act.draw({"model": works.model.id, "slots": 1}, works.office.owner).effects
    assert (effects["context"], effects["slots"]) == (48, 1)


async def test_a_load_that_was_approved_on_other_terms_is_stale(works: Works) -> None:
    await refused(works)
    (ask,) = works.open_asks()
    works.office.decide("owner", ask)
    works.own[works.model.id] = OwnTerms(context=48)
    with pytest.raises(PlanStale):
        await works.office.execute(ask)
    assert works.serving.residency.state(works.model.id) is State.ABSENT


async def test_a_request_that_waits_for_an_approval_is_filed_as_the_load_it_was(
    works: Works,
) -> None:
    assert (await refused(works)).act == "model.load_jit"


async def test_loads_on_demand_share_one_ask_however_many_come(works: Works) -> None:
    refusals = await asyncio.gather(*(refused(works) for _ in range(20)))
    others = [await refused(works, CLIENT), await refused(works)]
    assert {r.details["ask"] for r in [*refusals, *others]} == {works.open_asks()[0].id}
    assert len(works.office.ledger.events(kind="ask_made", limit=100)) == 1
    assert works.host.started == []


async def test_an_approved_ask_is_named_until_it_is_executed_and_then_the_model_answers(
    works: Works,
) -> None:
    ask_id = (await refused(works)).details["ask"]
    ask = works.office.parts.asks.get(ask_id)
    assert (ask.asker, ask.asker_person, ask.params["on_demand"]) == ("anonymous", None, True)
    works.office.decide("owner", ask)
    assert (await refused(works)).details["ask"] == ask_id
    await works.office.execute(ask)
    generation = await works.inference.open(ANONYMOUS, request(works))
    assert [event async for event in generation.events()]


async def test_a_model_that_is_loaded_answers_without_another_ask(works: Works) -> None:
    ask = works.office.parts.asks.get((await refused(works)).details["ask"])
    works.office.decide("owner", ask)
    await works.office.execute(ask)
    for _ in range(3):
        await (await works.inference.open(CLIENT, request(works))).aclose()
    assert works.open_asks() == []
    assert len(works.office.ledger.events(kind="ask_made")) == 1


async def test_after_an_unload_the_next_load_is_another_ask(works: Works) -> None:
    ask = works.office.parts.asks.get((await refused(works)).details["ask"])
    works.office.decide("owner", ask)
    await works.office.execute(ask)
    await works.execution.unload(works.office.owner, works.model.id)
    assert (await refused(works)).details["ask"] != ask.id


async def test_an_ask_that_has_expired_is_not_named_again(works: Works) -> None:
    first = (await refused(works)).details["ask"]
    works.office.clock.advance(25 * 3600)
    second = (await refused(works)).details["ask"]
    assert second != first


async def test_an_approver_who_is_no_operator_may_execute_what_was_approved(works: Works) -> None:
    ask = works.office.parts.asks.get((await refused(works)).details["ask"])
    works.office.hire("night", "approver")
    works.office.decide("night", ask)
    executed = await works.office.execute(ask, works.office.actor("night"))
    assert executed.effect.outcome == "done"
    with pytest.raises(Forbidden):
        grant(works.office.actor("night"), Permission.MODEL_LOAD)


async def test_without_asks_for_a_load_happens_at_once_and_its_decision_is_recorded(
    tmp_path: Path,
) -> None:
    works = open_works(tmp_path / "home", asks_for=())
    await load(works, works.office.owner)
    (intent,) = works.office.ledger.events(kind="load_intent")
    assert intent.data["policy"]["outcome"] == "allow"
    assert [r["id"] for r in intent.data["policy"]["rules"]] == ["operators-run-the-server"]
    assert works.open_asks() == []
    await works.close()


async def test_asks_of_clients_never_fill_the_list(works: Works) -> None:
    asked = works.office.governance.asking
    for i in range(ON_DEMAND):
        params = {"model": works.model.id, "on_demand": True}
        asked.ask(CLIENT, "model_load", params, f"{i}", permission=Permission.MODEL_LOAD_JIT)
    question = Question("model_load_jit", ANONYMOUS, "test/other")
    decision = works.office.parts.policy.decide(question)
    with pytest.raises(TooManyAsks, match="on demand"):
        works.asks.refusal(NeedsApproval(question, decision))
    with pytest.raises(ApprovalRequired):
        await load(works, works.office.owner)


async def test_what_can_never_fit_is_refused_and_leaves_no_ask(tmp_path: Path) -> None:
    works = open_works(tmp_path / "home", total_bytes=1 << 20)
    for _ in range(3):
        with pytest.raises(ModelTooLarge, match="never fits here"):
            await works.inference.open(ANONYMOUS, request(works))
    assert works.office.kinds() == []
    await works.close()


async def test_a_client_cannot_ask_for_a_load_by_itself(works: Works) -> None:
    params = {"model": works.model.id, "on_demand": True}
    with pytest.raises(Forbidden):
        await works.office.governance.ask(CLIENT, "model_load", params)
    with pytest.raises(KeyMissing):
        await works.office.governance.ask(ANONYMOUS, "model_load", params)


async def test_a_model_that_was_loaded_meanwhile_makes_the_plan_stale(works: Works) -> None:
    ask = works.office.parts.asks.get((await refused(works)).details["ask"])
    other = ask_for(works, slots=1)
    works.office.decide("owner", other)
    await works.office.execute(other)
    with pytest.raises(PlanStale, match="loaded already"):
        works.office.decide("owner", ask)
    assert works.office.state(ask) == "stale"


@pytest.mark.parametrize(
    ("params", "error"),
    [
        ({}, InvalidRequest),
        ({"model": 7}, InvalidRequest),
        ({"model": "no/such"}, ModelNotFound),
        ({"model": "test/tiny", "context": 0}, InvalidRequest),
        ({"model": "test/tiny", "context": 10_000_000}, InvalidRequest),
        ({"model": "test/tiny", "context": "9"}, InvalidRequest),
        ({"model": "test/tiny", "context": True}, InvalidRequest),
        ({"model": "test/tiny", "slots": 65}, InvalidRequest),
        ({"model": "test/tiny", "slots": -1}, InvalidRequest),
        ({"model": "test/tiny", "pinned": "yes"}, InvalidRequest),
        ({"model": "test/tiny", "path": "/etc"}, InvalidRequest),
        ({"model": "test/tiny", "on_demand": True, "slots": 64}, InvalidRequest),
    ],
)
async def test_what_a_load_is_not_is_refused_by_name(
    works: Works, params: dict[str, Any], error: type[Refusal]
) -> None:
    with pytest.raises(error):
        works.act.draw(params, works.office.owner)


async def test_a_quarantined_model_is_not_asked_for(works: Works) -> None:
    config = works.catalog.verify(works.model.id) / "config.json"
    config.chmod(0o600)
    config.write_bytes(config.read_bytes() + b" ")
    with pytest.raises(Refusal):
        works.catalog.verify(works.model.id, full=True)
    with pytest.raises(NotLoadable):
        works.act.draw({"model": works.model.id}, works.office.owner)


async def test_a_load_cut_off_by_the_servers_end_is_not_begun_again(works: Works) -> None:
    ask = ask_for(works)
    plan = works.office.parts.asks.plan_of(ask)
    warrant = issue(
        act="model_load",
        ask=ask.id,
        plan_hash=plan.hash,
        plan=dict(plan.body),
        actor=SYSTEM,
        intent_seq=1,
    )
    effect = await works.act.perform(warrant)
    assert effect.outcome == "failed"
    assert works.host.started == []


async def test_a_load_needs_a_warrant_for_it(works: Works) -> None:
    ask = ask_for(works)
    plan = dict(works.office.parts.asks.plan_of(ask).body)
    other = issue(
        act="model_pull", ask="a", plan_hash="b", plan=plan, actor=works.office.owner, intent_seq=1
    )
    with pytest.raises(TypeError, match="model_load"):
        await works.act.perform(other)
    may = grant(works.office.owner, Permission.MODEL_LOAD)
    with pytest.raises(TypeError, match="model_load"):
        await works.serving.load(may, works.model, None, warrant=other)


async def test_an_advisors_key_is_denied_by_policy_even_with_a_grant(works: Works) -> None:
    both = Actor("key:9", "x", frozenset({Role.ADVISOR, Role.OPERATOR}))
    with pytest.raises(PolicyDenied, match="advisor"):
        await load(works, both)
    with pytest.raises(PolicyDenied, match="advisor"):
        await works.execution.unload(both, works.model.id)
    with pytest.raises(PolicyDenied, match="advisor"):
        await works.execution.verify(both, works.model.id)


async def test_a_model_that_is_loaded_is_not_asked_for(works: Works) -> None:
    ask = ask_for(works)
    works.office.decide("owner", ask)
    await works.office.execute(ask)
    with pytest.raises(NotFeasible, match="loaded already"):
        works.act.draw({"model": works.model.id}, works.office.owner)


async def test_what_changed_and_changed_back_between_approval_and_load_is_noticed(
    works: Works,
) -> None:
    ask = ask_for(works)
    works.office.decide("owner", ask)
    with writing(works.office.engine) as connection:
        connection.exec_driver_sql("UPDATE model SET generation = generation + 1")
    with pytest.raises(PlanStale, match="generation"):
        await works.office.execute(ask)
    assert works.host.started == []
