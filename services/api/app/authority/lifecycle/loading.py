"""One attempt to bring a model into memory: verify, promise, record, start, record."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.authority import feasibility
from app.authority.ledger.accepted import named_for
from app.authority.ledger.events import LedgerEvent
from app.authority.lifecycle.admission import Admission
from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.residency import Held, Terms
from app.authority.lifecycle.transitions import Cause
from app.authority.permissions import Grant
from app.authority.ports import Engine
from app.domain.engine import LoadFailure, LoadSpec
from app.domain.feasibility import DoesNotFit, Fits, Need
from app.domain.models import CatalogModel
from app.domain.refusals import AuditUnavailable, LoadCancelled, LoadFailed, ModelTooLarge
from app.domain.shapes import ModelShape
from app.evidence.runs import Attempt
from app.evidence.vocabulary import Kind
from app.observability import shortened


@dataclass(frozen=True, slots=True)
class LoadAsked:
    """One load: by whom, of what, on which terms, and the sign that nobody wants it any more.

    `policy` is the decision that lets it happen, as it is recorded.
    """

    grant: Grant
    held: Held
    model: CatalogModel
    terms: Terms
    abandoned: asyncio.Event
    policy: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class _Begun:
    """A load whose intent is written: it has to get its outcome and its run."""

    asked: LoadAsked
    spec: LoadSpec
    fits: Fits
    intent_seq: int
    started_us: int


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

    async def run(self, asked: LoadAsked) -> None:
        """Leave the model ready, or raise a Refusal and leave it failed or absent."""
        held = asked.held
        try:
            engine = await self._bring_up(asked)
        except LoadCancelled:
            held.move(Cause.ABANDONED)
            raise
        except BaseException as error:
            held.last_failure = str(error)
            held.move(Cause.LOAD_FAILED)
            raise
        held.engine = engine
        held.terms = asked.terms
        held.pinned = held.pinned or asked.terms.pinned
        held.last_failure = None
        held.last_used = self._equipment.clock.monotonic()
        held.move(Cause.LOADED)

    async def _bring_up(self, asked: LoadAsked) -> Engine:
        spec, need = await self._spec(asked)
        try:
            return await self._attempt(asked, spec, need)
        except LoadFailure as failure:
            if failure.out_of_memory and await self._admission.evict_one(asked.held):
                try:
                    return await self._attempt(asked, spec, need)
                except LoadFailure as again:
                    failure = again
            raise self._failed(asked.held, failure) from failure

    async def refuse_hopeless(self, model: CatalogModel, terms: Terms) -> None:
        """Raise ModelTooLarge for what never fits here: no person is asked whether it may."""
        shape = await asyncio.to_thread(self._equipment.catalog.shape, model.id)
        need = self._need(shape, terms)
        reading = await asyncio.to_thread(self._equipment.probe.read)
        verdict = feasibility.decide(need, feasibility.budget_at_best(reading))
        if isinstance(verdict, DoesNotFit):
            raise ModelTooLarge(
                f"{model.id} never fits here: {verdict.message()}",
                param="model",
                details=verdict.as_dict(),
            )

    def _need(self, shape: ModelShape, terms: Terms) -> Need:
        return feasibility.need(
            shape,
            context=terms.context,
            slots=terms.slots,
            worker_base_bytes=self._worker_base_bytes,
        )

    async def _spec(self, asked: LoadAsked) -> tuple[LoadSpec, Need]:
        """Verify the files and compute what the load needs."""
        catalog, model, terms = self._equipment.catalog, asked.model, asked.terms
        directory = await asyncio.to_thread(catalog.verify, model.id)
        shape = await asyncio.to_thread(catalog.shape, model.id)
        need = self._need(shape, terms)
        spec = LoadSpec(
            model_id=model.id,
            digest=model.digest,
            directory=directory,
            context=terms.context,
            slots=terms.slots,
            memory_limit_bytes=need.total_bytes,
            prompt_cache_bytes=need.prompt_cache_bytes,
            format=shape.format,
        )
        return spec, need

    async def _attempt(self, asked: LoadAsked, spec: LoadSpec, need: Need) -> Engine:
        held = asked.held
        fits = await self._admission.promise(held, need)
        if asked.abandoned.is_set():
            raise LoadCancelled(f"Nobody waits for {spec.model_id} any more.")
        started_us = self._equipment.clock.utc_us()
        intent_seq = await self._equipment.record(_intent(asked, spec, fits))
        begun = _Begun(asked, spec, fits, intent_seq, started_us)
        try:
            engine = await self._start(asked, spec)
        except LoadFailure as failure:
            held.promised_bytes = 0
            failure.run = await self._end(begun, "failed", reason=failure.reason)
            raise
        except LoadCancelled:
            await self._end(begun, "abandoned")
            raise
        except Exception as defect:
            # Nobody anticipated it, but the intent is written: it must not stay open.
            await self._end(begun, "failed", reason=type(defect).__name__)
            raise
        await self._seal(begun, engine)
        return engine

    async def _end(
        self,
        begun: "_Begun",
        outcome: str,
        measured: Mapping[str, int] | None = None,
        *,
        reason: str | None = None,
    ) -> str:
        """Record how the attempt ended, with its run; returns the run's digest."""
        ended_us = self._equipment.clock.utc_us()
        return await self._equipment.record_run(
            _outcome(begun, outcome, {**(measured or {}), **_because(reason)}),
            _run_of(begun, outcome, ended_us, measured, reason),
        )

    async def _start(self, asked: LoadAsked, spec: LoadSpec) -> Engine:
        """Start the worker, but not longer than somebody waits for it."""
        starting = asyncio.create_task(self._equipment.host.start(asked.grant, spec))
        leaving = asyncio.create_task(asked.abandoned.wait())
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

    def _failed(self, held: Held, failure: LoadFailure) -> LoadFailed:
        """The refusal of a load whose worker did not come up; it counts as a crash."""
        if not failure.out_of_memory:
            held.crashes = held.crashes.crashed(now=self._equipment.clock.monotonic())
        refusal = LoadFailed(
            f"{held.model_id} could not be loaded: {failure.reason.rstrip('.')}. "
            f"Check its files with: lmx models verify {held.model_id}"
        )
        refusal.run = failure.run
        return refusal

    async def _seal(self, begun: "_Begun", engine: Engine) -> None:
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
            await self._end(begun, "loaded", measured)
        except AuditUnavailable:
            await engine.stop(self._equipment.limits.stop_grace_s)
            raise


def _intent(asked: LoadAsked, spec: LoadSpec, fits: Fits) -> LedgerEvent:
    return LedgerEvent(
        kind=Kind.LOAD_INTENT,
        actor=asked.grant.actor,
        subject=spec.model_id,
        data={
            "digest": spec.digest,
            "context": spec.context,
            "slots": spec.slots,
            "pinned": asked.terms.pinned,
            "permission": str(asked.grant.permission),
            "feasibility": fits.as_dict(),
            "policy": dict(asked.policy),
            **named_for(asked.grant.actor),
        },
    )


def _outcome(begun: _Begun, outcome: str, data: Mapping[str, object]) -> LedgerEvent:
    return LedgerEvent(
        kind=Kind.LOAD_OUTCOME,
        actor=begun.asked.grant.actor,
        subject=begun.spec.model_id,
        outcome=outcome,
        intent_seq=begun.intent_seq,
        data={"digest": begun.spec.digest, **data},
    )


def _because(reason: str | None) -> dict[str, str]:
    return {} if reason is None else {"reason": reason[:500]}


def _run_of(
    begun: _Begun,
    outcome: str,
    ended_us: int,
    measured: Mapping[str, int] | None,
    reason: str | None,
) -> Attempt:
    asked, spec = begun.asked, begun.spec
    code = {} if reason is None else {"code": LoadFailed.code, "message": shortened(reason, 500)}
    return Attempt(
        act=str(asked.grant.permission),
        subject=spec.model_id,
        actor=asked.grant.actor,
        outcome=outcome,
        started_us=begun.started_us,
        ended_us=ended_us,
        inputs={
            "digest": spec.digest,
            "context": spec.context,
            "slots": spec.slots,
            "pinned": asked.terms.pinned,
            "permission": str(asked.grant.permission),
        },
        plan=asked.policy.get("plan"),
        ask=asked.policy.get("ask"),
        feasibility=begun.fits.as_dict(),
        policy=dict(asked.policy),
        effect=measured,
        refusal=code or None,
    )
