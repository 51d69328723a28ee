"""The lifecycle and approvals ask guardrails where something begins, once, and not on the loop."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.authority.guarding import Guarding
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission, grant
from app.authority.policy.decisions import Outcome
from app.domain.refusals import AuditUnavailable, PolicyDenied
from tests.fakes.asks import Toy
from tests.fakes.at_work import BLOCK_ALL, CLIENT, AtWork, at_work

BUSY = "Block loading a model when queue depth is above 10"
LARGE = "Ask for approval before loading a model whose share of memory is above 1 %"


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[AtWork]:
    with at_work(tmp_path / "w") as work:
        yield work


async def lease(work: AtWork) -> None:
    may = grant(CLIENT, Permission.MODEL_LOAD_JIT, subject=work.model.id)
    async with work.serving.lease(may, work.model, sequences=1):
        pass


async def test_a_model_that_is_in_memory_is_answered_without_asking(plain: AtWork) -> None:
    await lease(plain)
    assert len(plain.rows) == 1
    (intent,) = plain.events("load_intent")
    assert intent.data["policy"]["guardrails"]["decision"] == plain.rows[0].digest
    for _ in range(20):
        await lease(plain)
    assert len(plain.rows) == 1
    await plain.serving.close()


async def test_twenty_requests_for_an_absent_model_are_one_question(plain: AtWork) -> None:
    await asyncio.gather(*(lease(plain) for _ in range(20)))
    assert len(plain.rows) == 1
    assert len(plain.host.started) == 1
    await plain.serving.close()


async def test_a_blocked_model_is_not_loaded_and_may_be_asked_for_again(tmp_path: Path) -> None:
    with at_work(tmp_path / "w", {"no-tests": BLOCK_ALL}) as work:
        for _ in range(2):
            with pytest.raises(PolicyDenied, match="lmx guardrails explain"):
                await lease(work)
            work.office.clock.advance(2)
        assert work.serving.residency.state(work.model.id) is State.ABSENT
        assert work.host.started == []
        assert len(work.rows) == 2


async def test_a_load_whose_decision_cannot_be_recorded_may_be_tried_again_and_nothing_begins(
    plain: AtWork, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: object) -> int:
        raise AuditUnavailable("The disk is full.")

    with monkeypatch.context() as broken:
        broken.setattr(plain.decisions, "add", full)
        with pytest.raises(AuditUnavailable, match="The disk is full"):
            await lease(plain)
    assert plain.host.started == []
    assert plain.events("load_intent") == []
    plain.office.clock.advance(2)
    await lease(plain)
    assert len(plain.host.started) == 1
    await plain.serving.close()


async def test_a_reader_that_fails_denies_the_load_and_its_decision_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> None:
        raise OSError("no such file")

    with at_work(tmp_path / "w", {"large": LARGE}) as work:
        monkeypatch.setattr(work.memory, "read", fails)
        denied = work.policy.decide(work.load())
        assert denied.outcome is Outcome.DENY
        office = work.office
        cases = Guarding(work.house.changing, work.decisions, office.governance, office.clock)
        told = await cases.decision(office.owner, work.rows[-1].digest)
        assert told["outcome"] == "block"
        assert "large (version 1) could not be evaluated: OSError" in told["sentences"][0]
        assert (await cases.replay(office.owner))["identical"] == 1


# --- approvals ------------------------------------------------------------------------------


def ask(work: AtWork) -> Any:
    params = {"model": work.model.id, "context": 64, "slots": 1}
    return work.office.governance.asking.ask(work.office.owner, "model_load", params, "")


async def test_an_approved_load_is_asked_at_its_claim_and_not_again(tmp_path: Path) -> None:
    with at_work(tmp_path / "w", {"large": LARGE}) as work:
        work.memory.total_bytes = 256 << 20
        asked = ask(work)
        work.office.decide("owner", asked)
        assert [row.outcome for row in work.rows] == ["require_approval"] * 2
        done = await work.office.execute(asked)
        assert str(done.ask.state) == "done"
        assert [row.outcome for row in work.rows] == ["require_approval"] * 3
        run = await work.office.governance.show(work.office.owner, asked.id)
        assert run["policy"]["guardrails"]["rules"] == work.house.now.rules.hash
        await work.serving.close()


async def test_what_is_blocked_at_the_claim_is_not_done(tmp_path: Path) -> None:
    with at_work(tmp_path / "w", {"busy": BUSY}) as work:
        asked = ask(work)
        work.office.decide("owner", asked)
        work.state["waiting"] = 20
        with pytest.raises(PolicyDenied, match="queue depth"):
            await work.office.execute(asked)
        assert work.office.state(asked) == "blocked"
        assert work.host.started == []
        assert work.rows[-1].outcome == "block"


def test_showing_an_ask_records_no_decision(tmp_path: Path) -> None:
    with at_work(tmp_path / "w", {"busy": BUSY}) as work:
        asked = ask(work)
        before = len(work.rows)
        asyncio.run(work.office.governance.show(work.office.owner, asked.id))
        assert len(work.rows) == before


async def test_the_run_of_an_act_holds_what_its_claim_was_decided_by(tmp_path: Path) -> None:
    with at_work(tmp_path / "w") as work:
        toy = Toy(state={"a": 1})
        work.office.teach(toy)
        asked = work.office.ask(name="toys")
        work.office.decide("owner", asked)
        await work.office.execute(asked)
        claim = [row for row in work.rows if row.point == "purge"][-1]
        (found,) = [e for e in work.events("act_outcome") if e.data.get("ask") == asked.id]
        with work.office.engine.connect() as connection:
            content = connection.exec_driver_sql(
                "SELECT bytes FROM ledger_blob WHERE digest = ?", (found.data["run"],)
            ).scalar_one()
        assert claim.digest.encode() in content
        assert work.office.parts.claimed == {}


def test_an_ask_that_is_blocked_names_the_decision(tmp_path: Path) -> None:
    with at_work(tmp_path / "w", {"no-tests": BLOCK_ALL}) as work:
        with pytest.raises(PolicyDenied, match="publisher is test"):
            ask(work)
        (made,) = work.events("ask_made")
        assert made.data["policy"]["guardrails"]["decision"] == work.rows[-1].digest
