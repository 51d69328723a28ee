"""Models that nobody uses for long enough are taken out of memory."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.eviction import idle_too_long
from app.authority.lifecycle.residency import Held, Residency
from app.domain.refusals import AuditUnavailable

log = structlog.get_logger(__name__)

SWEEP_S = 5.0

Evict = Callable[[Held, str], Awaitable[None]]


class Idling:
    """On the event loop of `Serving`."""

    def __init__(self, equipment: Equipment, residency: Residency, evict: Evict) -> None:
        self._equipment = equipment
        self._residency = residency
        self._evict = evict

    async def unload(self, *, ttl_s: float) -> None:
        """Unload every model that nobody has used for `ttl_s` seconds, or for its own time."""

        def at_most_s(model_id: str) -> float:
            own = self._equipment.own_terms(model_id).idle_s
            return ttl_s if own is None else own

        now = self._equipment.clock.monotonic()
        for model_id in idle_too_long(self._residency.ready(), now=now, ttl_s=at_most_s):
            try:
                await self._evict(self._residency.of(model_id), "idle")
            except AuditUnavailable as refusal:
                log.warning("idle_unload_refused", model=model_id, reason=refusal.message)

    async def sweep_forever(self) -> None:
        """Run `unload` every few seconds until cancelled."""
        while True:
            await asyncio.sleep(SWEEP_S)
            await self.unload(ttl_s=self._equipment.limits.idle_ttl_s)
