"""Whoever takes a decision away, or puts another in its place, is told on by the ledger."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.authority.guarding import Guarding
from app.authority.guardrails.sealed import decision_of
from app.authority.guardrails.watching.digests import HOUR_US, DecisionDigests
from tests.fakes.at_work import BLOCK_ALL, AtWork, at_work

ALERT = BLOCK_ALL.replace("Block", "Alert when")


@pytest.fixture
def work(tmp_path: Path) -> Iterator[AtWork]:
    """Five decisions: two in an hour, two in the next, one in the hour that runs."""
    with at_work(tmp_path / "w", {"tell": ALERT}) as made:
        digests = DecisionDigests(made.office.ledger, made.decisions, made.office.clock)
        for count in (2, 2, 1):
            for _ in range(count):
                made.policy.decide(made.load())
                made.office.clock.advance(1)
            if count == 2:
                made.office.clock.advance(HOUR_US / 1_000_000)
                digests.tick()
        yield made


async def replayed(work: AtWork) -> dict[str, Any]:
    office = work.office
    cases = Guarding(work.house.changing, work.decisions, office.governance, office.clock)
    return await cases.replay(office.owner)


async def test_what_nobody_touched_is_all_there(work: AtWork) -> None:
    assert len(work.events("guardrails_digest")) == 2
    assert await replayed(work) == {"checked": 5, "identical": 5, "different": [], "missing": []}


async def test_an_hour_of_which_the_last_decision_is_gone_is_missed(work: AtWork) -> None:
    work.house.sql("DELETE FROM guardrails_decision WHERE seq >= 4")
    found = await replayed(work)
    assert (found["checked"], found["identical"]) == (3, 3)
    assert any(one.startswith("decisions 3 to 4, as event ") for one in found["missing"])
    assert not any(one.startswith("decisions 1 to 2") for one in found["missing"])


async def test_a_record_in_another_records_place_is_missed(work: AtWork) -> None:
    """It is a true record with its true digest: only the ledger knows that it was another one."""
    work.house.sql(
        "UPDATE guardrails_decision SET (at_us, record, digest) ="
        " (SELECT at_us, record, digest FROM guardrails_decision WHERE seq = 1) WHERE seq = 2"
    )
    found = await replayed(work)
    assert (found["checked"], found["identical"]) == (5, 5)
    assert any(one.startswith("decisions 1 to 2, as event ") for one in found["missing"])


async def test_a_decision_of_the_hour_that_runs_is_missed_where_an_event_names_it(
    work: AtWork,
) -> None:
    newest = work.rows[-1].digest
    work.house.sql("DELETE FROM guardrails_decision WHERE seq = 5")
    (missing,) = (await replayed(work))["missing"]
    assert missing.startswith(f"decision {newest}, which event ")


async def test_all_decisions_gone_are_missed(work: AtWork) -> None:
    work.house.sql("DELETE FROM guardrails_decision")
    found = await replayed(work)
    assert (found["checked"], len(found["missing"])) == (0, 3)


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"decision": "ab"}, "ab"),
        ({"policy": {"guardrails": {"decision": "cd"}}}, "cd"),
        ({"policy": {"guardrails": {}}}, None),
        ({"policy": {}}, None),
        ({"policy": "off"}, None),
        ({"decision": 7}, None),
        ({}, None),
    ],
)
def test_an_event_names_its_own_decision_or_its_policys(
    data: dict[str, Any], named: str | None
) -> None:
    assert decision_of(data) == named
