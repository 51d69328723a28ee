"""A strict rule is set aside for a time and by whom; a critical one never is."""

from collections.abc import Callable
from typing import Any

import pytest

from app.authority.acts.rule_override import RuleOverride, overrides
from app.authority.approvals.acts import Act
from app.authority.rules import RULES, Tier
from app.authority.warrants.issuing import issue
from app.domain.refusals import InvalidRequest, PolicyDenied, RevisionRequired
from tests.fakes.asks import Office
from tests.unit.acts.conftest import Desk

HOUR_S = 3600
ASKED: dict[str, Any] = {
    "rule": "G-DEPLOY-02",
    "value": "port 4000",
    "hours": 2,
    "reason": "another program holds 1234 until tonight",
}


@pytest.fixture
def act(office: Office) -> RuleOverride:
    return RuleOverride(office.ledger, office.clock)


@pytest.fixture
def works(desk: Callable[[Act], Desk], act: RuleOverride) -> Desk:
    return desk(act)


async def test_a_strict_rule_is_set_aside_until_its_time_is_over(
    works: Desk, office: Office
) -> None:
    ask = works.ask(**ASKED)
    assert works.plan(ask)["phrase"] == "yes, override G-DEPLOY-02"
    before_us = office.clock.utc_us()
    executed = await works.do(ask)
    assert executed.effect.outcome == "done"
    (event,) = office.ledger.events(kind="rule_overridden")
    assert (event.subject, event.data["value"]) == ("G-DEPLOY-02", "port 4000")
    assert event.data["until_us"] == before_us + 2 * HOUR_S * 1_000_000
    shown = overrides(office.ledger, office.clock)["G-DEPLOY-02"]
    assert (shown["ask"], shown["by"]) == (ask.id, office.owner.id)
    office.clock.advance(2 * HOUR_S)
    assert overrides(office.ledger, office.clock) == {}


@pytest.mark.parametrize("rule", [r.id for r in RULES if r.tier is Tier.CRITICAL])
def test_a_critical_rule_is_never_set_aside(act: RuleOverride, office: Office, rule: str) -> None:
    with pytest.raises(PolicyDenied, match="critical"):
        act.draw({**ASKED, "rule": rule}, office.owner)
    assert office.ledger.events(kind="rule_overridden") == []


async def test_a_rule_that_is_set_aside_is_not_set_aside_again(works: Desk, office: Office) -> None:
    await works.do(works.ask(**ASKED))
    with pytest.raises(RevisionRequired, match="already"):
        works.ask(**ASKED)
    office.clock.advance(2 * HOUR_S)
    works.ask(**ASKED)


async def test_resumed_after_a_crash_it_is_recorded_once(
    works: Desk, office: Office, act: RuleOverride
) -> None:
    ask = works.ask(**ASKED)
    await works.do(ask)
    plan = office.parts.asks.plan_of(ask)
    warrant = issue(
        act=act.kind,
        ask=ask.id,
        plan_hash=plan.hash,
        plan=dict(plan.body),
        actor=office.owner,
        intent_seq=1,
    )
    office.clock.advance(60)
    effect = await act.perform(warrant)
    (event,) = office.ledger.events(kind="rule_overridden")
    assert effect.data["until_us"] == event.data["until_us"]


@pytest.mark.parametrize(
    "change",
    [
        {"rule": "C99"},
        {"rule": None},
        {"hours": 0},
        {"hours": 169},
        {"hours": True},
        {"hours": "2"},
        {"hours": 1.5},
        {"value": ""},
        {"value": " "},
        {"value": "x" * 201},
        {"reason": None},
        {"reason": ""},
        {"forever": True},
    ],
)
def test_what_is_no_override_is_refused(
    act: RuleOverride, office: Office, change: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        act.draw(ASKED | change, office.owner)


def test_an_override_says_why_and_how_long(act: RuleOverride, office: Office) -> None:
    for name in ASKED:
        with pytest.raises(InvalidRequest):
            act.draw({k: v for k, v in ASKED.items() if k != name}, office.owner)


async def test_it_takes_a_warrant(act: RuleOverride, office: Office) -> None:
    with pytest.raises(TypeError):
        await act.perform(None)  # type: ignore[arg-type]
