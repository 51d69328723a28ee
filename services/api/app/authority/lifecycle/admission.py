"""Who may take memory: decides on a fresh reading, makes room, and promises - one at a time."""

import asyncio
from collections.abc import Awaitable, Callable

from app.authority import feasibility
from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.eviction import choose_evictions
from app.authority.lifecycle.residency import Held, Residency, wait_for_change
from app.authority.lifecycle.transitions import State
from app.domain.feasibility import DoesNotFit, Fits, Need
from app.domain.refusals import ModelTooLarge

Unload = Callable[[Held, str], Awaitable[None]]

BUSY_RETRY_S = 5
"""How soon a load that only waits for busy models to fall idle may be asked for again."""


class Admission:
    """The only place that sets `Held.promised_bytes`.

    Decision and promise happen under one lock, so that loads which fit one by one but not
    together never pass together.
    """

    def __init__(self, equipment: Equipment, residency: Residency, unload: Unload) -> None:
        self._equipment = equipment
        self._residency = residency
        self._unload = unload
        self._deciding = asyncio.Lock()

    async def promise(self, held: Held, need: Need) -> Fits:
        """Find `need` in the budget, evicting idle models where that helps, and set it aside.

        Raises ModelTooLarge with the arithmetic, or MemoryReadingStale.
        """
        while True:
            async with self._deciding:
                verdict = await self._decide_with_room(held, need)
                if isinstance(verdict, Fits):
                    held.promised_bytes = need.total_bytes
                    return verdict
                moving = self._others_in_motion(held)
            if not moving:
                raise self._refusal(held, verdict)
            await wait_for_change(moving)

    async def evict_one(self, held: Held) -> bool:
        """Unload the least recently used idle model, whatever its size; False if there is none."""
        async with self._deciding:
            eviction = choose_evictions(1, self._residency.ready())
            if eviction is None:
                return False
            await self._evict(eviction.model_ids, held)
            return True

    async def verdict(self, need: Need) -> Fits | DoesNotFit:
        """What the budget says right now, without promising or evicting anything."""
        reading = await asyncio.to_thread(self._equipment.probe.read)
        budget = feasibility.budget(
            reading,
            promised_untaken_bytes=self._residency.promised_untaken_bytes(),
            now=self._equipment.clock.monotonic(),
        )
        return feasibility.decide(need, budget)

    async def _decide_with_room(self, held: Held, need: Need) -> Fits | DoesNotFit:
        verdict = await self.verdict(need)
        while isinstance(verdict, DoesNotFit):
            eviction = choose_evictions(verdict.shortfall_bytes, self._residency.ready())
            if eviction is None:
                return verdict
            await self._evict(eviction.model_ids, held)
            verdict = await self.verdict(need)
        return verdict

    async def _evict(self, model_ids: tuple[str, ...], held: Held) -> None:
        for model_id in model_ids:
            await self._unload(self._residency.of(model_id), f"evicted for {held.model_id}")

    def _others_in_motion(self, held: Held) -> tuple[Held, ...]:
        """Loads whose promise is not taken yet and unloads not yet done: the verdict may change."""
        moving = self._residency.in_state(State.LOADING, State.DRAINING, State.UNLOADING)
        return tuple(h for h in moving if h is not held and h.promised_bytes > 0)

    def _refusal(self, held: Held, verdict: DoesNotFit) -> ModelTooLarge:
        ready = self._residency.ready()
        idle_soon = sum(r.frees_bytes for r in ready if not r.pinned)
        waiting_helps = idle_soon >= verdict.shortfall_bytes
        return ModelTooLarge(
            f"{held.model_id}: {verdict.message()}",
            param="model",
            retry_after_s=BUSY_RETRY_S if waiting_helps else None,
            details=verdict.as_dict(),
        )
