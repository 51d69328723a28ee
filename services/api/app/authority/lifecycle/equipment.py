"""What the lifecycle works with: its ports, the ledger, the catalog and its limits."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from app.authority.catalog import Catalog
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.policy.decisions import PolicyDecisionPoint
from app.authority.policy.hard import HardPolicy
from app.authority.ports import Clock, EngineHost, MemoryProbe
from app.domain.models import CatalogModel
from app.domain.terms import OwnTerms, UsualTerms
from app.evidence.runs import Attempt


@dataclass(frozen=True, slots=True)
class Limits:
    """Numbers an operator may set; all of them tighten, none loosens a hard rule."""

    default_context: int
    slots: int
    queue_limit: int
    idle_ttl_s: float
    drain_timeout_s: float
    stop_grace_s: float
    crash_limit: int
    worker_base_bytes: int


@dataclass(frozen=True, slots=True)
class Equipment:
    catalog: Catalog
    ledger: Ledger
    host: EngineHost
    probe: MemoryProbe
    clock: Clock
    limits_now: Callable[[], Limits]
    """Asked each time, so that settings which are read anew count at once."""

    policy: PolicyDecisionPoint = field(default_factory=HardPolicy)
    """Asked at the moment a load or an unload begins, so that no use case can go around it."""

    own_terms: Callable[[str], OwnTerms] = lambda _: OwnTerms()
    """What people set for a model, by id. May be called from any thread, and reads no disk."""

    safe_mode: str = ""
    """Why no model is loaded unless an operator says so, or "": see `app.starts`."""

    @property
    def limits(self) -> Limits:
        return self.limits_now()

    def usual_terms(self, model: CatalogModel) -> UsualTerms:
        """What a load of this model gets where it says nothing, as things are set now."""
        limits = self.limits
        usual = UsualTerms(limits.default_context, limits.slots, limits.idle_ttl_s)
        return usual.for_model(self.own_terms(model.id), max_context=model.max_context)

    async def record(self, event: LedgerEvent) -> int:
        """Append durably and return the sequence number; raises `AuditUnavailable`."""
        receipt = await asyncio.to_thread(self.ledger.append, event)
        return receipt.seq

    async def record_run(self, event: LedgerEvent, attempt: Attempt) -> str:
        """Append the event that ends an attempt, with its run; returns the run's digest."""
        attached = self.ledger.runs.attached(event, attempt)
        await self.record(attached)
        return str(attached.data["run"])
