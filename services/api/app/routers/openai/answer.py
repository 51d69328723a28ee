"""Answers a request on /v1: opens the generation, writes it streamed or whole, cancels on leave."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.domain.actors import Actor
from app.domain.generation import Finished, FinishReason, InferenceRequest
from app.domain.refusals import Refusal
from app.routers.dependencies import Generation, Services
from app.routers.disconnect import while_connected
from app.routers.errors import fault_of
from app.routers.openai.funnel import Funnel
from app.routers.openai.wire import (
    DONE,
    PING,
    Chunks,
    Envelope,
    Event,
    Shape,
    error_event,
    usage_of,
)
from app.routers.refused import note_refusal

log = logging.getLogger(__name__)

QUIET_S = 10.0
"""After so long without text a comment keeps proxies and clients from giving up."""

_SSE_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"x-accel-buffering", b"no"),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request on /v1, parsed."""

    actor: Actor
    request: InferenceRequest
    shape: Shape
    choices: int
    stream: bool
    include_usage: bool


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
        try:
            funnel = Funnel(generation.events(), quiet_s=QUIET_S)
            try:
                await (self._streamed if asked.stream else self._whole)(
                    generation, funnel, scope, send
                )
            finally:
                await funnel.aclose()
        finally:
            await generation.aclose()
            self._services.metrics.generated(
                prompt_tokens=self._tally.prompt_tokens(generation),
                completion_tokens=self._tally.completion_tokens,
            )

    async def _whole(
        self, generation: Generation, funnel: Funnel, scope: Scope, send: Send
    ) -> None:
        texts: list[list[str]] = [[] for _ in self._asked.request.sequences]
        while (events := await funnel.take()) is not None:
            self._count(events)
            for index, event in events:
                if not isinstance(event, Finished):
                    texts[index].append(event.text)
        reasons = self._tally.reasons()
        choices = [
            self._asked.shape.choice(index, "".join(parts), reasons[index])
            for index, parts in enumerate(texts)
        ]
        body = self._envelope(generation).whole(choices, self._tally.usage(generation))
        await Response(body, media_type="application/json")(scope, _nothing_more, send)

    async def _streamed(
        self, generation: Generation, funnel: Funnel, scope: Scope, send: Send
    ) -> None:
        chunks = Chunks(
            self._envelope(generation),
            sequences=len(self._asked.request.sequences),
            with_usage=self._asked.include_usage,
        )
        events = await funnel.take()  # what it raises is still a proper HTTP error
        await send({"type": "http.response.start", "status": 200, "headers": _SSE_HEADERS})
        await _write(send, chunks.opening().encode())
        try:
            while events is not None:
                self._count(events)
                if chunk := chunks.batch(events).encode() if events else PING:
                    await _write(send, chunk)
                events = await funnel.take()
            self._tally.reasons()
            await _write(send, chunks.usage(self._tally.usage(generation)).encode() + DONE)
        except Exception as error:  # noqa: BLE001 - the answer has begun: an event must say it
            await _write(send, await self._last_word(error, scope))
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _last_word(self, error: Exception, scope: Scope) -> bytes:
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
        return error_event(fault_of(error, path=scope["path"]))

    def _count(self, events: Sequence[Event]) -> None:
        if events and not self._tally.began:
            self._services.metrics.first_token(time.monotonic() - self._began)
        self._tally.add(events)

    def _envelope(self, generation: Generation) -> Envelope:
        return Envelope(
            shape=self._asked.shape,
            request_id=self._asked.request.request_id,
            created=int(time.time()),
            model=generation.model_id,
            fingerprint=f"fp_{generation.digest[:16]}",
        )


class _Tally:
    """How each choice ended, and what that adds up to."""

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

    def reasons(self) -> list[FinishReason]:
        """The finish reason of every choice; a choice without one is a defect, not an answer."""
        ends = [end.reason for end in self._ends if end]
        if len(ends) != len(self._ends):
            raise RuntimeError("a generation ended without finishing every sequence")
        return ends

    def prompt_tokens(self, generation: Generation) -> int:
        """A prompt that `n` choices share counts once."""
        return sum(generation.prompt_tokens[:: self._choices])

    def usage(self, generation: Generation) -> dict[str, int]:
        return usage_of(
            prompt_tokens=self.prompt_tokens(generation),
            completion_tokens=self.completion_tokens,
        )


async def _write(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _nothing_more() -> dict[str, str]:
    return {"type": "http.disconnect"}
