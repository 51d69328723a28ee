"""Which guardrails are in force, in a few values for whoever asks how the server is."""

from typing import Any

from app.authority.guardrails.standing import Standing
from app.domain.refusals import AuditUnavailable


def in_force(standing: Standing) -> dict[str, Any]:
    """`version` of the active document, how many `tasks` are bound, and `trouble`, or None.

    With trouble the others are None: what guardrails decide on is refused meanwhile.
    """
    try:
        now = standing.current()
    except AuditUnavailable as unknown:
        return {"version": None, "tasks": None, "trouble": unknown.message}
    return {"version": now.version, "tasks": len(now.definitions), "trouble": None}
