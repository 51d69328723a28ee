"""Models that are about to go for good: who uses them, keeping new work away, letting old work end.

All of it but `use_of` runs on the event loop of `Serving`.
"""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.authority.lifecycle.residency import Held, Residency
from app.authority.lifecycle.transitions import HOLDS_MEMORY, State
from app.domain.actors import Actor
from app.domain.refusals import ModelBusy

TakeOut = Callable[[Held, Actor, str], Awaitable[dict[str, int]]]


@dataclass(frozen=True, slots=True)
class Use:
    """How a model is used now. `in_flight` counts sequences that run or wait."""

    state: State
    in_flight: int
    resident_bytes: int
    pinned: bool

    @property
    def resident(self) -> bool:
        return self.state in HOLDS_MEMORY


class Leaving:
    def __init__(self, residency: Residency, take_out: TakeOut) -> None:
        self._residency = residency
        self._take_out = take_out
        self._withheld: set[str] = set()

    def use_of(self, model_id: str) -> Use:
        """May be called from any thread."""
        held = self._residency.known(model_id)
        if held is None:
            return Use(State.ABSENT, 0, 0, pinned=False)
        return Use(held.state, held.waiting + held.running, held.resident_bytes, held.pinned)

    def refuse_withheld(self, model_id: str) -> None:
        """Raises ModelBusy while the model is being deleted."""
        if model_id in self._withheld:
            raise ModelBusy(f"{model_id} is being deleted. Ask for another model.")

    @contextmanager
    def withheld(self, model_id: str) -> Iterator[None]:
        """Nobody gets an engine of this model meanwhile, and no load of it begins."""
        self.refuse_withheld(model_id)
        self._withheld.add(model_id)
        try:
            yield
        finally:
            self._withheld.discard(model_id)

    async def drain(self, actor: Actor, model_id: str, reason: str) -> dict[str, int]:
        """Let a load and running answers end, then take the model out of memory.

        Returns what was measured, nothing for a model that holds no memory. Answers that run longer
        than the drain timeout are cut off. Raises AuditUnavailable; then the model is as it was.
        """
        held = self._residency.of(model_id)
        while held.state in HOLDS_MEMORY:
            if held.state is State.READY:
                held.pinned = False
                return await self._take_out(held, actor, reason)
            await held.changed.wait()
        return {}
