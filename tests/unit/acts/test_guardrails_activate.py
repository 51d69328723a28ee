"""Another document becomes the active one by an approval; what is bound stays bound."""

from typing import Any

import pytest

from app.authority.acts.guardrails_activate import GuardrailsActivate
from app.authority.warrants.issuing import issue
from app.domain.refusals import Forbidden, GuardrailsNotFound, InvalidRequest, PlanStale
from tests.fakes.guardrails import SHARE, House, edited

SLOW = "Alert when latency rises"


async def test_a_document_is_activated_and_what_is_bound_stays_bound(guards: House) -> None:
    before = guards.now
    guards.load(edited({SHARE: 0.4}))
    ask = guards.ask("activate", version=2)
    plan = guards.plan(ask)
    assert plan["phrase"] == "yes, activate guardrails 2"
    assert plan["effects"]["from"]["version"] == 1
    assert plan["effects"]["to"]["version"] == 2
    assert plan["effects"]["changed"] == {"count": 1, "names": [SHARE]}
    assert plan["effects"]["affected"] == {"count": 1, "names": ["large-models"]}
    assert guards.now is before
    executed = await guards.done(ask)
    assert executed.effect.outcome == "done"
    assert guards.now.version == 2
    assert guards.now.definitions == before.definitions
    (_, event) = guards.office.ledger.events(kind="guardrails_activated")
    assert event.data["ask"] == ask.id
    assert (event.data["before"], event.data["version"]) == (1, 2)


async def test_intents_are_compiled_under_the_active_document(guards: House) -> None:
    await guards.activated(edited({"defaults/windows/change": "2h"}))
    await guards.does("add", id="slow", intent=SLOW)
    condition = guards.now.definitions["slow"].resolution.condition
    assert condition.params["window"] == 7200  # type: ignore[union-attr]
    assert guards.now.compiled_under["slow"] == 2


def test_a_document_that_is_active_or_unknown_cannot_be_activated(guards: House) -> None:
    with pytest.raises(InvalidRequest, match="active already.*rebind --version 1"):
        guards.ask("activate", version=1)
    with pytest.raises(GuardrailsNotFound, match="no version 7"):
        guards.ask("activate", version=7)


@pytest.mark.parametrize(
    "params", [{}, {"version": "2"}, {"version": 0}, {"version": True}, {"version": 2, "why": ""}]
)
def test_what_names_no_version_is_refused(guards: House, params: dict[str, Any]) -> None:
    guards.load(edited({SHARE: 0.4}))
    with pytest.raises(InvalidRequest):
        guards.ask("activate", **params)


async def test_after_another_change_the_plan_is_stale(guards: House) -> None:
    guards.load(edited({SHARE: 0.4}))
    ask = guards.office.decide("owner", guards.ask("activate", version=2))
    await guards.does("retire", task="large-models")
    with pytest.raises(PlanStale):
        await guards.office.execute(ask)
    assert guards.now.version == 1


async def test_resumed_after_a_crash_it_is_activated_once(guards: House) -> None:
    guards.load(edited({SHARE: 0.4}))
    ask = guards.ask("activate", version=2)
    await guards.done(ask)
    plan = guards.office.parts.asks.plan_of(ask)
    warrant = issue(
        act="guardrails_activate",
        ask=ask.id,
        plan_hash=plan.hash,
        plan=dict(plan.body),
        actor=guards.office.owner,
        intent_seq=1,
    )
    effect = await GuardrailsActivate(guards.changing).perform(warrant)
    assert effect.data == {"version": 2}
    assert len(guards.standing.store.activations()) == 2


async def test_it_takes_a_warrant_of_its_own_act(guards: House) -> None:
    with pytest.raises(TypeError):
        await GuardrailsActivate(guards.changing).perform(None)  # type: ignore[arg-type]


@pytest.mark.parametrize("role", ["approver", "auditor", "client", "advisor"])
@pytest.mark.parametrize(
    ("act", "params"),
    [
        ("activate", {"version": 1}),
        ("rebind", {"version": 1}),
        ("retire", {"task": "large-models"}),
    ],
)
def test_only_an_operator_asks_for_it(
    guards: House, role: str, act: str, params: dict[str, Any]
) -> None:
    person = None if role == "approver" else ""
    somebody = guards.office.hire(role, role, person=person)
    with pytest.raises(Forbidden):
        guards.ask(act, somebody, **params)
