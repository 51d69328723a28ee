"""POST /v1/chat/completions and /v1/completions."""

import time

from fastapi import APIRouter, Request

from app.routers.answering import Answer, Asked
from app.routers.dependencies import ClientRoute, actor_of, name_subject, request_id_of, services_of
from app.routers.inference_ports import Generation
from app.routers.openai.documents import ERRORS, STREAMED, body_of
from app.routers.openai.parsing import parse
from app.routers.openai.schemas import ChatRequest, CompletionRequest
from app.routers.openai.wire import CHAT, LEGACY, Envelope, OpenAIWriter, Shape

# These two routes are the hot path: they parse by themselves and take nothing by injection.
router = APIRouter(prefix="/v1", tags=["openai"], responses=ERRORS, route_class=ClientRoute)


@router.post(
    "/chat/completions", openapi_extra=body_of(ChatRequest), responses=STREAMED, response_model=None
)
async def chat_completions(request: Request) -> Answer:
    """Answer a conversation. Streams server-sent events when `stream` is true."""
    return Answer(services_of(request), await asked_by(request, ChatRequest, CHAT))


@router.post(
    "/completions",
    openapi_extra=body_of(CompletionRequest),
    responses=STREAMED,
    response_model=None,
)
async def completions(request: Request) -> Answer:
    """Continue a prompt: text, token ids, or a list of either."""
    return Answer(services_of(request), await asked_by(request, CompletionRequest, LEGACY))


async def asked_by(
    request: Request, kind: type[ChatRequest] | type[CompletionRequest], shape: Shape
) -> Asked:
    """What a request in OpenAI's shape asks for, on whatever route it came. Raises Refusals."""
    ask = parse(kind, await request.body())
    name_subject(request, ask.model)
    return Asked(
        actor=actor_of(request),
        request=ask.to_domain(request_id_of(request)),
        writer=lambda generation: OpenAIWriter(_envelope(ask, generation, request, shape)),
        choices=ask.choices,
        stream=bool(ask.stream),
    )


def _envelope(
    ask: ChatRequest | CompletionRequest, generation: Generation, request: Request, shape: Shape
) -> Envelope:
    return Envelope(
        shape=shape,
        request_id=request_id_of(request),
        created=int(time.time()),
        model=generation.model_id,
        fingerprint=f"fp_{generation.digest[:16]}",
        sequences=len(generation.prompt_tokens),
        include_usage=ask.include_usage,
        logprobs=ask.told_logprobs,
    )
