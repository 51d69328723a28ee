"""One attempt to bring a model into memory: verify, promise, record, start, record."""

import asyncio
from collections.abc import Mapping

from app.authority import feasibility
from app.authority.ledger.events import Kind, LedgerEvent
from app.authority.lifecycle.admission import Admission
from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.residency import Held, Terms
from app.authority.lifecycle.transitions import Cause
from app.authority.permissions import Grant
from app.authority.ports import Engine
from app.domain.engine import LoadFailure, LoadSpec
from app.domain.feasibility import Fits, Need
from app.domain.models import CatalogModel
from app.domain.refusals import AuditUnavailable, LoadCancelled, LoadFailed


class Loading:
    """Runs as a task of its own that is never cancelled: it ends by itself when abandoned, so
    that every intent it writes gets its outcome."""

    def __init__(self, equipment: Equipment, admission: Admission) -> None:
        self._equipment = equipment
        self._admission = admission
        self._worker_base_bytes = equipment.limits.worker_base_bytes

    @property
    def worker_base_bytes(self) -> int:
        """What a worker takes before it loads anything: the largest seen, or the setting."""
        return self._worker_base_bytes

    async def run(
        self, grant: Grant, held: Held, model: CatalogModel, terms: Terms, abandoned: asyncio.Event
    ) -> None:
        """Leave `held` ready, or raise a Refusal and leave it failed or absent."""
        try:
            engine = await self._bring_up(grant, held, model, terms, abandoned)
        except LoadCancelled:
            held.move(Cause.ABANDONED)
            raise
        except BaseException as error:
            held.last_failure = str(error)
            held.move(Cause.LOAD_FAILED)
            raise
        held.engine = engine
        held.terms = terms
        held.pinned = held.pinned or terms.pinned
        held.last_failure = None
        held.last_used = self._equipment.clock.monotonic()
        held.move(Cause.LOADED)

    async def _bring_up(
        self, grant: Grant, held: Held, model: CatalogModel, terms: Terms, abandoned: asyncio.Event
    ) -> Engine:
        catalog = self._equipment.catalog
        directory = await asyncio.to_thread(catalog.verify, model.id)
        shape = await asyncio.to_thread(catalog.shape, model.id)
        need = feasibility.need(
            shape,
            context=terms.context,
            slots=terms.slots,
            worker_base_bytes=self._worker_base_bytes,
        )
        spec = LoadSpec(
            model_id=model.id,
            digest=model.digest,
            directory=directory,
            context=terms.context,
            slots=terms.slots,
            memory_limit_bytes=need.total_bytes,
        )
        try:
            return await self._attempt(grant, held, spec, need, terms, abandoned)
        except LoadFailure as failure:
            if failure.out_of_memory and await self._admission.evict_one(held):
                try:
                    return await self._attempt(grant, held, spec, need, terms, abandoned)
                except LoadFailure as again:
                    failure = again
            if not failure.out_of_memory:
                held.crashes = held.crashes.crashed(now=self._equipment.clock.monotonic())
            raise LoadFailed(
                f"{model.id} could not be loaded: {failure.reason}. "
                f"See the server's log, or check its files with: lmx models verify {model.id}"
            ) from failure

    async def _attempt(
        self,
        grant: Grant,
        held: Held,
        spec: LoadSpec,
        need: Need,
        terms: Terms,
        abandoned: asyncio.Event,
    ) -> Engine:
        fits = await self._admission.promise(held, need)
        if abandoned.is_set():
            raise LoadCancelled(f"Nobody waits for {spec.model_id} any more.")
        intent_seq = await self._equipment.record(_intent(grant, spec, fits, terms))
        try:
            engine = await self._start(grant, spec, abandoned)
        except LoadFailure as failure:
            held.promised_bytes = 0
            await self._equipment.record(
                _outcome(grant, spec, intent_seq, "failed", {"reason": failure.reason[:500]})
            )
            raise
        except LoadCancelled:
            await self._equipment.record(_outcome(grant, spec, intent_seq, "abandoned", {}))
            raise
        await self._seal(grant, spec, intent_seq, engine)
        return engine

    async def _start(self, grant: Grant, spec: LoadSpec, abandoned: asyncio.Event) -> Engine:
        """Start the worker, but not longer than somebody waits for it."""
        starting = asyncio.create_task(self._equipment.host.start(grant, spec))
        leaving = asyncio.create_task(abandoned.wait())
        try:
            await asyncio.wait({starting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if starting.done():
                return starting.result()
            starting.cancel()
            await asyncio.wait({starting})
            if not starting.cancelled() and starting.exception() is None:
                await starting.result().stop(self._equipment.limits.stop_grace_s)
            raise LoadCancelled(f"Nobody waits for {spec.model_id} any more.")
        finally:
            leaving.cancel()

    async def _seal(self, grant: Grant, spec: LoadSpec, intent_seq: int, engine: Engine) -> None:
        """Record the outcome; a load that cannot be recorded is undone."""
        facts = engine.facts
        self._worker_base_bytes = max(self._worker_base_bytes, facts.base_bytes)
        measured = {
            "pid": facts.pid,
            "load_ms": facts.load_ms,
            "resident_bytes": facts.resident_bytes,
            "base_bytes": facts.base_bytes,
        }
        try:
            await self._equipment.record(_outcome(grant, spec, intent_seq, "loaded", measured))
        except AuditUnavailable:
            await engine.stop(self._equipment.limits.stop_grace_s)
            raise


def _intent(grant: Grant, spec: LoadSpec, fits: Fits, terms: Terms) -> LedgerEvent:
    return LedgerEvent(
        kind=Kind.LOAD_INTENT,
        actor=grant.actor,
        subject=spec.model_id,
        data={
            "digest": spec.digest,
            "context": spec.context,
            "slots": spec.slots,
            "pinned": terms.pinned,
            "permission": str(grant.permission),
            "feasibility": fits.as_dict(),
        },
    )


def _outcome(
    grant: Grant, spec: LoadSpec, intent_seq: int, outcome: str, data: Mapping[str, object]
) -> LedgerEvent:
    return LedgerEvent(
        kind=Kind.LOAD_OUTCOME,
        actor=grant.actor,
        subject=spec.model_id,
        outcome=outcome,
        intent_seq=intent_seq,
        data={"digest": spec.digest, **data},
    )
