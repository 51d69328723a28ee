"""A clock that is set forward, back, or leaps: deadlines are met early at worst, never late."""

import asyncio

import pytest

from app.authority.approvals.deadlines import Forward
from app.authority.approvals.values import Ask
from app.authority.policy.hard import HardPolicy
from app.domain.refusals import AskExpired, PlanStale, ProofRequired
from tests.fakes.asks import Office
from tests.fakes.clock import START_UTC_US, FixedClock

DAY_S = 24 * 3600
S = 1_000_000


def execute(office: Office, ask: Ask) -> None:
    asyncio.run(office.execute(ask))


def test_a_leap_over_the_deadlines_ends_what_waits_and_setting_it_back_revives_nothing(
    office: Office,
) -> None:
    waiting, approved = office.ask(name="waiting"), office.approved()
    office.clock.jump(365 * DAY_S)
    office.parts.expire_due()
    office.clock.jump(-365 * DAY_S)
    assert (office.state(waiting), office.state(approved)) == ("expired", "expired")
    with pytest.raises(AskExpired):
        office.decide("owner", waiting)
    with pytest.raises(AskExpired):
        execute(office, approved)
    assert office.toy.performed == []


def test_setting_the_clock_back_does_not_lengthen_a_deadline(office: Office) -> None:
    ask = office.approved()
    office.clock.jump(-365 * DAY_S)
    office.clock.advance(2 * DAY_S)
    with pytest.raises(AskExpired):
        execute(office, ask)


def test_setting_it_back_and_restarting_does_not_lengthen_a_deadline_either(
    office: Office,
) -> None:
    """What the ledger recorded last is the earliest that it can be."""
    waiting = office.ask(name="waiting")
    office.clock.advance(DAY_S)
    office.approved()
    office.clock.jump(-2 * DAY_S)
    again = office.reopened()
    with pytest.raises(AskExpired):
        again.decide("owner", waiting)
    again.close()


def test_a_challenge_ends_by_the_monotonic_clock(office: Office) -> None:
    ask = office.ask()
    early = office.word("owner", ask)
    office.clock.jump(-DAY_S)
    decide = office.governance.deciding.decide
    office.clock.advance(299)
    decide(office.owner, ask.id, early)
    other = office.ask(name="other")
    late = office.word("owner", other)
    office.clock.advance(301)
    with pytest.raises(ProofRequired):
        decide(office.owner, other.id, late)


def test_deadlines_pass_while_a_clock_is_set_back() -> None:
    clock = FixedClock()
    forward = Forward(clock)
    assert forward.utc_us() == START_UTC_US
    clock.jump(-DAY_S)
    assert forward.utc_us() == START_UTC_US
    clock.advance(60)
    assert forward.utc_us() == START_UTC_US + 60 * S
    clock.advance(60)
    assert forward.utc_us() == START_UTC_US + 120 * S
    clock.jump(2 * DAY_S)
    assert forward.utc_us() == START_UTC_US + (DAY_S + 120) * S


def test_a_clock_that_runs_a_little_behind_is_not_one_that_was_set_back() -> None:
    clock = FixedClock()
    forward = Forward(clock)
    forward.utc_us()
    clock.jump(-0.5)
    clock.advance(0.25)
    assert forward.utc_us() == START_UTC_US
    clock.advance(10)
    assert forward.utc_us() == START_UTC_US + 9_750_000


def test_a_policy_that_became_stricter_makes_what_was_approved_stale(office: Office) -> None:
    ask = office.approved()
    object.__setattr__(office.parts, "policy", HardPolicy(asks_for=("model_load",)))
    with pytest.raises(PlanStale, match="policy_hash"):
        execute(office, ask)
    assert (office.state(ask), office.toy.performed) == ("stale", [])
