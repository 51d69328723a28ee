"""What the authority needs from the world; `app.engines` and tests provide it."""

from asyncio import Future
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any, Protocol

from app.authority.permissions import Grant
from app.domain.actors import Actor
from app.domain.advice.contained import Order, Outcome
from app.domain.advice.frames import Answer, Question
from app.domain.engine import LoadSpec, WorkerFacts
from app.domain.generation import GenerationEvent, Sequence
from app.domain.hub import HubFile, HubRevision
from app.domain.memory import MemoryReading
from app.domain.work import Work, WorkResult


class Engine(Protocol):
    """One worker process that owns one loaded model."""

    facts: WorkerFacts
    exited: "Future[str]"
    """Resolved with a reason when the process is gone, expected or not."""

    def resident_bytes(self) -> int:
        """Memory the worker holds now (latest heartbeat)."""

    def generate(self, grant: Grant, sequence: Sequence) -> AsyncGenerator[GenerationEvent, None]:
        """Yield `Started`, `Echoed` where asked, pieces of the answer, then `Finished`.

        Raises a Refusal (ContextLengthExceeded, PromptRejected, ConstraintRejected, WorkerLost).
        Closing the iterator cancels the sequence by the next decode step or prefill chunk.
        """

    async def compute(self, grant: Grant, work: Work) -> WorkResult:
        """Work that is done in one go. Cancelling the caller cancels it between two of its steps.

        Raises a Refusal (PromptRejected, TaskNotSupported, WorkerLost).
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


class AdvisorHost(Protocol):
    """Runs advisors, each in a child process behind walls. The only way to what they say."""

    async def run(self, order: Order, answer: Callable[[Question], Awaitable[Answer]]) -> Outcome:
        """Run one child to its end, or kill it; `answer` is asked for each of its questions.

        Raises nothing on purpose: whatever a child does is an Outcome. Cancelling kills it.
        """


class MemoryProbe(Protocol):
    def read(self) -> MemoryReading:
        """A fresh reading of this machine's memory."""


class Hub(Protocol):
    """Where models are downloaded from. Whatever it says is a claim that the caller checks.

    Every method blocks, calls `check` between steps and lets through whatever that raises. All
    raise HubUnreachable (nobody answers, or not to the end) and HubRefused (an answer that cannot
    be used, or a host that is not allowed).
    """

    @property
    def endpoint(self) -> str:
        """The address that is asked first, as people read it."""

    @property
    def hosts(self) -> tuple[str, ...]:
        """The hosts that may be connected to; a leading `*.` stands for every name below."""

    @property
    def sends_token(self) -> bool:
        """Whether requests to the endpoint carry a token of the operator's."""

    def resolve(self, repo: str, revision: str, check: Callable[[], None]) -> HubRevision:
        """What `revision` (a branch, a tag, a commit) of `ORG/NAME` is now."""

    def read(self, at: HubRevision, file: HubFile, begin: int, end: int) -> bytes:
        """Exactly the bytes from `begin` up to, not including, `end`."""

    def fetch(
        self,
        at: HubRevision,
        file: HubFile,
        begin: int,
        sink: Callable[[bytes], None],
        check: Callable[[], None],
    ) -> None:
        """Hand the bytes from `begin` to the end to `sink`, in order; never more than `size` of
        them, and when it returns, all."""


class Asks(Protocol):
    """Where an act that needs an approval is asked for."""

    async def ask(
        self,
        actor: Actor,
        act: str,
        params: Mapping[str, Any],
        reason: str = "",
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Make an ask; ``id`` and ``state`` are in the answer."""


class Calendar(Protocol):
    def utc_us(self) -> int:
        """Microseconds since the Unix epoch, UTC."""


class Clock(Calendar, Protocol):
    def monotonic(self) -> float:
        """Seconds that never go back."""
