"""Pulls by the real client from a real local server into a real store, with a real ledger."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app.authority import feasibility
from app.authority.catalog import Catalog, KnownModels
from app.authority.catalog.publishing import Publishing
from app.authority.ledger import Ledger, StoredEvent
from app.authority.policy.hard import HardPolicy
from app.authority.pulling import Machine, Pulling, PullingPorts
from app.database import open_engine
from app.domain.actors import Actor, Role
from app.domain.feasibility import Need, Verdict
from app.engines.hub import HuggingFaceHub, Patience
from tests.fakes.clock import FixedClock
from tests.fakes.database import fresh_database
from tests.fakes.hub import REPO, FakeHub, serving_hub
from tests.fakes.ledger import new_ledger
from tests.fakes.memory import GIB, FixedMemory
from tests.models import tiny_model

OPERATOR = Actor("key:00000000", "operator", frozenset({Role.OPERATOR}))
QUICK = Patience(connect_s=30.0, silence_s=30.0, pauses_s=(0.01, 0.02, 0.03))
"""Tries again at once, and gives no hub up that is only slow."""
IMPATIENT = replace(QUICK, silence_s=0.2)

Json = dict[str, Any]


@dataclass
class Station:
    """Everything a test of pulls looks at."""

    hub: FakeHub
    client: HuggingFaceHub
    memory: FixedMemory
    clock: FixedClock
    ledger: Ledger
    catalog: Catalog
    publishing: Publishing
    store: Path
    pulling: Pulling
    ports: PullingPorts

    async def plan(self, repo: str = REPO, **more: Any) -> Json:
        asked = {"revision": None, "name": None, **more}
        return await self.pulling.plan(OPERATOR, repo, asked["revision"], asked["name"])

    async def pull(self, plan: str | None = None, **more: Any) -> list[Json]:
        """Plan, unless there is a plan, and pull; every step, the last one is the model."""
        digest = plan or (await self.plan(**more))["plan"]
        return [step async for step in self.pulling.pull(OPERATOR, digest)]

    def events(self, kind: str) -> list[StoredEvent]:
        return self.ledger.events(kind=kind, limit=100)

    def last(self, kind: str) -> StoredEvent:
        return self.events(kind)[-1]

    def quarantine(self) -> list[str]:
        found = (self.store / "downloads").glob("*/*")
        return sorted(path.name for path in found if path.name != ".journal")

    def part(self, name: str) -> Path:
        return next((self.store / "downloads").glob(f"*/{name}"))


Remake = Callable[..., Pulling]


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    opened = open_engine(fresh_database(tmp_path))
    yield opened
    opened.dispose()


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[FakeHub]:
    with serving_hub(FakeHub().holds(tiny_model(tmp_path / "model"))) as serving:
        yield serving


@pytest.fixture
def known() -> KnownModels:
    return KnownModels(())


@pytest.fixture
def station(tmp_path: Path, engine: Engine, hub: FakeHub, known: KnownModels) -> Iterator[Station]:
    clock = FixedClock()
    ledger = new_ledger(engine, clock)
    store = tmp_path / "store"
    catalog = Catalog(ledger, engine, clock=clock, store_dir=store, known=known)
    client = HuggingFaceHub(endpoint=hub.url, hosts=("*.example",), version="0", patience=QUICK)
    memory = FixedMemory(clock, total_bytes=64 * GIB, used_bytes=lambda: 0)
    publishing = Publishing(catalog, ledger, engine, clock)

    async def verdict(need: Need) -> Verdict:
        budget = feasibility.budget(memory.read(), promised_untaken_bytes=0, now=clock.monotonic())
        return feasibility.decide(need, budget)

    ports = PullingPorts(
        hub=client,
        catalog=catalog,
        publishing=publishing,
        ledger=ledger,
        clock=clock,
        policy=HardPolicy(),
        machine=Machine(memory, verdict, lambda: 100 << 20, 256, 2),
    )
    pulling = Pulling(ports)
    yield Station(hub, client, memory, clock, ledger, catalog, publishing, store, pulling, ports)
    client.close()
    ledger.close()


def nothing_is_loadable(station: Station) -> None:
    assert station.catalog.list() == []
    assert list((station.store / "models").iterdir()) == []
    assert not any(p.is_file() for p in (station.store / "blobs").rglob("*"))
