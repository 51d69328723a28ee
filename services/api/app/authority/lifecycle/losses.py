"""What happens when a worker is lost: recorded, counted, and after too many, quarantine."""

import asyncio
from collections.abc import Mapping

import structlog

from app.authority.ledger.events import LedgerEvent
from app.authority.lifecycle.crashes import CrashRecord
from app.authority.lifecycle.equipment import Equipment
from app.authority.lifecycle.residency import Held
from app.authority.lifecycle.transitions import Cause, State
from app.authority.ports import Engine
from app.domain.actors import SYSTEM, Actor
from app.domain.refusals import AuditUnavailable, ModelQuarantined
from app.evidence.vocabulary import Kind

log = structlog.get_logger(__name__)


class Losses:
    """Nothing here can be refused: the process is gone already."""

    def __init__(self, equipment: Equipment) -> None:
        self._equipment = equipment

    async def lost(self, held: Held, engine: Engine, exited: "asyncio.Future[str]") -> None:
        """A worker is gone. Stopping one on purpose ends here too, with nothing left to do."""
        if held.engine is not engine or held.state not in (State.READY, State.DRAINING):
            return
        reason = exited.result()
        held.last_failure = reason
        held.crashes = held.crashes.crashed(now=self._equipment.clock.monotonic())
        held.move(Cause.CRASHED)
        said = {"reason": reason[:500], "consecutive": held.crashes.consecutive}
        await self._record(Kind.WORKER_EXITED, held, said, outcome="lost")
        await self.quarantine_if_due(held)

    async def quarantine_if_due(self, held: Held) -> None:
        limit = self._equipment.limits.crash_limit
        if held.state is not State.FAILED or not held.crashes.quarantines(limit=limit):
            return
        held.move(Cause.CRASH_LIMIT)
        said = {"consecutive": held.crashes.consecutive, "reason": (held.last_failure or "")[:500]}
        await self._record(Kind.MODEL_QUARANTINED, held, said)

    async def _record(
        self, kind: Kind, held: Held, said: Mapping[str, object], outcome: str | None = None
    ) -> None:
        event = LedgerEvent(kind, SYSTEM, subject=held.model_id, outcome=outcome, data=said)
        try:
            await self._equipment.record(event)
        except AuditUnavailable:
            log.error("loss_not_recorded", kind=str(kind), model=held.model_id)

    async def release(self, actor: Actor, held: Held) -> None:
        """Forget crashes, after an operator has verified the model's files."""
        if held.state not in (State.QUARANTINED, State.FAILED):
            return
        was = held.state
        if was is State.QUARANTINED:
            await self._equipment.record(
                LedgerEvent(kind=Kind.MODEL_RELEASED, actor=actor, subject=held.model_id)
            )
        held.crashes = CrashRecord()
        held.last_failure = None
        if held.state is was:
            held.move(Cause.RELEASED)


def quarantined(held: Held) -> ModelQuarantined:
    crashes = held.crashes.consecutive
    when = f"{crashes} times in a row ({held.last_failure})" if crashes else "before the last start"
    return ModelQuarantined(
        f"{held.model_id} is quarantined: its worker crashed {when}. Check its files with "
        f"lmx models verify {held.model_id}, which also releases it.",
        param="model",
    )
