"""The only place that records refusals: the first hundred a minute in full, then a count.

A refusal is never lost: one that the ledger cannot take now is counted and written when it can.
Nothing here raises because the ledger is down: the act was refused already.
"""

from dataclasses import dataclass, field
from typing import Final

from app.authority.ledger.appending import Receipt
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.ledger.windows import WINDOW_S, Count, Windows
from app.authority.ports import Clock
from app.domain.actors import Actor
from app.domain.refusals import Refusal
from app.evidence.vocabulary import Kind
from app.observability import shortened

__all__ = ["IN_FULL", "OTHERS", "WINDOW_S", "RefusalRecorder"]

IN_FULL: Final = 100
MAX_MESSAGE: Final = 500
MAX_SUBJECT: Final = 200
MAX_WINDOWS: Final = 1_000
OTHERS: Final = "(others)"
"""Subject of refusals that share a count because a minute had too many different subjects."""


@dataclass(frozen=True, slots=True)
class _Refused:
    """What equal refusals share: one actor, one code, one subject."""

    actor_id: str
    code: str
    subject: str
    actor: Actor = field(compare=False)
    message: str = field(compare=False)


class RefusalRecorder:
    """Every method may be called from any thread; `record` may wait for the disk."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._windows: Windows[_Refused] = Windows(
            ledger, clock, in_full=IN_FULL, counted=_count_event
        )

    @property
    def pending(self) -> int:
        """Refusals that are counted and not yet in the ledger."""
        return self._windows.pending

    def record(
        self, actor: Actor, refusal: Refusal, subject: str = "", request_id: str | None = None
    ) -> Receipt | None:
        """Write a recorded refusal, or count it; returns the receipt of one written in full."""
        if not refusal.recorded:
            return None
        refused = _refused(actor, refusal, shortened(subject, MAX_SUBJECT))
        return self._windows.record(
            refused,
            lambda: _event(refused, refusal, request_id),
            others=_refused(actor, refusal, OTHERS),
            at_most=MAX_WINDOWS,
        )

    def flush_due(self) -> None:
        """Write the counts of windows that are over; called at every record and by a timer."""
        self._windows.flush_due()

    def close(self) -> None:
        """Write every count; called when the server stops."""
        self._windows.close()


def _refused(actor: Actor, refusal: Refusal, subject: str) -> _Refused:
    return _Refused(actor.id, refusal.code, subject, actor, refusal.message[: 8 * MAX_MESSAGE])


def _event(refused: _Refused, refusal: Refusal, request_id: str | None) -> LedgerEvent:
    data: dict[str, object] = {"code": refused.code, "message": _message(refused)}
    permission = refusal.details.get("permission")
    if permission is not None:
        data["permission"] = str(permission)
    return LedgerEvent(
        kind=Kind.REFUSAL,
        actor=refused.actor,
        subject=refused.subject,
        outcome="refused",
        data=data,
        request_id=None if request_id is None else shortened(request_id, MAX_SUBJECT),
    )


def _count_event(refused: _Refused, count: Count) -> LedgerEvent:
    return LedgerEvent(
        kind=Kind.REFUSAL,
        actor=refused.actor,
        subject=refused.subject,
        outcome="refused",
        data={"code": refused.code, "message": _message(refused), **count.as_data()},
    )


def _message(refused: _Refused) -> str:
    """Redacted only where it is written: a flood that is counted must cost little."""
    return shortened(refused.message, MAX_MESSAGE)
