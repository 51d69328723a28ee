"""/authority/keys: list them; creating and revoking are asks."""

from typing import Any, NoReturn

from fastapi import APIRouter, Request

from app.routers.authority.bodies import CreateKey, Nothing
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import (
    KeyedRoute,
    Keyholder,
    UseCases,
    name_subject,
    request_id_of,
)

router = APIRouter(
    prefix="/authority/keys", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)


@router.get("")
async def list_keys(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Every key, active or revoked, without secrets."""
    return {"keys": await services.reading.keys(actor)}


@router.post("", response_model=None)
async def create_key(
    body: CreateKey, request: Request, services: UseCases, actor: Keyholder
) -> NoReturn:
    """Ask for a key: refused with the ask's id, nothing is made before it is approved."""
    name_subject(request, f"key {body.name}")
    await services.approvers.create_key(
        actor, body.name, body.roles, body.person, request_id_of(request)
    )


@router.post("/{key_id}/revoke", response_model=None)
async def revoke_key(
    key_id: str, body: Nothing, request: Request, services: UseCases, actor: Keyholder
) -> NoReturn:
    """Ask for a key's end: refused with the ask's id, nothing ends before it is approved."""
    del body
    name_subject(request, f"key {key_id}")
    await services.approvers.revoke_key(actor, key_id, request_id_of(request))
