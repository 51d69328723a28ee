"""The only place that says how a model's state may change. Pure; the diagram is made from it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class State(StrEnum):
    """What the authority knows about one model's residency."""

    ABSENT = "absent"
    LOADING = "loading"
    READY = "ready"
    DRAINING = "draining"
    UNLOADING = "unloading"
    FAILED = "failed"
    QUARANTINED = "quarantined"


class Cause(StrEnum):
    """What happened to it."""

    LOAD = "load"
    LOADED = "loaded"
    LOAD_FAILED = "load failed"
    ABANDONED = "nobody waits any more"
    DRAIN = "unload or evict"
    DRAINED = "last answer ended"
    KEPT = "unload could not be recorded"
    GONE = "process gone"
    CRASHED = "process lost"
    CRASH_LIMIT = "crashed too often"
    RELEASED = "released by an operator"


TRANSITIONS: Mapping[tuple[State, Cause], State] = MappingProxyType(
    {
        (State.ABSENT, Cause.LOAD): State.LOADING,
        (State.FAILED, Cause.LOAD): State.LOADING,
        (State.LOADING, Cause.LOADED): State.READY,
        (State.LOADING, Cause.LOAD_FAILED): State.FAILED,
        (State.LOADING, Cause.ABANDONED): State.ABSENT,
        (State.READY, Cause.DRAIN): State.DRAINING,
        (State.READY, Cause.CRASHED): State.FAILED,
        (State.DRAINING, Cause.DRAINED): State.UNLOADING,
        (State.DRAINING, Cause.KEPT): State.READY,
        (State.DRAINING, Cause.CRASHED): State.ABSENT,
        (State.UNLOADING, Cause.GONE): State.ABSENT,
        (State.FAILED, Cause.CRASH_LIMIT): State.QUARANTINED,
        (State.FAILED, Cause.RELEASED): State.ABSENT,
        (State.QUARANTINED, Cause.RELEASED): State.ABSENT,
    }
)

HOLDS_MEMORY = frozenset({State.LOADING, State.READY, State.DRAINING, State.UNLOADING})
"""States in which a worker process may exist, so that its promise counts against the budget."""


MAY_BEGIN = frozenset(state for state, cause in TRANSITIONS if cause is Cause.LOAD)
"""States in which a load can begin."""


class IllegalTransition(Exception):
    """A bug in the lifecycle: the table has no such edge."""


def after(state: State, cause: Cause) -> State:
    """The state that follows; raises `IllegalTransition` when the table has no such edge."""
    try:
        return TRANSITIONS[state, cause]
    except KeyError:
        raise IllegalTransition(f"{state} has no transition for '{cause}'") from None


def mermaid() -> str:
    """The table as a Mermaid state diagram."""
    edges = [f"    {a} --> {b}: {cause}" for (a, cause), b in TRANSITIONS.items()]
    return "\n".join(["stateDiagram-v2", "    [*] --> absent", *edges])


MEANINGS: Mapping[State, str] = MappingProxyType(
    {
        State.ABSENT: "Not in memory. A request for it loads it.",
        State.LOADING: "Verified, promised its memory, recorded; its worker is coming up.",
        State.READY: "Answers.",
        State.DRAINING: "Takes no new work; running answers end first.",
        State.UNLOADING: "Its worker is being stopped.",
        State.FAILED: "Its last load failed or its worker was lost; may start again after a wait.",
        State.QUARANTINED: "Crashed too often in a row; `lmx models verify` releases it.",
    }
)


def page() -> str:
    """`docs/lifecycle.md`: the states, what they mean, and the diagram of the table."""
    rows = "\n".join(f"| `{state}` | {meaning} |" for state, meaning in MEANINGS.items())
    return (
        "# The lifecycle of a model\n\n"
        "Every change of state follows one table, `app/authority/lifecycle/transitions.py`; an "
        "edge that is not in it is a bug and raises.\n\n"
        f"| state | meaning |\n|---|---|\n{rows}\n\n```mermaid\n{mermaid()}\n```"
    )
