"""Loads under a policy that wants persons for them: real approvals and lifecycle, made workers."""

import asyncio
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

from app.authority.acts.model_load import ModelLoad
from app.authority.approvals.asking import Asking
from app.authority.approvals.challenges import Challenges
from app.authority.approvals.deciding import Deciding
from app.authority.approvals.executing import Executing
from app.authority.approvals.runs_as_asks import RunsAsAsks
from app.authority.approvals.values import Ask
from app.authority.catalog import Catalog, known_models
from app.authority.execution import Execution
from app.authority.governance import Governance
from app.authority.inference import Inference
from app.authority.leasing import InferencePorts
from app.authority.ledger import RefusalRecorder, UsageLog
from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Access, Permission, grant
from app.authority.policy.admitting import NeedsApproval
from app.authority.policy.hard import HardPolicy
from app.authority.policy.routing import Routing
from app.domain.models import CatalogModel
from app.domain.refusals import Refusal
from app.domain.terms import OwnTerms
from tests.fakes.asks import Office, open_office
from tests.fakes.engine import FakeEngineHost
from tests.fakes.lifecycle import LIMITS
from tests.fakes.memory import GIB, FixedMemory
from tests.models import tiny_model


@dataclass
class Works:
    """An office, the models it governs, and the use cases that load them."""

    office: Office
    catalog: Catalog
    host: FakeEngineHost
    serving: Serving
    execution: Execution
    inference: Inference
    asks: RunsAsAsks
    act: ModelLoad
    model: CatalogModel
    usage: UsageLog
    own: dict[str, OwnTerms]
    """What is set for single models, by id; a test puts it in."""

    def open_asks(self) -> list[Ask]:
        return self.office.parts.asks.open_alike("model_load", self.model.id)

    async def close(self) -> None:
        for engine in self.host.started:
            engine.release()
        await self.serving.close()
        self.usage.close()
        self.office.close()


def open_works(
    home: Path, *, asks_for: Collection[str] = ("model_load",), total_bytes: int = 64 * GIB
) -> Works:
    office = open_office(home)
    catalog = Catalog(
        office.ledger,
        office.engine,
        clock=office.clock,
        store_dir=home / "store",
        known=known_models([]),
    )
    may = grant(office.owner, Permission.MODEL_IMPORT)
    model = catalog.import_directory(
        may, tiny_model(home / "tiny"), "test/tiny", lambda _: None, lambda: False
    )
    host, policy = FakeEngineHost(), HardPolicy(asks_for=asks_for)
    memory = FixedMemory(office.clock, total_bytes=total_bytes, used_bytes=lambda: 0)
    own: dict[str, OwnTerms] = {}
    equipment = Equipment(
        *(catalog, office.ledger, host, memory, office.clock, lambda: LIMITS, policy),
        own_terms=lambda model_id: own.get(model_id, OwnTerms()),
    )
    serving = Serving(equipment)
    act = ModelLoad(catalog, serving, memory)
    parts = replace(office.parts, policy=policy, acts={act.kind: act})
    deciding = Deciding(parts, Challenges(office.clock))
    executing = Executing(parts, deciding)
    office.parts = parts
    office.governance = Governance(parts, Asking(parts), deciding, executing)
    asks = RunsAsAsks(office.governance.asking)

    async def ask_instead(needs: NeedsApproval, request_id: str | None) -> Refusal:
        return await asyncio.to_thread(asks.refusal, needs, request_id)

    usage = UsageLog(office.engine)
    inference = Inference(
        InferencePorts(
            catalog=catalog,
            routing=Routing({}),
            serving=serving,
            usage=usage,
            refusals=RefusalRecorder(office.ledger, clock=office.clock),
            clock=office.clock,
            access=Access(),
            timeout_now=lambda: 20,
            asks=ask_instead,
        )
    )
    execution = Execution(
        catalog=catalog,
        serving=serving,
        policy=policy,
        asks=ask_instead,
    )
    made = (serving, execution, inference, asks, act, model, usage, own)
    return Works(office, catalog, host, *made)
