"""A ready engine for a request: which model its name means, loaded where it has to be.

Everything that may refuse a request before it reaches an engine is here.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

from app.authority.catalog import Catalog
from app.authority.ledger.refusals import RefusalRecorder
from app.authority.ledger.usage import UsageLog
from app.authority.ledger.usage_row import Asked
from app.authority.lifecycle.queueing import Turn
from app.authority.lifecycle.serving import Serving
from app.authority.lifecycle.transitions import State
from app.authority.limits.keeping import Limits, unlimited
from app.authority.permissions import Access, Permission, grant
from app.authority.policy.admitting import AskInstead, NeedsApproval, no_asks
from app.authority.policy.routing import Routing
from app.authority.ports import Clock, Engine
from app.domain.actors import Actor
from app.domain.models import CatalogModel
from app.domain.refusal import attempting
from app.domain.refusals import (
    DigestMismatch,
    LoadFailed,
    ModelQuarantined,
    ModelTooLarge,
    NotLoadable,
    RequestTimeout,
)

FALLS_BACK = (DigestMismatch, LoadFailed, ModelQuarantined, ModelTooLarge, NotLoadable)
"""Refusals of a load after which an alias tries its next model."""


@dataclass(frozen=True, slots=True)
class InferencePorts:
    catalog: Catalog
    routing: Routing
    serving: Serving
    usage: UsageLog
    refusals: RefusalRecorder
    clock: Clock
    access: Access
    timeout_now: Callable[[], float]
    """Seconds that a request may take. Asked each time: settings may have been read anew."""
    asks: AskInstead = no_asks
    """What happens to a load on demand that policy wants a person for."""
    isolate_cache: bool = False
    """Whether prompts are remembered for each actor apart."""
    limits: Limits = field(default_factory=unlimited)
    """What each key may ask for."""

    @property
    def timeout_s(self) -> float:
        return self.timeout_now()

    def timed_out(self) -> RequestTimeout:
        """What a client is told whose answer took too long."""
        return RequestTimeout(f"Request timeout: the answer took longer than {self.timeout_s:g} s.")


@dataclass(frozen=True, slots=True)
class Asking:
    """Who asks a model by which name, for how many sequences at once."""

    actor: Actor
    request_id: str
    name: str
    sequences: int = 1


@dataclass(frozen=True, slots=True)
class Leased:
    """`cold`: the model had to be loaded first. `turn`: its place among those who are at it."""

    model: CatalogModel
    engine: Engine
    cold: bool
    turn: Turn

    def asked(self, name: str, longest_tokens: int) -> Asked:
        """What the sums of the hour keep of this request. After it has ended."""
        return Asked(name, self.cold, self.turn.waited_ms, longest_tokens)


async def lease(ports: InferencePorts, asking: Asking, held: AsyncExitStack) -> Leased:
    """Lease a ready engine into `held`, and wait for a turn at it.

    Raises a Refusal; the caller bounds the time.
    """
    held.callback(ports.limits.begin(asking.actor))
    route = ports.routing.resolve(asking.name, ports.catalog.ids())
    try:
        return await _first(ports, asking, (route.model_id, *route.fallbacks), held)
    except NeedsApproval as needs:
        with attempting(Permission.MODEL_LOAD_JIT):
            raise await ports.asks(needs, asking.request_id) from None


async def _first(
    ports: InferencePorts, asking: Asking, candidates: tuple[str, ...], held: AsyncExitStack
) -> Leased:
    """The first of the route's models that can be had."""
    for model_id in candidates[:-1]:
        try:
            return await _one(ports, asking, model_id, held)
        except FALLS_BACK as refusal:
            await asyncio.to_thread(
                ports.refusals.record, asking.actor, refusal, model_id, asking.request_id
            )
    return await _one(ports, asking, candidates[-1], held)


async def _one(
    ports: InferencePorts, asking: Asking, model_id: str, held: AsyncExitStack
) -> Leased:
    model = ports.catalog.get(model_id)
    cold = ports.serving.residency.state(model_id) is not State.READY
    with attempting(Permission.MODEL_LOAD_JIT):
        may_load = grant(
            asking.actor, Permission.MODEL_LOAD_JIT, subject=model.id, access=ports.access
        )
        engine = await held.enter_async_context(
            ports.serving.lease(may_load, model, sequences=asking.sequences)
        )
    return Leased(model, engine, cold, await _turn(ports, model_id, asking, held))


async def _turn(ports: InferencePorts, model_id: str, asking: Asking, held: AsyncExitStack) -> Turn:
    """Return once the request may be sent to the worker; leaving `held` gives its place back.

    Raises QueueFull or ShuttingDown where the model is taken out of memory meanwhile.
    """
    at = ports.serving.residency.of(model_id)
    slots = at.terms.slots if at.terms is not None else 1
    may_go = asyncio.Event()
    turn = at.line.join(
        asking.actor.id,
        asking.sequences,
        slots=slots,
        now=ports.clock.monotonic(),
        let_in=may_go.set,
    )
    held.callback(lambda: at.line.leave(turn, ports.clock.monotonic()))
    await may_go.wait()
    if turn.refused is not None:
        raise turn.refused
    return turn
