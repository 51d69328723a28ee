"""The use case of the endpoint: may this actor ask this model, and if so, the answer.

Everything that can refuse does so in `Inference.open`, before the first byte of an answer.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from typing import Any

from app.authority.deadline import Deadline
from app.authority.leasing import Asking, InferencePorts, Leased, lease
from app.authority.ledger.usage import UsageRow
from app.authority.permissions import Grant, Permission, grant
from app.domain.actors import Actor
from app.domain.generation import (
    AnswerEvent,
    CallBegun,
    Echoed,
    Finished,
    GenerationEvent,
    InferenceRequest,
    Started,
)
from app.domain.models import CatalogModel
from app.domain.refusal import attempting
from app.domain.refusals import (
    Refusal,
)


class Inference:
    """Answers requests; one instance per server."""

    def __init__(self, ports: InferencePorts) -> None:
        self._ports = ports

    async def open(self, actor: Actor, request: InferenceRequest) -> "Generation":
        """Permission, policy, route, resident model, accepted prompts - or a Refusal.

        Cancelling the caller cancels what only this request wanted.
        """
        with attempting(Permission.INFER):
            ports = self._ports
            if ports.isolate_cache:
                request = isolated(request, actor)
            may = grant(actor, Permission.INFER, subject=request.model, access=ports.access)
            generation = Generation(ports, may, request)
            try:
                with generation.within_time():
                    async with asyncio.timeout_at(generation.deadline):
                        await generation.begin()
            except BaseException as error:
                await generation.end(_outcome_of(error))
                raise
            return generation


class Generation:
    """One request's answer under way."""

    def __init__(self, ports: InferencePorts, may: Grant, request: InferenceRequest) -> None:
        self._ports = ports
        self._grant = may
        self.actor = may.actor
        self.request = request
        self.model: CatalogModel | None = None
        self._leased: Leased | None = None
        self.prompt_tokens: list[int] = []
        self._completion_tokens = [0] * len(request.sequences)
        self._streams: list[AsyncGenerator[GenerationEvent, None]] = []
        self._pumps: list[asyncio.Task[None]] = []
        self._merged: asyncio.Queue[tuple[int, AnswerEvent | Exception]] = asyncio.Queue(64)
        self._held = AsyncExitStack()
        self._started_us = ports.clock.utc_us()
        self._started = ports.clock.monotonic()
        self._first_delta: float | None = None
        self._ended = False
        self.deadline = asyncio.get_running_loop().time() + ports.timeout_s
        self._late = Deadline(self.deadline)

    @property
    def model_id(self) -> str:
        if self.model is None:
            raise RuntimeError("no model was leased yet")
        return self.model.id

    @property
    def digest(self) -> str:
        if self.model is None:
            raise RuntimeError("no model was leased yet")
        return self.model.digest

    @contextmanager
    def within_time(self) -> Iterator[None]:
        """Turn the deadline's TimeoutError into the refusal that clients see."""
        try:
            yield
        except TimeoutError:
            raise self._ports.timed_out() from None

    async def begin(self) -> None:
        """Lease an engine, send it the sequences and wait until it has accepted each of them."""
        request = self.request
        asking = Asking(self.actor, request.request_id, request.model, len(request.sequences))
        leased = await lease(self._ports, asking, self._held)
        self.model, self._leased = leased.model, leased
        self._streams = [leased.engine.generate(self._grant, s) for s in request.sequences]
        firsts = await _all_or_none([anext(stream) for stream in self._streams])
        for first in firsts:
            if not isinstance(first, Started):
                raise RuntimeError(f"an engine began with {type(first).__name__}")
            self.prompt_tokens.append(first.prompt_tokens)

    async def events(self) -> AsyncIterator[tuple[int, AnswerEvent]]:
        """Yield ``(index of the sequence, event)`` as they come, until every sequence finished.

        Raises WorkerLost or RequestTimeout; whatever ends it, the sequences are cancelled, the
        model is free again and the usage is recorded.
        """
        outcome = "cancelled"
        unfinished = len(self._streams)
        try:
            while unfinished:
                try:
                    index, event = await self._next()
                except TimeoutError:
                    raise self._ports.timed_out() from None
                self._count(index, event)
                unfinished -= isinstance(event, Finished)
                yield index, event
            outcome = "answered"
        except Refusal as refusal:
            outcome = refusal.code
            raise
        finally:
            await self.end(outcome)

    async def aclose(self) -> None:
        """Cancel whatever still runs. May be called any number of times."""
        await self.end("cancelled")

    async def end(self, outcome: str) -> None:
        """Close the streams, give the model back, write the usage row: once."""
        if self._ended:
            return
        self._ended = True
        self._late.close()
        for pump in self._pumps:
            pump.cancel()
        if self._pumps:
            await asyncio.wait(self._pumps)
        for stream in self._streams:
            await stream.aclose()
        await self._held.aclose()
        if self._leased is not None:
            if outcome == "answered":
                self._ports.serving.answered(self._leased.model.id)
            self._ports.usage.add(self._usage(self._leased, outcome))

    async def _next(self) -> tuple[int, AnswerEvent]:
        with self._late:
            if len(self._streams) == 1:
                return 0, _answer(await anext(self._streams[0]))
            if not self._pumps:
                self._pumps = [
                    asyncio.create_task(self._pump(index, stream))
                    for index, stream in enumerate(self._streams)
                ]
            index, event = await self._merged.get()
            if isinstance(event, BaseException):
                raise event
            return index, event

    async def _pump(self, index: int, stream: AsyncGenerator[GenerationEvent, None]) -> None:
        try:
            async for event in stream:
                await self._merged.put((index, _answer(event)))
        except Exception as error:  # noqa: BLE001 - raised again by `_next`, in the consumer's task
            await self._merged.put((index, error))

    def _count(self, index: int, event: AnswerEvent) -> None:
        if isinstance(event, Finished):
            self._completion_tokens[index] = event.completion_tokens
            return
        if isinstance(event, Echoed):
            return
        if self._first_delta is None:
            self._first_delta = self._ports.clock.monotonic()
        if not isinstance(event, CallBegun):
            self._completion_tokens[index] += event.tokens

    def _usage(self, leased: Leased, outcome: str) -> UsageRow:
        now = self._ports.clock.monotonic()
        first, model = self._first_delta, leased.model
        tokens = map(sum, zip(self.prompt_tokens, self._completion_tokens, strict=False))
        return UsageRow(
            request_id=self.request.request_id,
            actor=self.actor.id,
            model_id=model.id,
            digest=model.digest,
            prompt_tokens=sum(self.prompt_tokens),
            completion_tokens=sum(self._completion_tokens),
            started_us=self._started_us,
            ttft_ms=None if first is None else round((first - self._started) * 1000),
            duration_ms=round((now - self._started) * 1000),
            outcome=outcome,
            asked=leased.asked(self.request.model, max(tokens, default=0)),
        )


def _answer(event: GenerationEvent) -> AnswerEvent:
    if isinstance(event, Started):
        raise RuntimeError("an engine started one sequence twice")
    return event


def isolated(request: InferenceRequest, actor: Actor) -> InferenceRequest:
    """The same request, whose prompts no other actor's request can be answered from."""
    own = tuple(replace(one, cache_scope=actor.id) for one in request.sequences)
    return replace(request, sequences=own)


def _outcome_of(error: BaseException) -> str:
    return error.code if isinstance(error, Refusal) else "cancelled"


async def _all_or_none(
    firsts: list[Coroutine[Any, Any, GenerationEvent]],
) -> list[GenerationEvent]:
    """Await all of them; the first failure cancels the others and is raised as it is."""
    tasks = [asyncio.ensure_future(first) for first in firsts]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
