"""Taking a model out of memory: let answers end, record, stop the process, record."""

import asyncio
from collections.abc import Mapping
from functools import partial
from typing import Any

import structlog

from app.authority.ledger.accepted import named_for
from app.authority.ledger.events import LedgerEvent
from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.residency import Held
from app.authority.lifecycle.transitions import Cause, State
from app.domain.actors import Actor
from app.domain.refusals import AuditUnavailable, QueueFull, Refusal, ShuttingDown
from app.evidence.runs import Attempt
from app.evidence.vocabulary import ACTION, Kind

log = structlog.get_logger(__name__)

UNLOADING_RETRY_S = 2
"""Whoever asks again while the model still goes waits until it is gone."""


class Unloading:
    """Drains and stops. Like a load, it runs to its end once begun."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment

    async def run(
        self, held: Held, actor: Actor, reason: str, policy: Mapping[str, Any] | None = None
    ) -> dict[str, int]:
        """Bring a draining model to absent; returns what was measured.

        What its worker has may end; who waits for a turn there is refused at once, so that an
        unload takes no longer for a line of sixty.

        `policy` is the decision that let it happen, where it was asked for.

        Raises AuditUnavailable, in which case the model is ready again.
        """
        freed = held.resident_bytes
        inputs = {"reason": reason, "resident_bytes": freed, "in_flight": held.running}
        event = LedgerEvent(
            kind=Kind.UNLOAD_INTENT,
            actor=actor,
            subject=held.model_id,
            data={**inputs, **named_for(actor)},
        )
        started_us = self._equipment.clock.utc_us()
        try:
            intent_seq = await self._equipment.record(event)
        except AuditUnavailable:
            if held.state is State.DRAINING:
                held.move(Cause.KEPT)
            raise
        held.line.turn_away(partial(_turned_away, held, reason), self._equipment.clock.monotonic())
        cut_off = await self._drain(held)
        await self._stop(held)
        measured = {"freed_bytes": freed, "cut_off": cut_off}
        attempt = Attempt(
            act=str(ACTION[event.kind]),
            subject=held.model_id,
            actor=actor,
            outcome="unloaded",
            started_us=started_us,
            ended_us=self._equipment.clock.utc_us(),
            inputs=inputs,
            policy=policy,
            effect=measured,
        )
        await self._close(attempt, reason, intent_seq, measured)
        return measured

    async def _drain(self, held: Held) -> int:
        """Wait until no answer runs, at most the drain timeout; how many were cut off."""
        try:
            async with asyncio.timeout(self._equipment.limits.drain_timeout_s):
                while held.state is State.DRAINING and held.running > 0:
                    await held.changed.wait()
        except TimeoutError:
            return held.running
        return 0

    async def _stop(self, held: Held) -> None:
        if held.state is not State.DRAINING:  # it crashed while it drained
            return
        engine = held.engine
        held.move(Cause.DRAINED)
        if engine is not None:
            await engine.stop(self._equipment.limits.stop_grace_s)
        held.move(Cause.GONE)

    async def _close(
        self, attempt: Attempt, reason: str, intent_seq: int, measured: dict[str, int]
    ) -> None:
        outcome = LedgerEvent(
            kind=Kind.UNLOAD_OUTCOME,
            actor=attempt.actor,
            subject=attempt.subject,
            outcome=attempt.outcome,
            intent_seq=intent_seq,
            data={"reason": reason, **measured},
        )
        try:
            await self._equipment.record_run(outcome, attempt)
        except AuditUnavailable:
            # The process is gone and cannot be brought back; the intent stands and is
            # reconciled at the next start.
            log.error("unload_outcome_not_recorded", model=attempt.subject, intent_seq=intent_seq)


def _turned_away(held: Held, reason: str) -> Refusal:
    """What those hear who wait for their turn. Many at once: so not recorded one by one."""
    if reason == "shutdown":
        return ShuttingDown("The server is stopping. Ask again when it is back.")
    return QueueFull(
        f"{held.model_id} is being unloaded: whoever waited for it has to ask again.",
        retry_after_s=UNLOADING_RETRY_S,
    )
