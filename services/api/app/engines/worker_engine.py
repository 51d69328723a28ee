"""One worker as the authority sees it: its sequences, its heartbeat and its end."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from types import MappingProxyType

import psutil

from app.domain.engine import LoadFailure, LoadSpec, WorkerFacts
from app.domain.generation import Echoed, Finished, GenerationEvent, Sequence, Started
from app.domain.refusals import (
    ConstraintRejected,
    ContextLengthExceeded,
    PromptRejected,
    Refusal,
    TaskNotSupported,
    WorkerLost,
)
from app.domain.work import Work, WorkResult
from app.engines.connection import Connection
from app.engines.process import WorkerProcess
from app.engines.protocol import (
    VERSION,
    Cancel,
    Compute,
    Computed,
    Deltas,
    FrameError,
    Generate,
    Hello,
    Load,
    Loaded,
    LoadFailed,
    Message,
    Ping,
    Pong,
    SequenceEchoed,
    SequenceFinished,
    SequencePieces,
    SequenceRejected,
    SequenceStarted,
    ToWorker,
)
from app.engines.streams import SequenceStream

REFUSALS = MappingProxyType(
    {
        refusal.code: refusal
        for refusal in (
            ConstraintRejected,
            ContextLengthExceeded,
            PromptRejected,
            TaskNotSupported,
            WorkerLost,
        )
    }
)

LogLine = Callable[[str, str], None]
"""Level and message about a worker."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a worker may take before it counts as lost, in seconds."""

    load_s: float = 900.0
    heartbeat_s: float = 2.0
    silence_s: float = 30.0
    step_s: float = 300.0


class WorkerEngine:
    """Implements the authority's `Engine` over one `WorkerProcess`."""

    facts: WorkerFacts

    def __init__(
        self, process: WorkerProcess, spec: LoadSpec, *, patience: Patience, log: LogLine
    ) -> None:
        loop = asyncio.get_running_loop()
        self.exited: asyncio.Future[str] = loop.create_future()
        self._process = process
        self._spec = spec
        self._patience = patience
        self._log = log
        self._loaded: asyncio.Future[Loaded | LoadFailure] = loop.create_future()
        self._closed = asyncio.Event()
        self._streams: dict[int, SequenceStream] = {}
        self._handles = count(1)
        self._resident_bytes = 0
        self._unanswered_pings = 0
        self._connection = Connection(on_message=self._receive, on_broken=self._lose_connection)
        self._tasks = [loop.create_task(self._see_it_end())]

    # --- what the authority uses ---------------------------------------------------------------

    def resident_bytes(self) -> int:
        return self._resident_bytes

    async def generate(
        self,
        grant: object,  # noqa: ARG002 - proof for whoever calls; the hands do not look at it
        sequence: Sequence,
    ) -> AsyncGenerator[GenerationEvent, None]:
        """`Started`, pieces, `Finished`. Closing it cancels. Raises a `Refusal`."""
        handle = next(self._handles)
        asked = Generate(handle, sequence.prompt, sequence.sampling, sequence.cache_scope)
        with self._asking(asked) as stream:
            while True:
                event: GenerationEvent = await stream.next()  # type: ignore[assignment]
                yield event
                if type(event) is Finished:
                    return

    async def compute(
        self,
        grant: object,  # noqa: ARG002 - as for `generate`
        work: Work,
    ) -> WorkResult:
        """Cancelling the caller cancels the work. Raises a `Refusal`."""
        with self._asking(Compute(next(self._handles), work)) as stream:
            result: WorkResult = await stream.next()  # type: ignore[assignment]
            return result

    async def stop(self, grace_s: float) -> None:
        """TERM (it finishes what it runs), wait `grace_s`, KILL; returns when it is gone."""
        await self._process.stop(grace_s)
        await asyncio.shield(self.exited)

    # --- what the host uses --------------------------------------------------------------------

    async def connect(self) -> None:
        loop = asyncio.get_running_loop()
        await loop.create_unix_connection(lambda: self._connection, sock=self._process.socket)

    async def loaded(self) -> None:
        """Returns once `facts` are known. Raises `LoadFailure`."""
        outcome = await asyncio.shield(self._loaded)
        if isinstance(outcome, LoadFailure):
            raise outcome

    def watch(self) -> None:
        """Start the heartbeat."""
        self._tasks.append(asyncio.get_running_loop().create_task(self._beat()))

    # --- frames --------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _asking(self, asked: Generate | Compute) -> Iterator[SequenceStream]:
        """Send what is asked; cancel it when its stream is left before its end."""
        if self.exited.done():
            raise WorkerLost("The model's worker is gone. Send the request again.")
        stream = SequenceStream()
        self._send(asked)
        self._streams[asked.handle] = stream
        try:
            yield stream
        finally:
            self._streams.pop(asked.handle, None)
            if not stream.ended:
                self._connection.send(Cancel(asked.handle))

    def _send(self, asked: ToWorker) -> None:
        try:
            self._connection.send(asked)
        except FrameError as error:
            raise PromptRejected(f"The prompt {error}.", param="prompt") from error

    def _receive(self, message: Message) -> None:
        match message:
            case Deltas(items):
                for item in items:
                    if stream := self._streams.get(item.handle):
                        stream.put_delta(item.text, item.tokens)
            case Pong():
                self._note_pong(message)
            case Hello() | Loaded() | LoadFailed():
                self._receive_about_load(message)
            case Load() | Generate() | Compute() | Cancel() | Ping():
                raise FrameError("a message that only the supervisor sends")
            case _:
                if stream := self._streams.get(message.handle):
                    _hand_on(message, stream)

    def _receive_about_load(self, message: Hello | Loaded | LoadFailed) -> None:
        match message:
            case Hello(version):
                if version != VERSION:
                    raise FrameError("another version of the protocol")
                spec = self._spec
                self._connection.send(
                    Load(
                        version=VERSION,
                        model_id=spec.model_id,
                        directory=str(spec.directory),
                        context=spec.context,
                        slots=spec.slots,
                        memory_limit_bytes=spec.memory_limit_bytes,
                        prompt_cache_bytes=spec.prompt_cache_bytes,
                        format=spec.format,
                    )
                )
            case Loaded(load_ms, vocab_size, base_bytes, resident_bytes):
                self._resident_bytes = resident_bytes
                self.facts = WorkerFacts(
                    self._process.pid, load_ms, vocab_size, base_bytes, resident_bytes
                )
                self._conclude_load(message)
            case LoadFailed(reason, out_of_memory):
                self._conclude_load(LoadFailure(reason, out_of_memory=out_of_memory))

    def _conclude_load(self, outcome: Loaded | LoadFailure) -> None:
        if not self._loaded.done():
            self._loaded.set_result(outcome)

    # --- its life and end ----------------------------------------------------------------------

    async def _beat(self) -> None:
        process = psutil.Process(self._process.pid)
        limit = self._spec.memory_limit_bytes
        hard_limit_bytes = limit + limit // 4 + 256 * 2**20
        allowed = max(1, round(self._patience.silence_s / self._patience.heartbeat_s))
        with contextlib.suppress(psutil.Error):
            for serial in count(1):
                if self._unanswered_pings >= allowed:
                    self._process.kill("hung")
                elif process.memory_info().rss > hard_limit_bytes:
                    self._process.kill("memory limit")
                self._connection.send(Ping(serial))
                # Counted, not timed: a pause of this process must not pass for one of the worker.
                self._unanswered_pings += 1
                await asyncio.sleep(self._patience.heartbeat_s)

    def _note_pong(self, pong: Pong) -> None:
        self._unanswered_pings = 0
        self._resident_bytes = pong.resident_bytes
        if pong.stalled_ms > self._patience.step_s * 1000:
            self._process.kill("hung")

    def _lose_connection(self, why: str) -> None:
        """A worker that ends closes its socket first: let it, so that its status is known."""
        self._closed.set()
        self._connection.close()
        patience_s = 0.0 if why == "protocol error" else 1.0
        asyncio.get_running_loop().call_later(patience_s, partial(self._process.kill, why))

    async def _see_it_end(self) -> None:
        reason = await self._process.exited
        # Frames that it sent before it ended may still wait to be read.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closed.wait(), timeout=1.0)
        self._connection.close()
        for task in self._tasks[1:]:
            task.cancel()
        if reason != "stopped":
            self._log("error", self._last_words(reason))
        self._conclude_load(LoadFailure(f"the worker {_as_clause(reason)}"))
        for stream in list(self._streams.values()):
            stream.fail(lost(reason))
        self.exited.set_result(reason)

    def _last_words(self, reason: str) -> str:
        said = f"worker {self._process.pid} of {self._spec.model_id} {_as_clause(reason)}"
        tail = self._process.stderr_tail().strip()[-2000:]
        return f"{said}. The last it wrote: {tail}" if tail else said


def _hand_on(
    message: SequenceStarted
    | SequenceEchoed
    | SequencePieces
    | SequenceFinished
    | SequenceRejected
    | Computed,
    stream: SequenceStream,
) -> None:
    match message:
        case SequencePieces(pieces=pieces):
            for piece in pieces:
                stream.put(piece)
        case SequenceStarted(prompt_tokens=prompt_tokens):
            stream.put(Started(prompt_tokens))
        case SequenceEchoed(text=text, logprobs=logprobs):
            stream.put(Echoed(text, logprobs))
        case SequenceFinished() as end:
            stream.put_last(
                Finished(
                    end.reason,
                    end.prompt_tokens,
                    end.completion_tokens,
                    end.cached_tokens,
                    end.reasoning_tokens,
                    end.stop,
                )
            )
        case Computed(result=result):
            stream.put_last(result)
        case SequenceRejected(code=code, message=text, param=param):
            stream.fail(REFUSALS.get(code, WorkerLost)(text, param=param))


def lost(reason: str) -> Refusal:
    return WorkerLost(
        f"The model's worker {_as_clause(reason)} while it answered. Send the request again."
    )


def _as_clause(reason: str) -> str:
    """The reason as what follows 'the worker'."""
    return _CLAUSES.get(reason, f"was {reason}" if reason.startswith("killed") else reason)


_CLAUSES = MappingProxyType(
    {
        "stopped": "was stopped",
        "hung": "stopped responding",
        "memory limit": "took more memory than it was promised",
        "protocol error": "sent something that is no frame",
    }
)
