"""POST /v1/messages and /v1/messages/count_tokens."""

from typing import Any

from fastapi import APIRouter, Request

from app.domain.work import Tokenize, Tokens
from app.routers.answering import Answer, Asked
from app.routers.anthropic.documents import ERRORS
from app.routers.anthropic.schemas import CountRequest, MessagesRequest
from app.routers.anthropic.wire import AnthropicWriter, Header
from app.routers.dependencies import ClientRoute, actor_of, name_subject, request_id_of, services_of
from app.routers.inference_ports import Generation
from app.routers.openai.documents import STREAMED, body_of
from app.routers.openai.parsing import parse

router = APIRouter(
    prefix="/v1/messages", tags=["anthropic"], responses=ERRORS, route_class=ClientRoute
)


@router.post("", openapi_extra=body_of(MessagesRequest), responses=STREAMED, response_model=None)
async def messages(request: Request) -> Answer:
    """Answer a conversation. Streams named events when `stream` is true."""
    ask = parse(MessagesRequest, await request.body())
    name_subject(request, ask.model)
    asked = Asked(
        actor=actor_of(request),
        request=ask.to_domain(request_id_of(request)),
        writer=lambda generation: AnthropicWriter(_header(generation, request)),
        stream=bool(ask.stream),
    )
    return Answer(services_of(request), asked)


@router.post("/count_tokens", openapi_extra=body_of(CountRequest))
async def count_tokens(request: Request) -> dict[str, Any]:
    """How many tokens the model would read for this conversation."""
    ask = parse(CountRequest, await request.body())
    name_subject(request, ask.model)
    work = Tokenize(ask.prompt())
    done = await services_of(request).computing.compute(
        actor_of(request), request_id_of(request), ask.model, [work]
    )
    (result,) = done.results
    if not isinstance(result, Tokens):
        raise TypeError(f"a model answered Tokenize with {type(result).__name__}")
    return {"input_tokens": len(result.tokens)}


def _header(generation: Generation, request: Request) -> Header:
    return Header(
        request_id=request_id_of(request),
        model=generation.model_id,
        prompt_tokens=sum(generation.prompt_tokens),
    )
