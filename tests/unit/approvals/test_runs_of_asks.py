"""What the run of an ask holds, and that an attempt which ends one leaves no second run."""

import orjson
import pytest

from app.domain.refusals import AskNotOpen, PlanStale, PolicyDenied, Refusal, RevisionRequired
from tests.fakes.asks import Office
from tests.fakes.tampering import unguarded

DAY_S = 24 * 3600


def runs(office: Office) -> list[tuple[str, dict[str, object]]]:
    """Digest and body of every run that an event names, the oldest first."""
    digests = [e.data["run"] for e in office.ledger.events(limit=1000) if e.data.get("run")]
    with office.engine.connect() as connection:
        found = [
            connection.exec_driver_sql(
                "SELECT bytes FROM ledger_blob WHERE digest = ?", (digest,)
            ).scalar_one()
            for digest in digests
        ]
    return [(digest, orjson.loads(body)) for digest, body in zip(digests, found, strict=True)]


async def test_the_run_of_an_executed_act_says_what_policy_and_feasibility_said(
    office: Office,
) -> None:
    ask = office.approved()
    await office.execute(ask)
    ((_, run),) = runs(office)
    assert run["policy"] is not None
    assert run["policy"]["outcome"] == "require_approval"  # type: ignore[index]
    assert run["policy"]["policy_hash"] == office.governance.parts.policy.policy_hash  # type: ignore[index]
    assert run["feasibility"] == {"verdict": "feasible"}
    assert (run["ask"], run["plan"]) == (ask.id, ask.plan)


async def test_what_ended_an_ask_names_the_run_that_it_left(office: Office) -> None:
    ask = office.approved()
    office.toy.state["c"] = 7
    refused: list[Refusal] = []
    with pytest.raises(PlanStale) as stale:
        await office.execute(ask)
    refused.append(stale.value)
    ask = office.approved()
    office.goes_dual()
    with pytest.raises(PolicyDenied) as denied:
        await office.execute(ask)
    refused.append(denied.value)
    assert [refusal.run for refusal in refused] == [digest for digest, _ in runs(office)]


def test_an_ask_whose_plan_was_altered_expires_all_the_same(office: Office) -> None:
    ask = office.ask()
    with unguarded(office.home) as connection:
        connection.execute("UPDATE ledger_blob SET bytes = ? WHERE digest = ?", (b"{}", ask.plan))
    office.clock.advance(DAY_S)
    office.parts.expire_due()
    assert office.state(ask) == "expired"
    ((_, run),) = runs(office)
    assert run["policy"] is None


def test_a_refused_attempt_says_which_act_it_was_and_what_was_asked(office: Office) -> None:
    ask = office.ask(name="mine")
    word = office.word("owner", ask, "veto")
    with pytest.raises(AskNotOpen) as late:
        office.governance.deciding.decide(office.owner, ask.id, word)
    assert late.value.act == "ask.decide"
    assert late.value.inputs == {"ask": ask.id, "decision": "veto"}
    office.toy.infeasible = "It is busy."
    with pytest.raises(RevisionRequired) as busy:
        office.ask(name="other")
    assert (busy.value.act, busy.value.inputs["params"]) == (ask.act, {"name": "other"})


async def test_a_refused_execution_is_filed_as_one(office: Office) -> None:
    ask = office.ask()
    with pytest.raises(AskNotOpen) as early:
        await office.execute(ask)
    assert (early.value.act, early.value.inputs) == ("ask.execute", {"ask": ask.id})
