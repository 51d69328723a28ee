"""/api/v0: LM Studio's older surface. OpenAI's bodies and errors, with figures beside."""

from dataclasses import replace
from typing import Any

from fastapi import APIRouter, Request

from app.routers.answering import Answer, Asked, Writer
from app.routers.dependencies import ClientRoute, UseCases, actor_of, name_subject, services_of
from app.routers.inference_ports import Generation
from app.routers.lmstudio.described import known, listed, v0_entry
from app.routers.lmstudio.measured import measured, measuring
from app.routers.lmstudio.stats_writer import StatsWriter
from app.routers.openai import embeddings as openai_embeddings
from app.routers.openai.completions import asked_by
from app.routers.openai.documents import ERRORS, STREAMED, body_of
from app.routers.openai.schemas import ChatRequest, CompletionRequest
from app.routers.openai.wire import CHAT, LEGACY
from app.routers.openai.work import WorkAnswer

router = APIRouter(prefix="/api/v0", tags=["lm studio"], responses=ERRORS, route_class=ClientRoute)


@router.get("/models")
async def list_models(request: Request, services: UseCases) -> dict[str, Any]:
    """Every model that these routes can ask, loaded or not."""
    models = await services.reading.described_models(actor_of(request))
    return {"object": "list", "data": [v0_entry(model) for model in listed(models)]}


@router.get("/models/{model_id:path}")
async def show_model(model_id: str, request: Request, services: UseCases) -> dict[str, Any]:
    """One of them, by its id or an alias; ids contain slashes."""
    name_subject(request, model_id)
    models = await services.reading.described_models(actor_of(request))
    return v0_entry(known(listed(models), model_id))


@router.post(
    "/chat/completions", openapi_extra=body_of(ChatRequest), responses=STREAMED, response_model=None
)
async def chat_completions(request: Request) -> Answer:
    """Answer a conversation as /v1 does, with stats, model_info and runtime."""
    return _answer(request, await asked_by(request, ChatRequest, CHAT))


@router.post(
    "/completions",
    openapi_extra=body_of(CompletionRequest),
    responses=STREAMED,
    response_model=None,
)
async def completions(request: Request) -> Answer:
    """Continue a prompt as /v1 does, with stats, model_info and runtime."""
    return _answer(request, await asked_by(request, CompletionRequest, LEGACY))


@router.post(
    "/embeddings", openapi_extra=body_of(openai_embeddings.EmbeddingsRequest), response_model=None
)
async def embeddings(request: Request) -> WorkAnswer:
    """A vector of length 1 for each input, exactly as on /v1."""
    return WorkAnswer(services_of(request), await openai_embeddings.asked_by(request))


def _answer(request: Request, asked: Asked) -> Answer:
    services = services_of(request)
    max_tokens = asked.request.sequences[0].sampling.max_tokens

    def writer(generation: Generation) -> Writer:
        return StatsWriter(
            asked.writer(generation),
            measured(generation),
            max_tokens=max_tokens,
            version=services.version,
        )

    return Answer(measuring(services), replace(asked, writer=writer))
