"""/authority/models: look at models, whether they fit, load, unload, verify, ask for deletion."""

from typing import Any

from fastapi import APIRouter, Request

from app.routers.authority.bodies import Delete, Fit, Load, Nothing
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import (
    KeyedRoute,
    Keyholder,
    UseCases,
    name_subject,
    request_id_of,
)

router = APIRouter(
    prefix="/authority/models", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)


@router.get("")
async def list_models(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Every model of the catalog and its state."""
    return {"models": await services.reading.models(actor)}


@router.post("/fit")
async def fit(body: Fit, request: Request, services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """The verdict on loading a model, with its arithmetic; nothing is loaded."""
    name_subject(request, body.model or body.path or "")
    return await services.reading.fit(
        actor, model=body.model, path=body.path, context=body.context, slots=body.slots
    )


@router.post("/{model_id:path}/load")
async def load(
    model_id: str,
    request: Request,
    services: UseCases,
    actor: Keyholder,
    body: Load | None = None,
) -> dict[str, Any]:
    """Load a model and wait until it answers."""
    name_subject(request, model_id)
    asked = body or Load()
    return await services.execution.load(
        actor, model_id, context=asked.context, slots=asked.slots, pinned=asked.pinned
    )


@router.post("/{model_id:path}/unload")
async def unload(
    model_id: str,
    request: Request,
    services: UseCases,
    actor: Keyholder,
    body: Nothing | None = None,  # noqa: ARG001 - parsed so that anything in it is refused
) -> dict[str, Any]:
    """Drain a model, stop its worker, free its memory."""
    name_subject(request, model_id)
    return await services.execution.unload(actor, model_id)


@router.post("/{model_id:path}/verify")
async def verify(
    model_id: str,
    request: Request,
    services: UseCases,
    actor: Keyholder,
    body: Nothing | None = None,  # noqa: ARG001 - parsed so that anything in it is refused
) -> dict[str, Any]:
    """Hash a model's files again and compare with its manifest."""
    name_subject(request, model_id)
    return await services.execution.verify(actor, model_id)


@router.delete("/{model_id:path}", status_code=202)
async def delete(
    model_id: str,
    request: Request,
    services: UseCases,
    actor: Keyholder,
    body: Delete | None = None,
) -> dict[str, Any]:
    """Ask for a model's deletion. The answer is the ask: nothing happens before it is approved."""
    name_subject(request, model_id)
    asked = body or Delete()
    return await services.housekeeping.delete(
        actor,
        model_id,
        drain=asked.drain,
        reason=asked.reason,
        request_id=request_id_of(request),
    )


@router.get("/{model_id:path}")
async def show_model(
    model_id: str, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """One model with its files and its shape."""
    name_subject(request, model_id)
    return await services.reading.model(actor, model_id)
