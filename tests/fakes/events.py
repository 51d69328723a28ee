"""Events that are as their kinds say, for tests that only need some event to be there."""

from typing import Any

from app.authority.ledger.events import LedgerEvent
from app.domain.actors import SYSTEM, Actor
from app.evidence.vocabulary import Kind


def boot(
    subject: str = "b", *, actor: Actor = SYSTEM, request_id: str | None = None
) -> LedgerEvent:
    """A start of the server."""
    data = {"version": "0", "pid": 1, "rules_digest": "r", "config_digest": "c"}
    return LedgerEvent(Kind.BOOT, actor, subject, data=data, request_id=request_id)


def saying(text: str, *, actor: Actor = SYSTEM, subject: str = "b") -> LedgerEvent:
    """An event with a text of any length in it."""
    return LedgerEvent(Kind.SHUTDOWN, actor, subject, data={"reason": text})


def holding(value: Any) -> LedgerEvent:
    """An event with any JSON at `data.overrides.x`."""
    made = boot()
    return LedgerEvent(Kind.BOOT, SYSTEM, "b", data={**made.data, "overrides": {"x": value}})


def load_intent(subject: str = "lmx/starter", *, actor: Actor = SYSTEM) -> LedgerEvent:
    data = {
        "digest": "d" * 64,
        "context": 256,
        "slots": 1,
        "pinned": False,
        "permission": "model.load",
        "feasibility": {},
    }
    return LedgerEvent(Kind.LOAD_INTENT, actor, subject, data=data)


def load_outcome(
    intent_seq: int,
    subject: str = "lmx/starter",
    *,
    actor: Actor = SYSTEM,
    outcome: str = "loaded",
    request_id: str | None = None,
) -> LedgerEvent:
    data = {"digest": "d" * 64}
    return LedgerEvent(Kind.LOAD_OUTCOME, actor, subject, outcome, data, intent_seq, request_id)


def unload_intent(subject: str = "lmx/starter", *, actor: Actor = SYSTEM) -> LedgerEvent:
    data = {"reason": "asked", "resident_bytes": 1, "in_flight": 0}
    return LedgerEvent(Kind.UNLOAD_INTENT, actor, subject, data=data)


def act_intent(subject: str = "lmx/starter", *, actor: Actor = SYSTEM) -> LedgerEvent:
    data = {"act": "model_delete", "plan": "a" * 64, "ask": "k7m2p9qd", "model": subject}
    return LedgerEvent(Kind.ACT_INTENT, actor, subject, data=data)


def pull_intent(subject: str = "lmx/starter", *, actor: Actor = SYSTEM) -> LedgerEvent:
    data: dict[str, Any] = {"repo": subject, "revision": "c" * 40, "hosts": ["hub.test"]}
    data |= {"files": 2, "size_bytes": 9}
    return LedgerEvent(Kind.PULL_INTENT, actor, subject, data=data)


def worker_exited(subject: str = "lmx/starter", *, intent_seq: int | None = None) -> LedgerEvent:
    data = {"reason": "killed", "consecutive": 1}
    return LedgerEvent(Kind.WORKER_EXITED, SYSTEM, subject, "lost", data, intent_seq)


def quarantined(subject: str = "lmx/starter") -> LedgerEvent:
    data = {"reason": "killed", "consecutive": 3}
    return LedgerEvent(Kind.MODEL_QUARANTINED, SYSTEM, subject, data=data)
