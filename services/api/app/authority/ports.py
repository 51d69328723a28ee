"""What the authority needs from the world; `app.engines` and tests provide it."""

from asyncio import Future
from collections.abc import AsyncGenerator
from typing import Protocol

from app.authority.permissions import Grant
from app.domain.engine import LoadSpec, WorkerFacts
from app.domain.generation import GenerationEvent, Sequence
from app.domain.memory import MemoryReading


class Engine(Protocol):
    """One worker process that owns one loaded model."""

    facts: WorkerFacts
    exited: "Future[str]"
    """Resolved with a reason when the process is gone, expected or not."""

    def resident_bytes(self) -> int:
        """Memory the worker holds now (latest heartbeat)."""

    def generate(self, grant: Grant, sequence: Sequence) -> AsyncGenerator[GenerationEvent, None]:
        """Yield `Started`, then `Delta`s, then `Finished`.

        Raises a Refusal (ContextLengthExceeded, PromptRejected, WorkerLost). Closing the iterator
        cancels the sequence by the next decode step or prefill chunk.
        """

    async def stop(self, grace_s: float) -> None:
        """TERM, wait `grace_s`, KILL the process group; returns when it is gone."""


class EngineHost(Protocol):
    """Starts workers. The only way to memory for a model."""

    async def start(self, grant: Grant, spec: LoadSpec) -> Engine:
        """Start a worker, load, run the canary. Raises `app.domain.engine.LoadFailure`.

        Cancelling the awaiting task kills the half-started worker.
        """

    async def close(self) -> None:
        """Stop every worker."""


class MemoryProbe(Protocol):
    def read(self) -> MemoryReading:
        """A fresh reading of this machine's memory."""


class Clock(Protocol):
    def utc_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""

    def monotonic(self) -> float:
        """Seconds that never go back."""
