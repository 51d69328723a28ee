"""A whole lifecycle with real files, catalog and ledger; only workers, memory and time are made."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from app.authority import feasibility
from app.authority.catalog import Catalog, known_models
from app.authority.ledger import Ledger, StoredEvent
from app.authority.lifecycle.equipment import Equipment, Limits
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Grant, Permission, grant
from app.database import open_engine
from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.models import CatalogModel
from app.domain.terms import OwnTerms
from tests.fakes.clock import FixedClock
from tests.fakes.database import fresh_database
from tests.fakes.engine import FakeEngine, FakeEngineHost
from tests.fakes.ledger import new_ledger
from tests.fakes.memory import GIB, FixedMemory
from tests.models import tiny_model

OPERATOR = Actor("key:test", "operator", frozenset({Role.OPERATOR}))
LIMITS = Limits(
    default_context=256,
    slots=2,
    queue_limit=30,
    idle_ttl_s=60,
    drain_timeout_s=60,
    stop_grace_s=1,
    crash_limit=3,
    worker_base_bytes=100 << 20,
)


@dataclass
class House:
    """Everything a test of the lifecycle looks at."""

    serving: Serving
    host: FakeEngineHost
    memory: FixedMemory
    clock: FixedClock
    ledger: Ledger
    catalog: Catalog
    models: tuple[CatalogModel, ...]
    own: dict[str, OwnTerms] = field(default_factory=dict)
    """What is set for single models, by id; a test puts it in."""

    def need_bytes(self, model: CatalogModel) -> int:
        """What a load of `model` on the default terms is promised."""
        return feasibility.need(
            self.catalog.shape(model.id),
            context=LIMITS.default_context,
            slots=LIMITS.slots,
            worker_base_bytes=self.serving.loading.worker_base_bytes,
        ).total_bytes

    def room_for(self, count: int) -> None:
        """Set the machine's memory so that exactly `count` models fit together."""
        need = max(self.need_bytes(m) for m in self.models)
        self.memory.total_bytes = (need * count + need // 2) * 100 // 90

    def kinds(self) -> list[str]:
        return [event.kind for event in self.ledger.events(limit=1000)]

    def events(self, kind: str) -> list[StoredEvent]:
        return self.ledger.events(kind=kind, limit=1000)

    @property
    def alive(self) -> list[FakeEngine]:
        return [engine for engine in self.host.started if not engine.exited.done()]


def jit(model: CatalogModel) -> Grant:
    return grant(ANONYMOUS, Permission.MODEL_LOAD_JIT, subject=model.id)


def operator(permission: Permission, model: CatalogModel) -> Grant:
    return grant(OPERATOR, permission, subject=model.id)


async def use(house: House, model: CatalogModel) -> None:
    """One request that needs the model for a moment."""
    async with house.serving.lease(jit(model), model, sequences=1):
        pass


async def until(condition: Callable[[], bool]) -> None:
    """Let everything else run until `condition` holds."""
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.001)


def build_house(directory: Path, limits: Limits = LIMITS) -> House:
    """Three tiny models in a catalog of their own, and nothing in memory yet."""
    clock = FixedClock()
    database = open_engine(fresh_database(directory))
    ledger = new_ledger(database, clock, boot_id="boot")
    catalog = Catalog(
        ledger, database, clock=clock, store_dir=directory / "store", known=known_models([])
    )
    may = grant(OPERATOR, Permission.MODEL_IMPORT)
    models = tuple(
        catalog.import_directory(
            may,
            tiny_model(directory / f"model-{seed}", seed=seed),
            f"test/model-{seed}",
            lambda _: None,
            lambda: False,
        )
        for seed in range(3)
    )
    host = FakeEngineHost()
    memory = FixedMemory(clock, total_bytes=64 * GIB, used_bytes=lambda: _used(host))
    own: dict[str, OwnTerms] = {}
    equipment = Equipment(
        *(catalog, ledger, host, memory, clock, lambda: limits),
        own_terms=lambda model_id: own.get(model_id, OwnTerms()),
    )
    return House(Serving(equipment), host, memory, clock, ledger, catalog, models, own)


def _used(host: FakeEngineHost) -> int:
    alive = [engine for engine in host.started if not engine.exited.done()]
    return sum(engine.resident_bytes() for engine in alive)
