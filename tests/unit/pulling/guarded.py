"""Pulls and repairs that real guardrails decide on, from a real local hub."""

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.authority.acts.model_pull import ModelPull
from app.authority.approvals.asking import Asking
from app.authority.approvals.challenges import Challenges
from app.authority.approvals.deciding import Deciding
from app.authority.approvals.executing import Executing
from app.authority.approvals.runs_as_asks import RunsAsAsks
from app.authority.catalog import KnownModels
from app.authority.catalog.publishing import Publishing
from app.authority.catalog.repairing import Repairing
from app.authority.catalog.shipped import Shipped
from app.authority.governance import Governance
from app.authority.policy.admitting import NeedsApproval
from app.authority.policy.hard import HardPolicy
from app.authority.pulling import ApprovedPulls, Machine, Pulling, PullingPorts, Repairs
from app.domain.actors import Actor
from app.domain.feasibility import Budget, Fits, Need, Verdict
from app.domain.refusals import Refusal
from app.engines.hub import HuggingFaceHub
from tests.fakes.asks import Office
from tests.fakes.at_work import AtWork, at_work
from tests.fakes.hub import REPO, FakeHub, serving_hub
from tests.fakes.memory import GIB
from tests.models import tiny_model
from tests.unit.pulling.conftest import QUICK
from tests.unit.pulling.repairing import Quiet

Json = dict[str, Any]


@dataclass
class Guarded:
    """`pulling` and `repairs` ask the guardrails; `free` asks hard rules alone."""

    work: AtWork
    hub: FakeHub
    pulling: Pulling
    free: Pulling
    repairs: Repairs
    act: ModelPull

    @property
    def office(self) -> Office:
        return self.work.office

    @property
    def owner(self) -> Actor:
        return self.office.owner

    async def plan(self, repo: str = REPO) -> Json:
        return await self.pulling.plan(self.owner, repo, None, None)

    async def pull(self, pulling: Pulling | None = None) -> Json:
        by = pulling or self.pulling
        plan = await by.plan(self.owner, REPO, None, None)
        done: Json = [step async for step in by.pull(self.owner, plan["plan"])][-1]["done"]
        return done


async def fits(need: Need) -> Verdict:
    return Fits(need, Budget(64 * GIB, 64 * GIB, 64 * GIB, None, 0, 60 * GIB))


@contextmanager
def guarded_pulls(place: Path, tasks: Mapping[str, str]) -> Iterator[Guarded]:
    with (
        at_work(place / "w", tasks) as work,
        serving_hub(FakeHub().holds(tiny_model(place / "model", seed=9))) as hub,
    ):
        client = HuggingFaceHub(endpoint=hub.url, hosts=(), version="0", patience=QUICK)
        with closing(client):
            yield _opened(work, hub, client, place)


def _opened(work: AtWork, hub: FakeHub, client: HuggingFaceHub, place: Path) -> Guarded:
    office, catalog = work.office, work.catalog

    async def ask_instead(needs: NeedsApproval, request_id: str | None) -> Refusal:
        asks = RunsAsAsks(office.governance.asking)
        return await asyncio.to_thread(asks.refusal, needs, request_id)

    ports = PullingPorts(
        hub=client,
        catalog=catalog,
        publishing=Publishing(catalog, office.ledger, office.engine, office.clock),
        ledger=office.ledger,
        clock=office.clock,
        policy=work.policy,
        machine=Machine(work.memory, fits, lambda: 100 << 20, 256, 2),
        asks=ask_instead,
    )
    pulling = Pulling(ports)
    shipped = Shipped(place, KnownModels(()))
    repairing = Repairing(catalog, office.engine)
    repairs = Repairs(ports, pulling, repairing, shipped, Quiet())  # type: ignore[arg-type]
    act = ModelPull(catalog, ApprovedPulls(pulling))
    parts = replace(office.parts, acts={**office.parts.acts, act.kind: act})
    deciding = Deciding(parts, Challenges(office.clock))
    office.parts = parts
    office.governance = Governance(parts, Asking(parts), deciding, Executing(parts, deciding))
    free = Pulling(replace(ports, policy=HardPolicy()))
    return Guarded(work, hub, pulling, free, repairs, act)
