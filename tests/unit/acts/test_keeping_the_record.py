"""Pruning and a recovery epoch can be asked for, tell what they would do, and are never done."""

from collections.abc import Callable
from typing import Any

import pytest

from app.authority.acts.ledger_prune import LedgerPrune
from app.authority.acts.recovery_epoch import RecoveryEpoch
from app.authority.approvals.acts import Act, NotFeasible
from app.authority.warrants.issuing import issue
from app.domain.refusals import ApprovalUnavailable, InvalidRequest, RevisionRequired
from tests.fakes.asks import Office
from tests.unit.acts.conftest import Desk

DAY_S = 86_400


@pytest.fixture
def prune(office: Office) -> LedgerPrune:
    return LedgerPrune(office.ledger, office.clock)


def test_pruning_tells_exactly_what_would_go(prune: LedgerPrune, office: Office) -> None:
    events = office.ledger.events(limit=1000)
    office.clock.advance(400 * DAY_S)
    with pytest.raises(NotFeasible) as cannot:
        prune.draw({"before": "2027-03-01"}, office.owner)
    bytes_ = sum(len(event.body) for event in events)
    assert f"{len(events)} events" in str(cannot.value)
    assert f"{bytes_} bytes" in str(cannot.value)
    assert f"would be {len(events) + 1}." in str(cannot.value)


def test_what_is_young_is_never_pruned_whoever_approves(prune: LedgerPrune, office: Office) -> None:
    with pytest.raises(ApprovalUnavailable, match="whoever approves"):
        prune.draw({"before": "2026-12-01"}, office.owner)


@pytest.mark.parametrize("act", ["prune", "recover"])
def test_an_ask_for_it_is_kept_and_never_waits_for_an_approval(
    office: Office, desk: Callable[[Act], Desk], prune: LedgerPrune, act: str
) -> None:
    office.clock.advance(400 * DAY_S)
    kind: Act = prune if act == "prune" else RecoveryEpoch()
    works = desk(kind)
    params = {"before": "2027-01-01"} if act == "prune" else {}
    size = office.ledger.size()
    with pytest.raises(RevisionRequired, match="cannot"):
        works.ask(**params)
    (ask,) = office.parts.asks.page()
    assert (str(ask.state), ask.plan) == ("revision_required", None)
    assert office.ledger.size() == size + 1  # the ask, and nothing was taken away


@pytest.mark.parametrize("act", ["prune", "recover"])
async def test_even_with_a_warrant_nothing_is_done(
    office: Office, prune: LedgerPrune, act: str
) -> None:
    kind: Act = prune if act == "prune" else RecoveryEpoch()
    warrant = issue(
        act=kind.kind, ask="0" * 8, plan_hash="0" * 64, plan={}, actor=office.owner, intent_seq=1
    )
    size = office.ledger.size()
    effect = await kind.perform(warrant)
    assert (effect.outcome, office.ledger.size()) == ("failed", size)


@pytest.mark.parametrize(
    "params", [{}, {"before": 7}, {"before": "20260101"}, {"before": "x", "after": "y"}]
)
def test_what_names_no_day_is_refused(
    prune: LedgerPrune, office: Office, params: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequest):
        prune.draw(params, office.owner)


def test_a_recovery_takes_no_parameters(office: Office) -> None:
    with pytest.raises(InvalidRequest):
        RecoveryEpoch().draw({"to": 7}, office.owner)
