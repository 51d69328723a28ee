"""/authority/models/NAME/aliases, terms, pin, note: what people say about a model."""

from typing import Any

from fastapi import APIRouter, Request

from app.routers.authority.bodies import Alias, Note, Pin, Terms
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases, name_subject

router = APIRouter(
    prefix="/authority/models", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)


@router.put("/{model_id:path}/aliases/{alias}")
async def put_alias(  # noqa: PLR0917 - FastAPI names each parameter
    model_id: str,
    alias: str,
    request: Request,
    services: UseCases,
    actor: Keyholder,
    body: Alias | None = None,
) -> dict[str, Any]:
    """Let a name lead to the model; one that leads to another model is moved."""
    name_subject(request, model_id)
    then = body.then if body is not None else []
    return await services.housekeeping.put_alias(actor, model_id, alias, then)


@router.delete("/{model_id:path}/aliases/{alias}")
async def remove_alias(
    model_id: str, alias: str, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Let a name lead nowhere again."""
    name_subject(request, model_id)
    return await services.housekeeping.remove_alias(actor, model_id, alias)


@router.put("/{model_id:path}/terms")
async def set_terms(
    model_id: str, body: Terms, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """What a load of the model gets that says nothing, and how long it may idle."""
    name_subject(request, model_id)
    said = body.model_dump(exclude_unset=True)
    return await services.housekeeping.set_terms(actor, model_id, **said)


@router.put("/{model_id:path}/pin")
async def pin(
    model_id: str, body: Pin, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """A pinned model is not deleted, and once loaded makes no room for others."""
    name_subject(request, model_id)
    return await services.housekeeping.pin(actor, model_id, pinned=body.pinned)


@router.put("/{model_id:path}/note")
async def note(
    model_id: str, body: Note, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """One line about the model; an empty one takes it away."""
    name_subject(request, model_id)
    return await services.housekeeping.note(actor, model_id, body.note)
