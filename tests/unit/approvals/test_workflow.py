"""An ask from the asking to its end: what is recorded, and what stops it."""

from typing import Any

import pytest

from app.domain.refusals import (
    AskExpired,
    AskNotFound,
    AskNotOpen,
    ConfirmationRequired,
    Forbidden,
    HubUnreachable,
    InvalidRequest,
    PlanMismatch,
    PlanStale,
    PolicyDenied,
    ProofRequired,
    RevisionRequired,
    SelfApproval,
    TooManyAsks,
)
from tests.fakes.asks import KIND, Office

DAY_S = 24 * 3600


async def test_asked_approved_executed_once_and_all_of_it_on_record(office: Office) -> None:
    ask = office.ask(reason="tidy up")
    assert office.state(ask) == "pending"
    ask = office.decide("owner", ask)
    assert office.state(ask) == "approved"
    done = await office.execute(ask)
    assert (str(done.ask.state), done.effect.freed_bytes, office.toy.state) == ("done", 3, {})
    assert office.kinds() == ["ask_made", "ask_decided", "ask_claimed", "act_intent", "act_outcome"]
    assert office.runs() == ["done"]
    with pytest.raises(AskNotOpen):
        await office.execute(ask)
    assert len(office.toy.performed) == 1


def test_the_one_person_of_a_solo_installation_may_approve_and_it_says_so(office: Office) -> None:
    office.approved()
    event = next(e for e in office.ledger.events(limit=100) if e.kind == "ask_decided")
    assert event.data["self_approved"] is True
    assert event.data["person"] == office.owner.person


def test_in_dual_nobody_approves_their_own_ask_through_whichever_key(office: Office) -> None:
    office.goes_dual()
    office.hire("second", "approver", person=office.owner.person)
    ask = office.ask()
    for name in ("owner", "second"):
        with pytest.raises(SelfApproval):
            office.decide(name, ask)
    assert office.state(ask) == "pending"


async def test_in_dual_as_many_distinct_persons_as_the_quorum_are_needed(office: Office) -> None:
    office.goes_dual(quorum=2)
    office.hire("ann2", "approver", person=office.actor("ann").person)
    ask = office.decide("ann", office.ask())
    assert office.state(ask) == "pending"
    with pytest.raises(AskNotOpen, match="once"):
        office.decide("ann2", ask)
    assert office.state(ask) == "pending"
    assert office.state(office.decide("bob", ask)) == "approved"


@pytest.mark.parametrize("roles", [("advisor",), ("client",), ("operator",), ("auditor",)])
def test_who_is_no_approver_never_decides(office: Office, roles: tuple[str, ...]) -> None:
    ask = office.ask()
    office.hire("other", *roles)
    with pytest.raises((Forbidden, PolicyDenied)):
        office.decide("other", ask)
    assert office.state(ask) == "pending"


def test_an_approvers_key_that_belongs_to_nobody_decides_nothing(office: Office) -> None:
    ask = office.ask()
    office.hire("bot", "approver", person="")
    with pytest.raises(Forbidden, match="belongs to nobody"):
        office.decide("bot", ask)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"confirmation": None}, ConfirmationRequired),
        ({"confirmation": "yes"}, ConfirmationRequired),
        ({"confirmation": "yes, purge toys"}, ConfirmationRequired),
        ({"plan_hash": "0" * 64}, PlanMismatch),
        ({"proof": ""}, ProofRequired),
        ({"proof": "00" * 32}, ProofRequired),
        ({"proof": "not hex"}, ProofRequired),
        ({"challenge": "0" * 32}, ProofRequired),
        ({"decision": "maybe"}, InvalidRequest),
    ],
)
def test_a_word_that_is_not_exact_decides_nothing(
    office: Office, changes: dict[str, Any], refusal: type[Exception]
) -> None:
    ask = office.ask()
    with pytest.raises(refusal):
        office.decide("owner", ask, **changes)
    assert office.state(ask) == "pending"
    assert office.parts.asks.decisions(ask.id) == []


def test_a_proof_is_good_once_for_one_ask_one_key_and_not_for_long(office: Office) -> None:
    office.goes_dual(quorum=2)
    first, second = office.ask(name="one"), office.ask(name="two")
    word = office.word("ann", first)
    decide = office.governance.deciding.decide
    with pytest.raises((ProofRequired, PlanMismatch)):
        decide(office.actor("ann"), second.id, word)
    with pytest.raises(ProofRequired):
        decide(office.actor("bob"), first.id, office.word("ann", first))
    old = office.word("ann", first)
    office.clock.advance(301)
    with pytest.raises(ProofRequired):
        decide(office.actor("ann"), first.id, old)
    good = office.word("ann", first)
    decide(office.actor("ann"), first.id, good)
    with pytest.raises((ProofRequired, AskNotOpen)):
        decide(office.actor("ann"), first.id, good)


def test_a_proof_of_rejecting_does_not_approve(office: Office) -> None:
    ask = office.ask()
    other = office.word("owner", ask, "reject")
    with pytest.raises(ProofRequired):
        office.decide("owner", ask, proof=other.proof, challenge=other.challenge)


def test_rejecting_ends_it_and_needs_a_reason(office: Office) -> None:
    ask = office.ask()
    for nothing in ("", " ", "\n", "\u200b\u202e", "\u3164"):
        with pytest.raises(InvalidRequest):
            office.decide("owner", ask, "reject", reason=nothing)
    assert office.state(office.decide("owner", ask, "reject", reason="no")) == "rejected"
    assert office.runs() == ["rejected"]
    with pytest.raises(AskNotOpen):
        office.decide("owner", ask)


async def test_a_veto_after_approval_and_before_execution_revokes_it(office: Office) -> None:
    ask = office.approved()
    assert office.state(office.decide("owner", ask, "veto", reason="wait")) == "revoked"
    with pytest.raises(AskNotOpen):
        await office.execute(ask)
    assert office.toy.performed == []


def test_approval_one_second_before_the_deadline_counts_and_one_after_does_not(
    office: Office,
) -> None:
    early, late = office.ask(name="early"), office.ask(name="late")
    office.clock.advance(DAY_S - 1)
    assert office.state(office.decide("owner", early)) == "approved"
    office.clock.advance(1)
    with pytest.raises(AskExpired):
        office.decide("owner", late)
    assert office.state(late) == "expired"
    assert office.runs() == ["expired"]


def test_a_clock_that_is_set_back_revives_nothing(office: Office) -> None:
    ask = office.ask()
    office.clock.jump(DAY_S + 1)
    office.parts.clock.utc_us()
    office.clock.jump(-DAY_S)
    with pytest.raises(AskExpired):
        office.decide("owner", ask)


def test_what_nobody_answers_expires_by_itself(office: Office) -> None:
    ask, approved = office.ask(name="one"), office.approved(name="two")
    office.clock.advance(DAY_S)
    office.parts.expire_due()
    assert (office.state(ask), office.state(approved)) == ("expired", "approved")
    office.clock.advance(DAY_S)
    office.parts.expire_due()
    assert office.state(approved) == "expired"


def test_a_plan_that_is_not_true_any_more_is_not_approved(office: Office) -> None:
    ask = office.ask()
    office.toy.state["c"] = 7
    with pytest.raises(PlanStale):
        office.decide("owner", ask)
    assert office.state(ask) == "stale"


def test_what_cannot_be_done_now_is_kept_and_can_be_asked_again(office: Office) -> None:
    office.toy.infeasible = "It is pinned; unpin it first."
    with pytest.raises(RevisionRequired, match="unpin") as refused:
        office.ask()
    ask_id = refused.value.details["ask"]
    assert str(office.parts.asks.get(ask_id).state) == "revision_required"
    office.toy.infeasible = ""
    again = office.governance.asking.again(office.owner, ask_id)
    assert (again.id, str(again.state)) == (ask_id, "pending")
    assert office.state(office.decide("owner", again)) == "approved"


def test_an_ask_that_ended_is_followed_by_a_new_one_with_a_plan_of_its_own(office: Office) -> None:
    ask = office.decide("owner", office.ask(), "reject")
    again = office.governance.asking.again(office.owner, ask.id)
    assert again.again_of == ask.id
    assert again.plan != ask.plan
    with pytest.raises(AskNotOpen):
        office.governance.asking.again(office.owner, again.id)


def test_only_who_asked_withdraws(office: Office) -> None:
    other = office.hire("other", "operator")
    ask = office.ask()
    with pytest.raises(AskNotOpen):
        office.governance.asking.withdraw(other, ask.id)
    assert str(office.governance.asking.withdraw(office.owner, ask.id).state) == "withdrawn"


async def test_a_resumed_act_that_gets_no_further_stays_partial(office: Office) -> None:
    office.toy.stuck = {"b"}
    ask = office.approved()
    await office.execute(ask)
    again = await office.execute(ask)
    assert (str(again.ask.state), again.effect.failed) == ("partial", ("b: permission denied",))
    office.toy.stuck = set()
    assert str((await office.execute(ask)).ask.state) == "done"


def test_only_what_is_registered_can_be_asked_for(office: Office) -> None:
    with pytest.raises(InvalidRequest, match=KIND):
        office.governance.asking.ask(office.owner, "format_disk", {}, "")


def test_a_flood_of_asks_is_refused(office: Office) -> None:
    from app.authority.approvals.parts import Limits

    office.limits = Limits(open_asks=3)
    for number in range(3):
        office.ask(name=str(number))
    with pytest.raises(TooManyAsks):
        office.ask(name="one more")


def test_an_id_may_be_shortened_while_it_is_clear(office: Office) -> None:
    ask = office.ask()
    assert office.parts.asks.get(ask.id[:5]).id == ask.id
    for name in ("", "zz", ask.id + "0", "%", "____"):
        with pytest.raises(AskNotFound):
            office.parts.asks.get(name)


def test_a_hub_that_is_silent_says_nothing_about_the_plan(office: Office) -> None:
    ask = office.ask()
    office.toy.unreachable = True
    with pytest.raises(HubUnreachable):
        office.decide("owner", ask)
    assert office.state(ask) == "pending"
    office.toy.unreachable = False
    assert office.state(office.decide("owner", ask)) == "approved"
