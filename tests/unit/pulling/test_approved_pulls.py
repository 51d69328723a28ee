"""A pull that policy wants a person for: one ask with every file, and the pull once approved."""

import asyncio
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.authority.acts.model_pull import ModelPull
from app.authority.approvals.asking import Asking
from app.authority.approvals.challenges import Challenges
from app.authority.approvals.deciding import Deciding
from app.authority.approvals.executing import Executing
from app.authority.approvals.runs_as_asks import RunsAsAsks
from app.authority.catalog import Catalog, KnownModels
from app.authority.catalog.publishing import Publishing
from app.authority.governance import Governance
from app.authority.policy.admitting import NeedsApproval
from app.authority.policy.decisions import Decision, Outcome, Question
from app.authority.policy.hard import HardPolicy
from app.authority.pulling import ApprovedPulls, Machine, Pulling, PullingPorts
from app.authority.warrants.issuing import issue
from app.domain.actors import SYSTEM
from app.domain.feasibility import Budget, Fits, Need, Verdict
from app.domain.refusals import (
    ApprovalRequired,
    HubUnreachable,
    InvalidRequest,
    Refusal,
    RevisionRequired,
)
from app.engines.hub import HuggingFaceHub
from tests.fakes.asks import Office, open_office
from tests.fakes.hub import REPO, FakeHub, serving_hub
from tests.fakes.memory import GIB, FixedMemory
from tests.models import tiny_model
from tests.unit.pulling.conftest import QUICK

ASKS = Decision(Outcome.REQUIRE_APPROVAL, (), "0" * 64)


async def fits(need: Need) -> Verdict:
    return Fits(need, Budget(64 * GIB, 64 * GIB, 64 * GIB, None, 0, 60 * GIB))


@dataclass
class Works:
    office: Office
    hub: FakeHub
    catalog: Catalog
    pulling: Pulling
    act: ModelPull

    async def pull(self) -> list[dict[str, Any]]:
        plan = await self.pulling.plan(self.office.owner, REPO, None, None)
        return [step async for step in self.pulling.pull(self.office.owner, plan["plan"])]

    async def asked(self) -> Any:
        with pytest.raises(ApprovalRequired) as refusal:
            await self.pull()
        return self.office.parts.asks.get(refusal.value.details["ask"])


@pytest.fixture
def works(tmp_path: Path) -> Iterator[Works]:
    office = open_office(tmp_path / "home")
    catalog = Catalog(
        office.ledger,
        office.engine,
        clock=office.clock,
        store_dir=tmp_path / "store",
        known=KnownModels(()),
    )
    policy = HardPolicy(asks_for=("model_pull",))
    with serving_hub(FakeHub().holds(tiny_model(tmp_path / "model"))) as hub:
        client = HuggingFaceHub(endpoint=hub.url, hosts=(), version="0", patience=QUICK)

        async def ask_instead(needs: NeedsApproval, request_id: str | None) -> Refusal:
            asks = RunsAsAsks(office.governance.asking)
            return await asyncio.to_thread(asks.refusal, needs, request_id)

        memory = FixedMemory(office.clock, total_bytes=64 * GIB, used_bytes=lambda: 0)
        pulling = Pulling(
            PullingPorts(
                hub=client,
                catalog=catalog,
                publishing=Publishing(catalog, office.ledger, office.engine, office.clock),
                ledger=office.ledger,
                clock=office.clock,
                policy=policy,
                machine=Machine(memory, fits, lambda: 100 << 20, 256, 2),
                asks=ask_instead,
            )
        )
        act = ModelPull(catalog, ApprovedPulls(pulling))
        parts = replace(office.parts, policy=policy, acts={act.kind: act})
        deciding = Deciding(parts, Challenges(office.clock))
        office.parts = parts
        office.governance = Governance(parts, Asking(parts), deciding, Executing(parts, deciding))
        yield Works(office, hub, catalog, pulling, act)
        client.close()
    office.close()


async def test_a_pull_becomes_an_ask_with_every_file_and_nothing_is_fetched(works: Works) -> None:
    ask = await works.asked()
    plan = works.office.parts.asks.plan_of(ask).body
    assert (ask.act, plan["phrase"]) == ("model_pull", f"yes, pull {ask.subject}")
    assert {f["path"] for f in plan["files"]} >= {"config.json", "model.safetensors"}
    assert plan["effects"]["fetch_bytes"] == sum(f["size"] for f in plan["files"])
    assert plan["effects"]["commit"] == ask.params["revision"]
    assert works.catalog.list() == []
    assert works.office.ledger.events(kind="pull_intent") == []


async def test_equal_pulls_share_one_ask(works: Works) -> None:
    assert (await works.asked()).id == (await works.asked()).id
    assert len(works.office.ledger.events(kind="ask_made")) == 1


async def test_once_approved_it_is_fetched_verified_and_in_the_catalog(works: Works) -> None:
    ask = await works.asked()
    works.office.decide("owner", ask)
    executed = await works.office.execute(ask)
    assert executed.effect.outcome == "done", executed.effect.reason
    (model,) = works.catalog.list()
    assert executed.effect.data["digest"] == model.digest
    (outcome,) = works.office.ledger.events(kind="pull_outcome")
    assert outcome.outcome == "done"
    with works.office.engine.connect() as connection:
        run = connection.exec_driver_sql(
            "SELECT bytes FROM ledger_blob WHERE digest = ?", (outcome.data["run"],)
        ).scalar_one()
    assert orjson.loads(run)["ask"] == ask.id


async def test_a_hub_that_is_away_for_a_while_makes_no_plan_stale(works: Works) -> None:
    ask = await works.asked()
    works.act._pulls = Away()
    works.office.decide("owner", ask)
    assert works.office.state(ask) == "approved"


class Away:
    def document(self, *_: object) -> Any:
        raise AssertionError("the hub was asked again for a commit")

    async def fetch(self, _: object) -> Any:
        raise AssertionError


async def test_a_model_that_is_there_already_is_not_asked_for(works: Works) -> None:
    ask = await works.asked()
    works.office.decide("owner", ask)
    await works.office.execute(ask)
    with pytest.raises(RevisionRequired, match="already"):
        await works.pull()


async def test_a_pull_cut_off_by_the_servers_end_is_not_taken_up_again(works: Works) -> None:
    ask = await works.asked()
    plan = works.office.parts.asks.plan_of(ask)
    warrant = issue(
        act="model_pull",
        ask=ask.id,
        plan_hash=plan.hash,
        plan=dict(plan.body),
        actor=SYSTEM,
        intent_seq=1,
    )
    effect = await works.act.perform(warrant)
    assert effect.outcome == "failed"
    assert works.catalog.list() == []


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"repo": REPO, "revision": "main"},
        {"repo": REPO, "revision": "main", "name": 7},
        {"repo": REPO, "revision": "main", "name": "a/b", "url": "http://elsewhere"},
        {"repo": "../..", "revision": "main", "name": "a/b"},
        {"repo": REPO, "revision": "main", "name": "a/b"},
    ],
)
async def test_a_pull_names_a_commit_and_nothing_else(works: Works, params: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest):
        await asyncio.to_thread(works.act.draw, params, works.office.owner)


async def test_a_pull_whose_hub_is_slow_keeps_no_load_from_being_asked_for(works: Works) -> None:
    asks = RunsAsAsks(works.office.governance.asking)
    drawing, go_on = threading.Event(), threading.Event()

    class Slow(Away):
        def document(self, *_: object) -> Any:
            drawing.set()
            go_on.wait(60)
            raise HubUnreachable("The hub is slow.")

    works.act._pulls = Slow()
    facts = {"repo": REPO, "revision": "0" * 40, "name": "acme/slow"}
    pull = NeedsApproval(Question("model_pull", works.office.owner, "acme/slow", facts), ASKS)
    slow = asyncio.create_task(asyncio.to_thread(asks.refusal, pull))
    assert await asyncio.to_thread(drawing.wait, 60)
    load = NeedsApproval(Question("model_load", works.office.owner, "acme/x", {}), ASKS)
    with pytest.raises(InvalidRequest, match="no act 'model_load'"):
        await asyncio.wait_for(asyncio.to_thread(asks.refusal, load), 30)
    assert not slow.done()
    go_on.set()
    with pytest.raises(HubUnreachable):
        await slow
