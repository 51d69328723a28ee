"""/api/v1/models: what there is, and bringing it into memory and out, by the authority's word."""

import time
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from app.routers.dependencies import (
    ClientRoute,
    KeyedRoute,
    UseCases,
    actor_of,
    name_subject,
)
from app.routers.lmstudio.described import V1_TYPES, known, listed, load_config, v1_entry
from app.routers.lmstudio.documents import ERRORS, Strict
from app.routers.lmstudio.fields import LOAD, refuse_unsupported
from app.routers.openai.documents import body_of
from app.routers.openai.parsing import parse

reads = APIRouter(
    prefix="/api/v1/models", tags=["lm studio"], responses=ERRORS, route_class=ClientRoute
)
acts = APIRouter(
    prefix="/api/v1/models", tags=["lm studio"], responses=ERRORS, route_class=KeyedRoute
)

Name = Annotated[str, Field(min_length=1, max_length=512)]
Tokens = Annotated[int, Field(ge=1, le=2**31 - 1)]


class Load(Strict):
    """`parallel`: how many sequences at once, which LM Studio shows and does not take."""

    model: Name
    context_length: Tokens | None = None
    parallel: Annotated[int, Field(ge=1, le=1024)] | None = None
    echo_load_config: bool | None = None
    eval_batch_size: Any = None
    flash_attention: Any = None
    offload_kv_cache_to_gpu: Any = None
    gpu: Any = None
    ttl: Any = None
    num_experts: Any = None
    draft_model: Any = None
    estimate_only: Any = None
    force: Any = None
    ignore_guardrails: Any = None
    identifier: Any = None


class Unload(Strict):
    instance_id: Name


@reads.get("")
async def list_models(request: Request, services: UseCases) -> dict[str, Any]:
    """Every model that these routes can ask, with what is loaded of it."""
    models = await services.reading.described_models(actor_of(request))
    return {"models": [v1_entry(model) for model in listed(models)]}


@acts.post("/load", openapi_extra=body_of(Load))
async def load(request: Request, services: UseCases) -> dict[str, Any]:
    """Load a model and wait until it answers. What is loaded on other terms is left as it is."""
    body = parse(Load, await request.body())
    name_subject(request, body.model)
    refuse_unsupported(LOAD, body.model_dump())
    actor, began = actor_of(request), time.monotonic()
    await services.execution.load(
        actor, body.model, context=body.context_length, slots=body.parallel, pinned=False
    )
    spent = time.monotonic() - began
    model = known(await services.reading.described_models(actor), body.model)
    answer = {
        "type": V1_TYPES.get(model["task"], model["task"]),
        "instance_id": model["id"],
        "load_time_seconds": round(spent, 3),
        "status": "loaded",
    }
    return answer | ({"load_config": load_config(model)} if body.echo_load_config else {})


@acts.post("/unload", openapi_extra=body_of(Unload))
async def unload(request: Request, services: UseCases) -> dict[str, Any]:
    """Let a model's answers end and take it out of memory."""
    body = parse(Unload, await request.body())
    name_subject(request, body.instance_id)
    done = await services.execution.unload(actor_of(request), body.instance_id)
    return {"instance_id": done["id"]}
