"""Executing what was approved: once, while it is true, to its end, and over a restart."""

import asyncio
from pathlib import Path

import pytest

from app.authority.ledger import Kind, LedgerEvent
from app.authority.permissions import Permission
from app.backups.mark import Restored
from app.domain.actors import SYSTEM
from app.domain.refusals import (
    AskExpired,
    AskNotOpen,
    PlanStale,
    PolicyDenied,
)
from app.wiring.restoring import Pending, follow_up
from tests.fakes.asks import Office, Toy

DAY_S = 24 * 3600


async def test_of_thirty_two_who_race_to_execute_one_wins(office: Office) -> None:
    ask = office.approved()
    results = await asyncio.gather(
        *(office.execute(ask) for _ in range(32)), return_exceptions=True
    )
    assert sum(not isinstance(result, BaseException) for result in results) == 1
    assert len(office.toy.performed) == 1


async def test_thirty_two_claims_at_once_on_threads_let_one_through(office: Office) -> None:
    ask = office.approved()
    executing = office.governance.executing

    def claim(_: int) -> bool:
        try:
            executing._claim(office.owner, ask)
        except AskNotOpen:
            return False
        return True

    won = await asyncio.gather(*(asyncio.to_thread(claim, n) for n in range(32)))
    assert sum(won) == 1


async def test_a_veto_and_a_claim_at_once_end_in_one_of_the_two(office: Office) -> None:
    for _ in range(10):
        office.toy.state.update(a=1)
        before = len(office.toy.performed)
        ask = office.approved()
        word = office.word("owner", ask, "veto")
        veto = asyncio.to_thread(office.governance.deciding.decide, office.owner, ask.id, word)
        await asyncio.gather(veto, office.execute(ask), return_exceptions=True)
        did = len(office.toy.performed) - before
        assert (office.state(ask), did) in {("revoked", 0), ("done", 1)}


async def test_what_was_approved_is_not_executed_after_its_deadline(office: Office) -> None:
    ask = office.approved()
    office.clock.advance(2 * DAY_S)
    with pytest.raises(AskExpired):
        await office.execute(ask)
    assert (office.state(ask), office.toy.performed) == ("expired", [])


async def test_a_plan_that_is_not_true_any_more_is_not_executed(office: Office) -> None:
    ask = office.approved()
    office.toy.state["c"] = 7
    with pytest.raises(PlanStale, match="files"):
        await office.execute(ask)
    assert (office.state(ask), office.toy.performed) == ("stale", [])
    assert office.runs() == ["stale"]


async def test_what_cannot_be_drawn_any_more_is_stale(office: Office) -> None:
    ask = office.approved()
    office.toy.infeasible = "It is busy."
    with pytest.raises(PlanStale, match="busy"):
        await office.execute(ask)
    assert office.state(ask) == "stale"


async def test_an_approval_whose_key_was_revoked_since_does_not_count(office: Office) -> None:
    office.goes_dual()
    ask = office.decide("ann", office.ask())
    office.revoke("ann")
    with pytest.raises(PolicyDenied, match="may not approve any more"):
        await office.execute(ask)
    assert (office.state(ask), office.toy.performed) == ("blocked", [])


async def test_a_profile_that_became_stricter_since_counts(office: Office) -> None:
    ask = office.approved()
    office.goes_dual()
    with pytest.raises(PolicyDenied):
        await office.execute(ask)
    assert office.state(ask) == "blocked"


async def test_a_partial_act_names_what_failed_and_can_be_resumed(office: Office) -> None:
    office.toy.stuck = {"b"}
    ask = office.approved()
    done = await office.execute(ask)
    assert (str(done.ask.state), done.effect.freed_bytes) == ("partial", 1)
    assert done.effect.failed == ("b: permission denied",)
    office.toy.stuck = set()
    again = await office.execute(ask)
    assert (str(again.ask.state), again.effect.freed_bytes) == ("done", 2)
    assert office.runs() == ["partial", "done"]


def restored(office: Office) -> None:
    """As a start after a restore does, with what the backup held."""
    data = {"size": 1, "root": "r", "manifest": "m", "made_us": 1, "asks_ended": 0, "revoked": []}
    office.ledger.append(LedgerEvent(Kind.STATE_RESTORED, SYSTEM, subject="b", data=data))


async def test_a_partial_act_is_not_resumed_in_a_state_that_was_restored_since(
    office: Office,
) -> None:
    """It may have been resumed in the state that was replaced: once is what was approved."""
    office.toy.stuck = {"b"}
    ask = office.approved()
    await office.execute(ask)
    restored(office)
    with pytest.raises(AskExpired, match="Ask for it anew"):
        await office.execute(ask)
    assert len(office.toy.performed) == 1
    office.toy.state["a"] = 1
    other = office.approved()
    assert str((await office.execute(other)).ask.state) == "partial"
    office.toy.stuck = set()
    assert str((await office.execute(other)).ask.state) == "done"


async def test_what_was_begun_in_a_backup_is_not_done_again_where_it_was_restored(
    office: Office, tmp_path: Path
) -> None:
    begun = office.approved()
    executing = office.governance.executing
    executing._intend(executing._claim(office.owner, begun), office.owner)
    office.toy.state["z"] = 1
    never = office.approved()
    executing._claim(office.owner, never)
    restored(office)
    (tmp_path / "ledger").mkdir()
    mark = Restored(
        name="b",
        size=1,
        root="r",
        manifest="m",
        made_us=1,
        replaced_size=None,
        replaced_root="",
        revoked=(),
        asks=2,
        replaced="replaced/x",
    )
    follow_up(Pending(tmp_path, mark), office.parts)
    await executing.recover()
    assert (office.state(begun), office.state(never)) == ("partial", "failed")
    assert (office.toy.performed, office.ledger.open_intents()) == ([], [])
    with pytest.raises(AskExpired):
        await office.execute(begun)


async def test_a_defect_in_an_act_ends_it_as_failed(office: Office) -> None:
    office.toy.fails = ValueError("secret detail")
    ask = office.approved()
    done = await office.execute(ask)
    assert str(done.ask.state) == "failed"
    assert "secret detail" not in done.effect.reason


async def test_who_goes_away_does_not_stop_what_was_claimed(office: Office) -> None:
    office.toy.gate = asyncio.Event()
    ask = office.approved()
    asking = asyncio.create_task(office.execute(ask))
    while not office.toy.performed:
        await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.sleep(0)
    office.toy.gate.set()
    await office.governance.executing.close()
    assert office.state(ask) == "done"


async def test_what_is_claimed_and_not_begun_is_failed_at_the_next_start(office: Office) -> None:
    ask = office.approved()
    office.governance.executing._claim(office.owner, ask)
    next_time = office.reopened()
    await next_time.governance.executing.recover()
    assert next_time.state(ask) == "failed"
    assert next_time.toy.performed == []
    next_time.close()


async def test_what_was_begun_is_finished_at_the_next_start(office: Office) -> None:
    ask = office.approved()
    claimed = office.governance.executing._claim(office.owner, ask)
    office.governance.executing._intend(claimed, office.owner)
    next_time = office.reopened()
    await next_time.governance.executing.recover()
    assert next_time.state(ask) == "done"
    assert next_time.toy.state == {}
    assert next_time.ledger.open_intents() == []
    next_time.close()


async def test_a_long_load_or_pull_keeps_no_other_act_waiting(office: Office) -> None:
    long = Toy(kind="model_pull", permission=Permission.MODEL_PULL, gate=asyncio.Event())
    office.teach(long)
    pull = office.governance.asking.ask(office.owner, long.kind, {"name": "big"}, "")
    pulling = asyncio.create_task(office.execute(office.decide("owner", pull)))
    while not long.performed:
        await asyncio.sleep(0.01)
    assert office.state((await office.execute(office.approved())).ask) == "done"
    assert long.gate is not None
    long.gate.set()
    assert str((await pulling).ask.state) == "done"
