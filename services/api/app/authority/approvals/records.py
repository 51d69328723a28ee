"""The events and the runs of an ask, as pure constructors."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from app.authority.approvals.acts import Effect
from app.authority.approvals.plans import Plan
from app.authority.approvals.transitions import State
from app.authority.approvals.values import Ask, Decided
from app.authority.ledger.events import LedgerEvent
from app.authority.policy.decisions import Decision
from app.domain.actors import Actor
from app.evidence.runs import Attempt
from app.evidence.vocabulary import Kind

NAMED_FAILURES: Final = 50
"""An event is bounded: it names so many of the files that failed, and their count."""
MAX_FAILURE: Final = 200


def made(
    ask: Ask,
    plan: Plan | None,
    policy: Decision,
    *,
    profile: str,
    by: Actor,
    request_id: str | None,
) -> LedgerEvent:
    data: dict[str, Any] = {
        **_about(ask),
        "state": str(ask.state),
        "policy": policy.as_dict(),
        "profile": profile,
        "approve_by_us": ask.approve_by_us,
        "execute_by_us": ask.execute_by_us,
    }
    if ask.reason or ask.why:
        data["reason"] = ask.why or ask.reason
    if ask.again_of is not None:
        data["again_of"] = ask.again_of
    return LedgerEvent(
        Kind.ASK_MADE,
        by,
        subject=ask.subject,
        data=data,
        evidence=() if plan is None else (plan.bytes,),
        request_id=request_id,
    )


def decided(
    ask: Ask, by: Actor, decision: str, *, state: State, meaning: str, proof: str
) -> LedgerEvent:
    """`state`: what the ask is in after this decision; `proof`: SHA-256 of the proof's bytes."""
    data = {
        **_about(ask),
        "state": str(state),
        "person": by.person or "",
        "meaning": meaning,
        "proof": proof,
        "self_approved": decision == "approve" and ask.is_of(by),
    }
    return LedgerEvent(Kind.ASK_DECIDED, by, subject=ask.subject, outcome=decision, data=data)


def claimed(ask: Ask, by: Actor, *, attempt: int) -> LedgerEvent:
    data = {**_about(ask), "attempt": attempt}
    return LedgerEvent(Kind.ASK_CLAIMED, by, subject=ask.subject, data=data)


def ended(ask: Ask, by: Actor, *, state: State, why: str) -> LedgerEvent:
    data = {**_about(ask), "reason": why}
    return LedgerEvent(Kind.ASK_ENDED, by, subject=ask.subject, outcome=str(state), data=data)


def intent(ask: Ask, by: Actor, *, phase: str) -> LedgerEvent:
    data = {**_about(ask), "phase": phase}
    return LedgerEvent(Kind.ACT_INTENT, by, subject=ask.subject, data=data)


def outcome(ask: Ask, by: Actor, effect: Effect, *, intent_seq: int, phase: str) -> LedgerEvent:
    data: dict[str, Any] = {
        **_about(ask),
        "phase": phase,
        "freed_bytes": effect.freed_bytes,
        "files": effect.files,
        "failed": [name[:MAX_FAILURE] for name in effect.failed[:NAMED_FAILURES]],
        "failed_count": len(effect.failed),
    }
    if effect.reason:
        data["reason"] = effect.reason[:1000]
    return LedgerEvent(
        Kind.ACT_OUTCOME,
        by,
        subject=ask.subject,
        outcome=effect.outcome,
        intent_seq=intent_seq,
        data=data,
    )


def attempt(
    ask: Ask,
    by: Actor,
    outcome: str,
    *,
    now_us: int,
    decisions: Sequence[Decided] = (),
    policy: Decision | None = None,
    effect: Effect | None = None,
    why: str | None = None,
    request_id: str | None = None,
    feasibility: Mapping[str, Any] | None = None,
) -> Attempt:
    """The run of an ask that has ended; `by` is who ended it, who asked is in the inputs."""
    return Attempt(
        act=ask.act,
        subject=ask.subject,
        actor=by,
        outcome=outcome,
        started_us=ask.created_us,
        ended_us=now_us,
        inputs={
            "params": dict(ask.params),
            "reason": ask.reason,
            "asker": ask.asker,
            "asker_person": ask.asker_person,
            "approve_by_us": ask.approve_by_us,
            "execute_by_us": ask.execute_by_us,
        },
        plan=ask.plan,
        feasibility=feasibility,
        policy=None if policy is None else policy.as_dict(),
        approvals=[decision.as_dict() for decision in decisions],
        effect=None if effect is None else described(effect),
        refusal=None if why is None else {"message": why},
        ask=ask.id,
        request_id=request_id,
    )


def described(effect: Effect) -> dict[str, Any]:
    """What was measured, in full; what only who executed may know is left out."""
    return {
        "outcome": effect.outcome,
        "freed_bytes": effect.freed_bytes,
        "files": effect.files,
        "failed": list(effect.failed),
        "reason": effect.reason,
        "data": dict(effect.data),
    }


def _about(ask: Ask) -> dict[str, Any]:
    plan = {} if ask.plan is None else {"plan": ask.plan}
    return {"ask": ask.id, "act": ask.act, **plan, **ask.model}
