"""POST /v1/chat/completions and /v1/completions."""

from fastapi import APIRouter, Request

from app.domain.actors import Actor
from app.routers.dependencies import Client, Services, UseCases, name_subject, request_id_of
from app.routers.openai.answer import Answer, Asked
from app.routers.openai.documents import ERRORS, body_of
from app.routers.openai.parsing import parse
from app.routers.openai.schemas import ChatRequest, CompletionRequest
from app.routers.openai.wire import CHAT, LEGACY, Shape

router = APIRouter(prefix="/v1", tags=["openai"], responses=ERRORS)


@router.post("/chat/completions", openapi_extra=body_of(ChatRequest))
async def chat_completions(request: Request, services: UseCases, actor: Client) -> Answer:
    """Answer a conversation. Streams server-sent events when `stream` is true."""
    return await _answer(request, services, actor, ChatRequest, CHAT)


@router.post("/completions", openapi_extra=body_of(CompletionRequest))
async def completions(request: Request, services: UseCases, actor: Client) -> Answer:
    """Continue a prompt: text, token ids, or a list of either."""
    return await _answer(request, services, actor, CompletionRequest, LEGACY)


async def _answer(
    request: Request,
    services: Services,
    actor: Actor,
    kind: type[ChatRequest] | type[CompletionRequest],
    shape: Shape,
) -> Answer:
    ask = parse(kind, await request.body())
    name_subject(request, ask.model)
    asked = Asked(
        actor=actor,
        request=ask.to_domain(request_id_of(request)),
        shape=shape,
        choices=ask.choices,
        stream=bool(ask.stream),
        include_usage=ask.include_usage,
    )
    return Answer(services, asked)
