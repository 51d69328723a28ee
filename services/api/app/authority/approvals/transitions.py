"""The only place that says how an ask may change its state. Pure; the diagram is made from it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class State(StrEnum):
    """Where a request for an act that needs approval stands."""

    DRAFT = "draft"
    FEASIBLE = "feasible"
    REVISION_REQUIRED = "revision_required"
    PENDING = "pending"
    APPROVED = "approved"
    CLAIMED = "claimed"
    DONE = "done"
    PARTIAL = "partial"
    FAILED = "failed"
    REJECTED = "rejected"
    WITHDRAWN = "withdrawn"
    REVOKED = "revoked"
    EXPIRED = "expired"
    STALE = "stale"
    BLOCKED = "blocked"


class Cause(StrEnum):
    """What happened to it."""

    PLANNED = "planned"
    NOT_FEASIBLE = "cannot be done as asked"
    REVISED = "asked again"
    SUBMITTED = "submitted"
    QUORUM = "last approval needed"
    REJECT = "rejected"
    VETO = "vetoed"
    WITHDRAW = "withdrawn"
    DEADLINE = "deadline passed"
    CLAIM = "claimed"
    DRIFT = "plan is another one now"
    DENIED = "policy denies it now"
    DID = "all done"
    DID_PART = "part of it done"
    DID_NOTHING = "nothing done"
    RESUME = "resumed"


_S, _C = State, Cause

TRANSITIONS: Final[Mapping[tuple[State, Cause], State]] = MappingProxyType(
    {
        (_S.DRAFT, _C.PLANNED): _S.FEASIBLE,
        (_S.DRAFT, _C.NOT_FEASIBLE): _S.REVISION_REQUIRED,
        (_S.DRAFT, _C.DENIED): _S.BLOCKED,
        (_S.REVISION_REQUIRED, _C.REVISED): _S.DRAFT,
        (_S.REVISION_REQUIRED, _C.WITHDRAW): _S.WITHDRAWN,
        (_S.REVISION_REQUIRED, _C.DEADLINE): _S.EXPIRED,
        (_S.FEASIBLE, _C.SUBMITTED): _S.PENDING,
        (_S.FEASIBLE, _C.DENIED): _S.BLOCKED,
        (_S.PENDING, _C.QUORUM): _S.APPROVED,
        (_S.PENDING, _C.REJECT): _S.REJECTED,
        (_S.PENDING, _C.WITHDRAW): _S.WITHDRAWN,
        (_S.PENDING, _C.DEADLINE): _S.EXPIRED,
        (_S.PENDING, _C.DRIFT): _S.STALE,
        (_S.PENDING, _C.DENIED): _S.BLOCKED,
        (_S.APPROVED, _C.CLAIM): _S.CLAIMED,
        (_S.APPROVED, _C.VETO): _S.REVOKED,
        (_S.APPROVED, _C.WITHDRAW): _S.WITHDRAWN,
        (_S.APPROVED, _C.DEADLINE): _S.EXPIRED,
        (_S.CLAIMED, _C.DID): _S.DONE,
        (_S.CLAIMED, _C.DID_PART): _S.PARTIAL,
        (_S.CLAIMED, _C.DID_NOTHING): _S.FAILED,
        (_S.CLAIMED, _C.DRIFT): _S.STALE,
        (_S.CLAIMED, _C.DENIED): _S.BLOCKED,
        (_S.PARTIAL, _C.RESUME): _S.CLAIMED,
    }
)

OWNERS: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.DRAFT: "the server",
        State.FEASIBLE: "the server",
        State.REVISION_REQUIRED: "who asked",
        State.PENDING: "approvers",
        State.APPROVED: "who asked, or an approver",
        State.CLAIMED: "the server",
        State.DONE: "nobody",
        State.PARTIAL: "operators",
        State.FAILED: "nobody",
        State.REJECTED: "nobody",
        State.WITHDRAWN: "nobody",
        State.REVOKED: "nobody",
        State.EXPIRED: "nobody",
        State.STALE: "nobody",
        State.BLOCKED: "nobody",
    }
)
"""Whose turn it is. A state without an owner would be a place where asks are forgotten."""

MEANINGS: Final[Mapping[State, str]] = MappingProxyType(
    {
        State.DRAFT: "Asked for; its plan is not drawn yet.",
        State.FEASIBLE: "Its plan is drawn and can be done.",
        State.REVISION_REQUIRED: "It cannot be done as asked, now; the reason says what to change.",
        State.PENDING: "A person has to decide, before the deadline for approving.",
        State.APPROVED: "Approved; it may be executed, once, before the deadline for executing.",
        State.CLAIMED: "Being executed. Nobody else can, and no veto can stop it any more.",
        State.DONE: "Executed in full, as measured.",
        State.PARTIAL: "Executed in part; what failed is named, and the rest can be resumed.",
        State.FAILED: "Executed, and nothing was changed.",
        State.REJECTED: "A person said no.",
        State.WITHDRAWN: "Who asked took it back.",
        State.REVOKED: "Approved, and vetoed before it was executed.",
        State.EXPIRED: "A deadline passed: it counts as denied.",
        State.STALE: "What it would do has changed since it was asked.",
        State.BLOCKED: "Policy denies it, or who approved may not approve any more.",
    }
)

ENDED: Final = frozenset(state for state, owner in OWNERS.items() if owner == "nobody")
OPEN: Final = frozenset({State.PENDING, State.APPROVED, State.REVISION_REQUIRED})
"""States that a deadline ends."""


class IllegalTransition(Exception):
    """A bug in the workflow: the table has no such edge."""


def after(state: State, cause: Cause) -> State:
    """The state that follows; raises `IllegalTransition` when the table has no such edge."""
    try:
        return TRANSITIONS[state, cause]
    except KeyError:
        raise IllegalTransition(f"{state} has no transition for '{cause}'") from None


def mermaid() -> str:
    """The table as a Mermaid state diagram."""
    edges = [f"    {a} --> {b}: {cause}" for (a, cause), b in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> draft", *edges])
