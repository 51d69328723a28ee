"""Keeps models ready for those who ask: coalesced loads, leases, idle unloads, lost workers."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import structlog

from app.authority.ledger.events import LedgerEvent
from app.authority.lifecycle.admission import Admission
from app.authority.lifecycle.crashes import CrashRecord
from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.idling import Idling
from app.authority.lifecycle.leaving import Leaving, Use
from app.authority.lifecycle.loading import LoadAsked, Loading
from app.authority.lifecycle.losses import Losses, quarantined
from app.authority.lifecycle.refusing import (
    refuse_absent,
    refuse_crashing,
    refuse_in_safe_mode,
    refuse_other_terms,
)
from app.authority.lifecycle.residency import Attempt, Held, Residency, Terms, wait_for_change
from app.authority.lifecycle.transitions import HOLDS_MEMORY, MAY_BEGIN, Cause, State
from app.authority.lifecycle.unloading import Unloading
from app.authority.permissions import Grant, Permission, require
from app.authority.policy.admitting import NeedsApproval, admit
from app.authority.policy.decisions import Question
from app.authority.policy.hard import LOAD, LOAD_JIT, UNLOAD
from app.authority.ports import Engine
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import SYSTEM, Actor
from app.domain.models import CatalogModel
from app.domain.refusals import (
    AuditUnavailable,
    LoadCancelled,
    LoadFailed,
    Refusal,
    ShuttingDown,
)
from app.domain.terms import OwnTerms, UsualTerms
from app.evidence.vocabulary import Kind

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Serving:
    """The one owner of `Residency`; all of it runs on one event loop."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment
        self.residency = Residency()
        self._unloading = Unloading(equipment)
        self._losses = Losses(equipment)
        self.admission = Admission(equipment, self.residency, self._evict)
        self.loading = Loading(equipment, self.admission)
        self.leaving = Leaving(self.residency, self._take_out)
        self.idling = Idling(equipment, self.residency, self._evict)
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closing = False
        self._closed: asyncio.Task[None] | None = None

    # --- for those who ask a model ----------------------------------------------------------

    @asynccontextmanager
    async def lease(
        self, grant: Grant, model: CatalogModel, *, sequences: int
    ) -> AsyncIterator[Engine]:
        """Hold a ready engine for `sequences` sequences; the model cannot be evicted meanwhile.

        Loads the model where it is absent. Raises QueueFull, NeedsApproval or the refusal of the
        load.
        """
        require(grant, Permission.MODEL_LOAD_JIT)
        held = self.residency.of(model.id)
        loaded = held.terms if held.engine is not None else None
        slots = (loaded or self._default_terms(model)).slots
        limit = self._equipment.limits.queue_limit
        actor = grant.actor.id
        held.enter(actor, sequences, slots=slots, queue_limit=limit)
        try:
            engine = await self._ensure_ready(grant, held, model, None)
        except BaseException:
            held.leave(actor, waiting=sequences, now=self._equipment.clock.monotonic())
            raise
        held.start_running(sequences)
        try:
            yield engine
        finally:
            held.leave(actor, running=sequences, now=self._equipment.clock.monotonic())

    def answered(self, model_id: str) -> None:
        """An answer ended well: earlier crashes no longer count."""
        held = self.residency.of(model_id)
        if held.crashes.consecutive:
            held.crashes = CrashRecord()

    # --- for operators ----------------------------------------------------------------------

    async def load(
        self,
        grant: Grant,
        model: CatalogModel,
        terms: Terms | None,
        *,
        warrant: Warrant | None = None,
    ) -> Held:
        """Bring a model into memory on `terms` (None: its usual ones) and return when it is ready.

        With a warrant, what policy wanted a person for was approved and is not asked again.
        Raises NeedsApproval, or a Refusal.
        """
        require(grant, Permission.MODEL_LOAD)
        if warrant is not None:
            require_warrant(warrant, LOAD)
        held = self.residency.of(model.id)
        wanted = terms or self._default_terms(model)
        await self._ensure_ready(grant, held, model, wanted, warrant)
        if held.terms is not None:
            refuse_other_terms(model.id, held.terms, wanted)
        if wanted.pinned and not held.pinned:
            await self._equipment.record(
                LedgerEvent(kind=Kind.MODEL_PINNED_RESIDENT, actor=grant.actor, subject=model.id)
            )
            held.pinned = True
        return held

    async def unload(self, grant: Grant, model_id: str) -> dict[str, int]:
        """Let running answers end, then stop the model's worker; returns what was measured."""
        require(grant, Permission.MODEL_UNLOAD)
        question = Question(UNLOAD, grant.actor, model_id)
        policy = await asyncio.to_thread(admit, self._equipment.policy, question)
        held = self.residency.of(model_id)
        refuse_absent(model_id, held.state)
        held.pinned = False
        return await self._take_out(held, grant.actor, "asked", policy)

    def keep(self, grant: Grant, model_id: str, *, pinned: bool) -> None:
        """A model that is in memory is kept there, or may make room again. On the event loop."""
        require(grant, Permission.MODEL_CHANGE)
        held = self.residency.of(model_id)
        if held.state in HOLDS_MEMORY:
            held.pinned = pinned
            held.wake()

    def usual_terms(self, model: CatalogModel) -> UsualTerms:
        """What a load of the model gets where it says nothing. May be called from any thread."""
        return self._equipment.usual_terms(model)

    def own_terms(self, model_id: str) -> OwnTerms:
        """What people set for the model. May be called from any thread."""
        return self._equipment.own_terms(model_id)

    def use_of(self, model_id: str) -> Use:
        """How a model is used now. May be called from any thread."""
        return self.leaving.use_of(model_id)

    async def drain(self, actor: Actor, model_id: str, reason: str) -> dict[str, int]:
        """Let answers end and take the model out of memory; as `Leaving.drain`."""
        return await self.leaving.drain(actor, model_id, reason)

    async def release(self, actor: Actor, model_id: str) -> None:
        """Forget crashes, after an operator has verified the model's files."""
        await self._losses.release(actor, self.residency.of(model_id))

    # --- for the server ---------------------------------------------------------------------

    def quarantined_before(self, model_id: str) -> None:
        """At start: the ledger says that this model was in quarantine when the server ended."""
        self.residency.of(model_id).state = State.QUARANTINED

    async def close(self) -> None:
        """Stop everything: no new loads, running attempts abandoned, workers stopped, recorded.

        Answers may end, each model's within the drain timeout. Whoever asks again waits for the
        same end.
        """
        self._closing = True
        if self._closed is None:
            self._closed = asyncio.create_task(self._close())
        await asyncio.shield(self._closed)

    async def _close(self) -> None:
        for held in self.residency.in_state(State.LOADING):
            if held.attempt is not None:
                held.attempt.abandoned.set()
        while moving := self.residency.in_state(State.LOADING, State.DRAINING, State.UNLOADING):
            await wait_for_change(moving)
        await asyncio.gather(*map(self._shut_down, self.residency.in_state(State.READY)))
        await self._equipment.host.close()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _shut_down(self, held: Held) -> None:
        try:
            await self._take_out(held, SYSTEM, "shutdown")
        except AuditUnavailable:
            log.error("unload_not_recorded", model=held.model_id)

    # --- private ----------------------------------------------------------------------------

    def _default_terms(self, model: CatalogModel) -> Terms:
        usual = self.usual_terms(model)
        return Terms(context=usual.context, slots=usual.slots, pinned=model.pinned)

    async def _ensure_ready(
        self,
        grant: Grant,
        held: Held,
        model: CatalogModel,
        terms: Terms | None,
        warrant: Warrant | None = None,
    ) -> Engine:
        """`terms`: of a load, where one is needed; None: its usual ones, as they are then."""
        while True:
            if self._closing:
                raise ShuttingDown("The server is stopping. Ask again when it is back.")
            self.leaving.refuse_withheld(held.model_id)
            match held.state:
                case State.READY if held.engine is not None:
                    return held.engine
                case State.LOADING:
                    await self._join(held)
                case State.DRAINING | State.UNLOADING:
                    await held.changed.wait()
                case State.QUARANTINED:
                    raise quarantined(held)
                case _:
                    wanted = terms or self._default_terms(model)
                    await self._begin_if_allowed(grant, held, model, wanted, warrant)

    async def _begin_if_allowed(
        self,
        grant: Grant,
        held: Held,
        model: CatalogModel,
        terms: Terms,
        warrant: Warrant | None,
    ) -> None:
        """Ask policy on a thread, for it may wait for the disk, and begin if that still fits.

        Nothing is awaited between the look at the state and the beginning. Where the state has
        changed meanwhile, nothing is begun: the caller looks again, and asks again.
        """
        async with held.beginning:
            if held.state not in MAY_BEGIN:
                return
            if warrant is None:
                refuse_in_safe_mode(grant, model.id, why=self._equipment.safe_mode)
            try:
                policy = await self._allowed(grant, model, terms, warrant)
            except NeedsApproval:
                await self.loading.refuse_hopeless(model, terms)
                raise
            if self._closing or held.state not in MAY_BEGIN:
                return
            self.leaving.refuse_withheld(held.model_id)
            self._begin(LoadAsked(grant, held, model, terms, asyncio.Event(), policy))

    async def _allowed(
        self, grant: Grant, model: CatalogModel, terms: Terms, warrant: Warrant | None
    ) -> Mapping[str, Any]:
        """The decision that lets a load begin, as it is recorded; raises where none does."""
        if warrant is not None:
            return {"outcome": "approved", "ask": warrant.ask, "plan": warrant.plan_hash}
        jit = grant.permission is Permission.MODEL_LOAD_JIT
        facts = {"context": terms.context, "slots": terms.slots, "pinned": terms.pinned}
        question = Question(LOAD_JIT if jit else LOAD, grant.actor, model.id, facts)
        return await asyncio.to_thread(admit, self._equipment.policy, question)

    def _begin(self, asked: LoadAsked) -> None:
        held = asked.held
        refuse_crashing(held, now=self._equipment.clock.monotonic())
        held.move(Cause.LOAD)
        held.attempt = Attempt(self._keep(self._load(asked)), asked.abandoned)

    async def _load(self, asked: LoadAsked) -> None:
        held = asked.held
        try:
            await self.loading.run(asked)
        except LoadFailed:
            await self._losses.quarantine_if_due(held)
            raise
        finally:
            held.attempt = None
        engine = held.engine
        if engine is not None:
            engine.exited.add_done_callback(
                lambda f: self._keep(self._losses.lost(held, engine, f))
            )

    async def _join(self, held: Held) -> None:
        """Wait for the load under way; the last one to leave abandons it."""
        attempt = held.attempt
        if attempt is None:  # its task has ended but not yet moved on
            await held.changed.wait()
            return
        attempt.waiters += 1
        try:
            await asyncio.shield(attempt.task)
        except LoadCancelled:
            return  # joined just as everybody else had left: start anew
        finally:
            attempt.waiters -= 1
            if attempt.waiters == 0 and not attempt.task.done():
                attempt.abandoned.set()

    async def _evict(self, held: Held, reason: str) -> None:
        if held.state is State.READY:
            await self._take_out(held, SYSTEM, reason)

    def _keep(self, work: Coroutine[Any, Any, T]) -> "asyncio.Task[T]":
        """Run `work` as a task that is referenced until it ends and whose refusal is not lost."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def _take_out(
        self, held: Held, actor: Actor, reason: str, policy: Mapping[str, Any] | None = None
    ) -> dict[str, int]:
        """Drain and stop a ready model; cancelling the caller does not cut that short.

        The state changes before anything is awaited, so that nobody can lease it meanwhile.
        """
        held.move(Cause.DRAIN)
        return await asyncio.shield(self._keep(self._unloading.run(held, actor, reason, policy)))

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Refusal):
            log.error("lifecycle_task_failed", error=repr(error))
