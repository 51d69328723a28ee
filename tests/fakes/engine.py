"""Workers without processes: a full `EngineHost` in memory that keeps the engine's contract.

Prompts are UTF-8 bytes, one token each; answers are words drawn from a random number generator that
the prompt and the seed start. Nothing happens until the event loop turns, and nothing sleeps.
Tests steer it: `fail_next`, `loading` and `hold` on the host and engine, `crash` on the engine.
"""

import asyncio
import hashlib
import random
from collections import deque
from collections.abc import AsyncGenerator
from itertools import count

from app.domain.engine import LoadFailure, LoadSpec, WorkerFacts
from app.domain.generation import (
    ChatPrompt,
    Delta,
    Finished,
    FinishReason,
    GenerationEvent,
    Prompt,
    Sampling,
    Sequence,
    Started,
    TextPrompt,
    TokenPrompt,
)
from app.domain.refusals import (
    ContextLengthExceeded,
    PromptRejected,
    TaskNotSupported,
    WorkerLost,
)
from app.domain.work import Detokenize, Text, Tokenize, Tokens, Work, WorkResult
from app.engines.worker.stops import StopScanner

VOCAB_SIZE = 320
BASE_BYTES = 100 * 2**20

_PIECES = (" the", " a", "n", "er", " lamp", "é", "世界", " on", ".", " ", "s", " light", "\n")
_pids = count(70_000)


class FakeEngine:
    """One worker with its model. `generated_tokens` counts what it really computed."""

    facts: WorkerFacts

    def __init__(self, spec: LoadSpec) -> None:
        weights = sum(file.stat().st_size for file in spec.directory.glob("*.safetensors"))
        self.spec = spec
        self.exited: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.facts = WorkerFacts(
            pid=next(_pids),
            load_ms=1,
            vocab_size=VOCAB_SIZE,
            base_bytes=BASE_BYTES,
            resident_bytes=BASE_BYTES + weights,
        )
        self.generated_tokens = 0
        self.running = 0
        self._free_slots = spec.slots
        self._queue: deque[asyncio.Future[None]] = deque()
        self._may_go_on = asyncio.Event()
        self._may_go_on.set()

    # --- what a test may do to it --------------------------------------------------------------

    def hold(self) -> None:
        """No further token until `release`."""
        self._may_go_on.clear()

    def release(self) -> None:
        self._may_go_on.set()

    def crash(self, reason: str = "killed by signal 9") -> None:
        """The process is gone; every sequence is told."""
        if not self.exited.done():
            self.exited.set_result(reason)
        self._may_go_on.set()
        for waiter in self._queue:
            if not waiter.done():
                waiter.set_result(None)

    # --- the contract --------------------------------------------------------------------------

    def resident_bytes(self) -> int:
        return self.facts.resident_bytes

    async def generate(
        self, grant: object, sequence: Sequence
    ) -> AsyncGenerator[GenerationEvent, None]:
        self._check_alive()
        tokens = tokenize(sequence.prompt)
        limit = self._checked_limit(tokens, sequence.sampling)
        yield Started(len(tokens))
        await self._take_slot()
        self.running += 1
        try:
            async for event in self._answer(tokens, sequence.sampling, limit):
                yield event
        finally:
            self.running -= 1
            self._give_slot_back()

    async def compute(self, grant: object, work: Work) -> WorkResult:
        self._check_alive()
        match work:
            case Tokenize(prompt):
                tokens = tokenize(prompt)
                return Tokens(tuple(tokens), tuple(bytes([token % 256]) for token in tokens))
            case Detokenize(tokens):
                return Text(bytes(token % 256 for token in tokens).decode(errors="replace"))
            case _:
                raise TaskNotSupported("This model gives no embeddings.", param="model")

    async def stop(self, grace_s: float) -> None:
        self.crash("stopped")

    def _checked_limit(self, tokens: list[int], sampling: Sampling) -> int:
        if not tokens:
            raise PromptRejected("The prompt is empty. Send at least one token.", param="prompt")
        for token in tokens:
            if not 0 <= token < VOCAB_SIZE:
                raise PromptRejected(
                    f"Token {token} is outside this model's vocabulary.", param="prompt"
                )
        room = self.spec.context - len(tokens)
        if room <= 0:
            raise ContextLengthExceeded(
                f"This model's context is {self.spec.context} tokens, and the prompt has"
                f" {len(tokens)}. Shorten the prompt.",
                param="prompt",
            )
        return room if sampling.max_tokens is None else min(sampling.max_tokens, room)

    async def _answer(
        self, tokens: list[int], sampling: Sampling, limit: int
    ) -> AsyncGenerator[GenerationEvent, None]:
        drawn = _random(tokens, sampling)
        stops = StopScanner(sampling.stop)
        for produced in range(1, limit + 1):
            await asyncio.sleep(0)
            await self._may_go_on.wait()
            self._check_alive()
            self.generated_tokens += 1
            text = stops.feed(drawn.choice(_PIECES))
            if produced == limit and not stops.stopped:
                text += stops.flush()
            if text:
                yield Delta(text, 1)
            if stops.stopped:
                yield Finished(FinishReason.STOP, len(tokens), produced)
                return
        yield Finished(FinishReason.LENGTH, len(tokens), limit)

    async def _take_slot(self) -> None:
        if self._free_slots > 0:
            self._free_slots -= 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._queue.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self._give_slot_back()
            raise

    def _give_slot_back(self) -> None:
        while self._queue:
            waiter = self._queue.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self._free_slots += 1

    def _check_alive(self) -> None:
        if self.exited.done():
            raise WorkerLost(
                f"The model's worker ended ({self.exited.result()}). Send the request again."
            )


class FakeEngineHost:
    """Starts fake workers; remembers every one of them in `started`."""

    def __init__(self) -> None:
        self.started: list[FakeEngine] = []
        self.cancelled_starts = 0
        self.loading = asyncio.Event()
        """Clear it to keep every start waiting."""
        self.loading.set()
        self._failures: deque[LoadFailure] = deque()

    def fail_next(self, reason: str, *, out_of_memory: bool = False) -> None:
        """The next start fails with this; call it again for the one after."""
        self._failures.append(LoadFailure(reason, out_of_memory=out_of_memory))

    async def start(self, grant: object, spec: LoadSpec) -> FakeEngine:
        try:
            await asyncio.sleep(0)
            await self.loading.wait()
        except asyncio.CancelledError:
            self.cancelled_starts += 1
            raise
        if self._failures:
            raise self._failures.popleft()
        if not (spec.directory / "config.json").is_file():
            raise LoadFailure("config.json cannot be read as JSON.")
        engine = FakeEngine(spec)
        if engine.facts.resident_bytes > spec.memory_limit_bytes:
            raise LoadFailure("the model took more bytes than promised", out_of_memory=True)
        self.started.append(engine)
        return engine

    async def close(self) -> None:
        for engine in self.started:
            await engine.stop(0.0)


def tokenize(prompt: Prompt) -> list[int]:
    match prompt:
        case TokenPrompt(tokens):
            return list(tokens)
        case TextPrompt(text):
            return _bytes(text)
        case ChatPrompt(messages=messages):
            return _bytes("".join(f"{m['role']}\n{m['content']}\n" for m in messages))


def _bytes(text: str) -> list[int]:
    try:
        return list(text.encode())
    except UnicodeEncodeError as error:
        raise PromptRejected("The prompt is no valid Unicode text.", param="prompt") from error


def _random(tokens: list[int], sampling: Sampling) -> random.Random:
    warm = sampling.temperature != 0
    if warm and sampling.seed is None:
        return random.Random()
    seed = sampling.seed if warm else "greedy"
    return random.Random(hashlib.sha256(f"{tokens} {seed}".encode()).digest())
