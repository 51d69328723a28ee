"""The only place that issues warrants; an import contract says who may import it."""

from typing import Any

from app.authority.warrants import _SEAL, Warrant
from app.domain.actors import Actor


def issue(
    *,
    act: str,
    ask: str,
    plan_hash: str,
    plan: dict[str, Any],
    actor: Actor,
    intent_seq: int,
    phase: str = "act",
) -> Warrant:
    """For an ask that is claimed, whose plan still holds and whose intent is recorded."""
    return Warrant(act, ask, plan_hash, plan, actor, intent_seq, phase, _SEAL)
