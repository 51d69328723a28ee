"""What is in memory: one record per model, changed only on the event loop and only by the table."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from app.authority.lifecycle.crashes import CrashRecord
from app.authority.lifecycle.eviction import Resident
from app.authority.lifecycle.queueing import Line
from app.authority.lifecycle.transitions import HOLDS_MEMORY, Cause, State, after
from app.authority.ports import Engine
from app.domain.refusals import QueueFull


@dataclass(frozen=True, slots=True)
class Terms:
    """What a load asks for: context in tokens, sequences at once, whether eviction may take it."""

    context: int
    slots: int
    pinned: bool = False


@dataclass(slots=True)
class Attempt:
    """A load under way and how many wait for it; nobody waiting any more ends it."""

    task: "asyncio.Task[None]"
    abandoned: asyncio.Event
    waiters: int = 0


@dataclass
class Held:
    """One model's residency. `waiting` sequences have no engine yet, `running` ones have.

    Of those that have one, some wait for their turn at it: `line` says how many.
    """

    model_id: str
    state: State = State.ABSENT
    terms: Terms | None = None
    engine: Engine | None = None
    promised_bytes: int = 0
    pinned: bool = False
    waiting: int = 0
    running: int = 0
    users: dict[str, int] = field(default_factory=dict)
    """Sequences of each actor, by id, whether they wait or run."""
    last_used: float = 0.0
    crashes: CrashRecord = field(default_factory=CrashRecord)
    last_failure: str | None = None
    attempt: Attempt | None = None
    line: Line = field(default_factory=Line)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    beginning: asyncio.Lock = field(default_factory=asyncio.Lock)
    """Held by whoever asks policy whether a load may begin: one at a time, others join its load."""

    def move(self, cause: Cause) -> None:
        """Follow the table and wake everybody who waits for a change."""
        self.state = after(self.state, cause)
        if self.state not in HOLDS_MEMORY:
            self.engine = None
            self.promised_bytes = 0
        self.wake()

    def wake(self) -> None:
        self.changed.set()
        self.changed = asyncio.Event()

    def enter(self, actor: str, count: int, *, slots: int, queue_limit: int) -> None:
        """Join the bounded queue with `count` sequences, or raise `QueueFull`.

        Where others have filled it, one request of an actor who has none here is let in all the
        same: a key that asks much cannot keep the others out.
        """
        room = slots + queue_limit
        newcomer = queue_limit > 0 and actor not in self.users and count <= room
        if self.waiting + self.running + count > room and not newcomer:
            raise QueueFull(
                f"{self.model_id} has {self.running} sequences running and {self.waiting} waiting, "
                f"its queue takes no more. Ask again in a few seconds.",
                retry_after_s=max(1, (self.waiting + self.running) // max(1, slots)),
            )
        self.waiting += count
        self.users[actor] = self.users.get(actor, 0) + count

    def start_running(self, count: int) -> None:
        self.waiting -= count
        self.running += count

    def leave(self, actor: str, *, waiting: int = 0, running: int = 0, now: float) -> None:
        self.waiting -= waiting
        self.running -= running
        self.users[actor] -= waiting + running
        if not self.users[actor]:
            del self.users[actor]
        self.last_used = now
        if self.running == 0:
            self.wake()

    @property
    def active(self) -> int:
        """Sequences that are at the worker. May be read from any thread."""
        return max(0, self.running - self.line.waiting)

    @property
    def queued(self) -> int:
        """Sequences that wait for a load or for their turn. May be read from any thread."""
        return self.waiting + self.line.waiting

    @property
    def resident_bytes(self) -> int:
        engine = self.engine  # guardrails ask on other threads, and it may end meanwhile
        return 0 if engine is None else engine.resident_bytes()

    @property
    def untaken_bytes(self) -> int:
        """Promised but not yet taken; a worker that is still loading counts in full."""
        return max(0, self.promised_bytes - self.resident_bytes)


class Residency:
    """All models that have ever been asked for since the start."""

    def __init__(self) -> None:
        self._held: dict[str, Held] = {}

    def of(self, model_id: str) -> Held:
        return self._held.setdefault(model_id, Held(model_id))

    def known(self, model_id: str) -> Held | None:
        """The record, where the model was ever asked for. May be called from any thread."""
        return self._held.get(model_id)

    def state(self, model_id: str) -> State:
        held = self._held.get(model_id)
        return held.state if held is not None else State.ABSENT

    def all(self) -> tuple[Held, ...]:
        return tuple(self._held.values())

    def in_state(self, *states: State) -> tuple[Held, ...]:
        return tuple(h for h in self._held.values() if h.state in states)

    def promised_untaken_bytes(self) -> int:
        return sum(h.untaken_bytes for h in self._held.values() if h.state in HOLDS_MEMORY)

    def ready(self) -> tuple[Resident, ...]:
        """The view eviction decides on: models that could be drained now."""
        return tuple(_view(h) for h in self.in_state(State.READY))


def _view(held: Held) -> Resident:
    return Resident(
        model_id=held.model_id,
        last_used=held.last_used,
        in_flight=held.waiting + held.running,
        pinned=held.pinned,
        resident_bytes=held.resident_bytes,
        promised_bytes=held.promised_bytes,
    )


async def wait_for_change(holds: Iterable[Held]) -> None:
    """Return when any of `holds` changes its state or goes idle."""
    waits = [asyncio.ensure_future(h.changed.wait()) for h in holds]
    if not waits:
        return
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
