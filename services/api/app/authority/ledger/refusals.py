"""The only place that records refusals: the first hundred a minute in full, then a count.

A refusal is never lost: one that the ledger cannot take now is counted and written when it can.
Nothing here raises because the ledger is down: the act was refused already.

Each one has its run: an attempt at the act it names. Where the act itself recorded the attempt, the
refusal names that run and makes none. Counted ones share a run, which says how many it stands for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from app.authority.ledger.appending import Receipt
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.ledger.windows import WINDOW_S, Count, Windows
from app.authority.ports import Clock
from app.domain.actors import Actor
from app.domain.refusals import Refusal
from app.evidence.plain import plain
from app.evidence.runs import Attempt
from app.evidence.vocabulary import ACTION, Kind
from app.observability import redact, shortened

__all__ = ["IN_FULL", "OTHERS", "WINDOW_S", "RefusalRecorder"]

IN_FULL: Final = 100
MAX_MESSAGE: Final = 500
MAX_SUBJECT: Final = 200
MAX_WINDOWS: Final = 1_000
MAX_ACT: Final = 64
MAX_PART_BYTES: Final = 4 * 1024
"""Of inputs, feasibility, policy and details each: a run of a refusal stays below 20 KiB."""
REFUSED: Final = "refused"
FEASIBILITY: Final = ("need", "budget", "feasibility")
"""What in the details of a refusal is arithmetic of the authority: memory or a plan that failed."""
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
    permission: str | None = field(compare=False)
    act: str | None = field(compare=False)


class RefusalRecorder:
    """Every method may be called from any thread; `record` may wait for the disk."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._runs = ledger.runs
        self._clock = clock
        self._windows: Windows[_Refused] = Windows(
            ledger, clock, in_full=IN_FULL, counted=self._counted
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
            lambda: self._in_full(refused, refusal, request_id),
            others=_refused(actor, refusal, OTHERS),
            at_most=MAX_WINDOWS,
        )

    def flush_due(self) -> None:
        """Write the counts of windows that are over; called at every record and by a timer."""
        self._windows.flush_due()

    def close(self) -> None:
        """Write every count; called when the server stops."""
        self._windows.close()

    def _in_full(self, refused: _Refused, refusal: Refusal, request_id: str | None) -> LedgerEvent:
        event = _event(refused, request_id)
        if refusal.run is not None:
            return replace(event, data={**event.data, "run": refusal.run})
        now_us = self._clock.utc_us()
        return self._runs.attached(event, _attempt(event, refusal, now_us))

    def _counted(self, refused: _Refused, count: Count) -> LedgerEvent:
        event = _event(refused, None, **count.as_data())
        attempt = Attempt(
            act=_act_of(event.data),
            subject=event.subject,
            actor=event.actor,
            outcome=REFUSED,
            started_us=count.first_us,
            ended_us=count.last_us,
            refusal=_said(event.data),
            count=count.number,
        )
        return self._runs.attached(event, attempt)


def _refused(actor: Actor, refusal: Refusal, subject: str) -> _Refused:
    permission, act = refusal.details.get("permission"), refusal.act or refusal.details.get("act")
    return _Refused(
        actor.id,
        refusal.code,
        subject,
        actor,
        refusal.message[: 8 * MAX_MESSAGE],
        None if permission is None else str(permission),
        None if act is None else str(act)[:MAX_ACT],
    )


def _event(refused: _Refused, request_id: str | None, **more: int) -> LedgerEvent:
    named = {"permission": refused.permission, "act": refused.act}
    return LedgerEvent(
        kind=Kind.REFUSAL,
        actor=refused.actor,
        subject=refused.subject,
        outcome=REFUSED,
        data={
            "code": refused.code,
            "message": _message(refused),
            **{name: value for name, value in named.items() if value is not None},
            **more,
        },
        request_id=None if request_id is None else shortened(request_id, MAX_SUBJECT),
    )


def _attempt(event: LedgerEvent, refusal: Refusal, now_us: int) -> Attempt:
    """A refused attempt ends where it began; how it would have come out is in the details."""
    details = dict(refusal.details)
    for name in ("permission", "act"):
        details.pop(name, None)
    feasibility, policy = _taken(details, FEASIBILITY), details.pop("policy", None)
    return Attempt(
        act=_act_of(event.data),
        subject=event.subject,
        actor=event.actor,
        outcome=REFUSED,
        started_us=now_us,
        ended_us=now_us,
        inputs=_safe(refusal.inputs),
        feasibility=_safe(feasibility) if feasibility else None,
        policy=_safe(policy) if isinstance(policy, Mapping) else None,
        refusal={**_said(event.data), **({"details": _safe(details)} if details else {})},
        ask=_text_or_none(details.get("ask")),
        plan=_digest_or_none(details.get("plan")),
        request_id=event.request_id,
        proposal=refusal.proposal,
    )


def _taken(details: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: details.pop(name) for name in names if name in details}


def _act_of(data: Mapping[str, Any]) -> str:
    """As the index files it, so that a run is found by the act it names."""
    return str(data.get("permission") or data.get("act") or ACTION[Kind.REFUSAL])


def _said(data: Mapping[str, Any]) -> dict[str, Any]:
    return {"code": data["code"], "message": data["message"]}


def _safe(details: Mapping[str, Any]) -> dict[str, Any]:
    """Redacted first, so that cutting cannot leave half a key."""
    made: dict[str, Any] = plain(redact(details), most=MAX_PART_BYTES)
    return made


def _text_or_none(value: object) -> str | None:
    return shortened(value, MAX_ACT) if isinstance(value, str) else None


def _digest_or_none(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) == 64 else None


def _message(refused: _Refused) -> str:
    """Redacted only where it is written: a flood that is counted must cost little."""
    return shortened(refused.message, MAX_MESSAGE)
