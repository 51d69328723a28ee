"""/authority/keys: list, create and revoke."""

from typing import Any

from fastapi import APIRouter, Request

from app.routers.authority.bodies import CreateKey, RevokeKey
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases, name_subject

router = APIRouter(
    prefix="/authority/keys", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)


@router.get("")
async def list_keys(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Every key, active or revoked, without secrets."""
    return {"keys": await services.reading.keys(actor)}


@router.post("")
async def create_key(
    body: CreateKey, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Make a key. Its secret is in this answer and nowhere else."""
    name_subject(request, f"key {body.name}")
    return await services.execution.create_key(actor, body.name, body.roles, body.confirmation)


@router.post("/{key_id}/revoke")
async def revoke_key(
    key_id: str, body: RevokeKey, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """End a key; what it may do ends with the answer."""
    name_subject(request, f"key {key_id}")
    return await services.execution.revoke_key(actor, key_id, body.confirmation)
