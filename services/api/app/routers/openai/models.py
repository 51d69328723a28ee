"""GET /v1/models and /v1/models/{id}: what a client may name."""

from typing import Any

from fastapi import APIRouter, Request

from app.domain.models import CatalogModel
from app.domain.refusals import ModelNotFound
from app.routers.dependencies import ClientRoute, UseCases, actor_of, name_subject
from app.routers.openai.documents import ERRORS

router = APIRouter(prefix="/v1/models", tags=["openai"], responses=ERRORS, route_class=ClientRoute)


@router.get("")
async def served_models(request: Request, services: UseCases) -> dict[str, Any]:
    """Every model and alias that a request may name, loaded or not."""
    models = await services.reading.served_models(actor_of(request))
    return {"object": "list", "data": [_entry(model) for model in models]}


@router.get("/{model_id:path}")
async def served_model(model_id: str, request: Request, services: UseCases) -> dict[str, Any]:
    """One of them; ids contain slashes."""
    name_subject(request, model_id)
    for model in await services.reading.served_models(actor_of(request)):
        if model.id == model_id:
            return _entry(model)
    raise ModelNotFound(
        f"The model {model_id[:200]!r} does not exist; GET /v1/models lists those that do.",
        param="model",
    )


def _entry(model: CatalogModel) -> dict[str, Any]:
    publisher, slash, _ = model.id.partition("/")
    return {
        "id": model.id,
        "object": "model",
        "created": model.created,
        "owned_by": publisher if slash else "lmx",
    }
