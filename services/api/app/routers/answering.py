"""Answers a request of any surface: opens the generation, writes it streamed or whole, cancels.

What a surface adds is a `Writer`: the bytes. Everything else (refusals before the first byte, the
watch for a client that leaves, quiet times, metrics) is the same for all of them and is here.
"""

import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.domain.actors import Actor
from app.domain.generation import (
    AnswerEvent,
    CallArguments,
    CallBegun,
    Delta,
    Echoed,
    Finished,
    InferenceRequest,
    Reasoning,
    TokenLogprob,
)
from app.domain.refusals import Refusal
from app.routers.dependencies import Services
from app.routers.disconnect import while_connected
from app.routers.errors import Fault, fault_of
from app.routers.funnel import Funnel
from app.routers.inference_ports import Generation
from app.routers.refused import note_refusal

log = logging.getLogger(__name__)

QUIET_S = 10.0
"""After so long without text a comment keeps proxies and clients from giving up."""

PING = b": ping\n\n"

_SSE_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]

Event = tuple[int, AnswerEvent]
"""The index of a sequence and what it says."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one request. A prompt that several choices share counts once."""

    prompt_tokens: int
    completion_tokens: int
    cached_tokens: int = 0
    reasoning_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens


@dataclass(slots=True)
class Call:
    """One call of a tool; `arguments` is a JSON object as text."""

    id: str
    name: str
    arguments: str = ""


@dataclass(slots=True)
class Said:
    """Everything one sequence said so far."""

    text: str = ""
    reasoning: str = ""
    calls: list[Call] = field(default_factory=list)
    logprobs: list[TokenLogprob] = field(default_factory=list)
    echoed: Echoed | None = None
    end: Finished | None = None

    def add(self, event: AnswerEvent) -> None:
        match event:
            case Delta(text=text, logprobs=logprobs):
                self.text += text
                self.logprobs += logprobs
            case Reasoning(text=text):
                self.reasoning += text
            case CallBegun(id=name_of_call, name=name):
                self.calls.append(Call(name_of_call, name))
            case CallArguments(index=index, text=text):
                self.calls[index].arguments += text
            case Echoed():
                self.echoed = event
            case Finished():
                self.end = event


class Writer(Protocol):
    """The bytes of one answer on one surface, made once its generation was opened."""

    def opening(self) -> bytes:
        """What a stream begins with, before anything was generated."""

    def events(self, events: Sequence[Event]) -> bytes:
        """The next part of a stream: everything that came since the last."""

    def closing(self, usage: Usage) -> bytes:
        """The end of a stream; every sequence has finished."""

    def failing(self, fault: Fault) -> bytes:
        """The last word of a stream that broke off. Nothing follows it."""

    def whole(self, said: Sequence[Said], usage: Usage) -> bytes:
        """An answer that is not streamed, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request, parsed. `choices` is how many sequences share one prompt."""

    actor: Actor
    request: InferenceRequest
    writer: Callable[[Generation], Writer]
    choices: int = 1
    stream: bool = False
    settle: Callable[[], Awaitable[None]] | None = None
    """Done once the answer is complete, before its end is told."""


class Answer(Response):
    """Does its work while it is being sent, so that one watch for the client covers all of it.

    Refusals up to the first event leave as exceptions and become proper HTTP errors.
    """

    def __init__(self, services: Services, asked: Asked) -> None:
        super().__init__()
        self._services = services
        self._asked = asked
        self._began = time.monotonic()
        self._tally = _Tally(asked)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await while_connected(receive, self._work(scope, send))

    async def _work(self, scope: Scope, send: Send) -> None:
        asked = self._asked
        generation = await self._services.inference.open(asked.actor, asked.request)
        writer = asked.writer(generation)
        try:
            funnel = Funnel(generation.events(), quiet_s=QUIET_S)
            try:
                if asked.stream:
                    await self._streamed(generation, writer, funnel, scope, send)
                else:
                    await self._whole(generation, writer, funnel, scope, send)
            finally:
                await funnel.aclose()
        finally:
            await generation.aclose()
            self._services.metrics.generated(
                model=generation.model_id,
                prompt_tokens=self._tally.prompt_tokens(generation),
                completion_tokens=self._tally.completion_tokens,
            )

    async def _whole(
        self, generation: Generation, writer: Writer, funnel: Funnel, scope: Scope, send: Send
    ) -> None:
        said = [Said() for _ in self._asked.request.sequences]
        while (events := await funnel.take()) is not None:
            self._count(events)
            for index, event in events:
                said[index].add(event)
        body = writer.whole(said, self._tally.usage(generation))
        await self._settle()
        await Response(body, media_type="application/json")(scope, _nothing_more, send)

    async def _streamed(
        self, generation: Generation, writer: Writer, funnel: Funnel, scope: Scope, send: Send
    ) -> None:
        events = await funnel.take()  # what it raises is still a proper HTTP error
        await send({"type": "http.response.start", "status": 200, "headers": _SSE_HEADERS})
        await _write(send, writer.opening())
        try:
            while events is not None:
                self._count(events)
                if chunk := writer.events(events) if events else PING:
                    await _write(send, chunk)
                events = await funnel.take()
            last = writer.closing(self._tally.usage(generation))
            await self._settle()
            await _write(send, last)
        except Exception as error:  # noqa: BLE001 - the answer has begun: an event must say it
            await _write(send, await self._last_word(writer, error, scope))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _settle(self) -> None:
        if self._asked.settle is not None:
            await self._asked.settle()

    async def _last_word(self, writer: Writer, error: Exception, scope: Scope) -> bytes:
        request = self._asked.request
        if isinstance(error, Refusal):
            await note_refusal(
                self._services,
                error,
                actor=self._asked.actor,
                subject=request.model,
                request_id=request.request_id,
            )
        else:
            log.error("request %s failed while streaming", request.request_id, exc_info=error)
        fault = fault_of(error, path=scope["path"])
        scope["state"]["code"] = fault.code  # for the log: its status is 200
        return writer.failing(fault)

    def _count(self, events: Sequence[Event]) -> None:
        if events and not self._tally.began:
            self._services.metrics.first_token(time.monotonic() - self._began)
        self._tally.add(events)


class _Tally:
    """How each sequence ended, and what that adds up to."""

    def __init__(self, asked: Asked) -> None:
        self.began = False
        self._choices = asked.choices
        self._ends: list[Finished | None] = [None] * len(asked.request.sequences)

    @property
    def completion_tokens(self) -> int:
        return sum(end.completion_tokens for end in self._ends if end)

    def add(self, events: Sequence[Event]) -> None:
        for index, event in events:
            self.began = True
            if isinstance(event, Finished):
                self._ends[index] = event

    def prompt_tokens(self, generation: Generation) -> int:
        return sum(generation.prompt_tokens[:: self._choices])

    def usage(self, generation: Generation) -> Usage:
        """A sequence without an end is a defect, not an answer."""
        ends = [end for end in self._ends if end]
        if len(ends) != len(self._ends):
            raise RuntimeError("a generation ended without finishing every sequence")
        return Usage(
            prompt_tokens=self.prompt_tokens(generation),
            completion_tokens=self.completion_tokens,
            cached_tokens=sum(end.cached_tokens for end in ends[:: self._choices]),
            reasoning_tokens=sum(end.reasoning_tokens for end in ends),
        )


async def _write(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _nothing_more() -> dict[str, str]:
    return {"type": "http.disconnect"}
