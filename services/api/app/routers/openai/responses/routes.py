"""/v1/responses, and what is kept of them where the operator allows that."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request

from app.domain.actors import Actor
from app.routers.answering import Answer, Asked, Said
from app.routers.dependencies import (
    ClientRoute,
    Services,
    UseCases,
    actor_of,
    name_subject,
    request_id_of,
    services_of,
)
from app.routers.inference_ports import Generation
from app.routers.openai.documents import ERRORS, STREAMED, body_of
from app.routers.openai.parsing import parse
from app.routers.openai.responses.conversations import answer_of, input_items
from app.routers.openai.responses.schemas import ResponseRequest
from app.routers.openai.responses.wire import Header, ResponsesWriter

router = APIRouter(
    prefix="/v1/responses", tags=["openai"], responses=ERRORS, route_class=ClientRoute
)

Json = dict[str, Any]


@router.post("", openapi_extra=body_of(ResponseRequest), responses=STREAMED, response_model=None)
async def create_response(request: Request) -> Answer:
    """Answer an input. Streams typed events when `stream` is true."""
    ask = parse(ResponseRequest, await request.body())
    name_subject(request, ask.model)
    services, actor = services_of(request), actor_of(request)
    before: tuple[Mapping[str, Any], ...] = ()
    if ask.previous_response_id is not None:
        kept = await asyncio.to_thread(services.responses.get, actor, ask.previous_response_id)
        before = tuple(kept.messages)
    answering = _Answering(services, actor, ask, request_id_of(request), before)
    asked = Asked(
        actor=actor,
        request=ask.to_domain(request_id_of(request), before),
        writer=answering.writer,
        stream=bool(ask.stream),
        settle=answering.settle,
    )
    return Answer(services, asked)


@router.get("/{response_id}")
async def response(response_id: str, request: Request, services: UseCases) -> Json:
    """A response that was kept."""
    kept = await asyncio.to_thread(services.responses.get, actor_of(request), response_id)
    return dict(kept.body)


@router.get("/{response_id}/input_items")
async def response_input(response_id: str, request: Request, services: UseCases) -> Json:
    """What was sent for a response that was kept."""
    kept = await asyncio.to_thread(services.responses.get, actor_of(request), response_id)
    ids = [item["id"] for item in kept.input]
    return {
        "object": "list",
        "data": list(kept.input),
        "first_id": ids[0] if ids else None,
        "last_id": ids[-1] if ids else None,
        "has_more": False,
    }


@router.delete("/{response_id}")
async def delete_response(response_id: str, request: Request, services: UseCases) -> Json:
    """Delete a kept response and its text; later responses to it keep their conversation."""
    await asyncio.to_thread(services.responses.delete, actor_of(request), response_id)
    return {"id": response_id, "object": "response", "deleted": True}


class _Answering:
    """One response under way: its writer, and what is kept of it before it ends."""

    def __init__(
        self,
        services: Services,
        actor: Actor,
        ask: ResponseRequest,
        request_id: str,
        before: tuple[Mapping[str, Any], ...],
    ) -> None:
        self._responses = services.responses
        self._actor = actor
        self._ask = ask
        self._id = f"resp_{request_id}"
        self._before = before
        self._keeps = ask.store is not False and self._responses.keeps_for(actor)
        self._finished: tuple[Json, Said] | None = None

    def writer(self, generation: Generation) -> ResponsesWriter:
        header = Header(
            id=self._id,
            created=int(time.time()),
            model=generation.model_id,
            repeated=self._ask.repeated() | {"store": self._keeps},
        )
        return ResponsesWriter(header, self._note)

    def _note(self, body: Json, said: Said) -> None:
        self._finished = (body, said)

    async def settle(self) -> None:
        """Keep the response before its end is told, so that the next request finds it."""
        if not self._keeps or self._finished is None:
            return
        body, said = self._finished
        await asyncio.to_thread(
            self._responses.keep,
            self._actor,
            self._id,
            body,
            input_items(self._ask.input, self._id),
            [*self._before, *self._ask.messages(), answer_of(said)],
        )
