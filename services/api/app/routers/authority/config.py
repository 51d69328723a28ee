"""/authority/config: the settings in force, and reading their file anew."""

from typing import Any

from fastapi import APIRouter, Request

from app.routers.authority.bodies import Nothing
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import (
    KeyedRoute,
    Keyholder,
    UseCases,
    name_subject,
    request_id_of,
)

router = APIRouter(
    prefix="/authority/config", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)


@router.get("")
async def show_config(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Each setting in force, where it came from, and what its file says by now."""
    return await services.configuring.standing(actor)


@router.post("/reload")
async def reload_config(
    body: Nothing, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Read the file anew: what needs no restart is in force then, and the rest is named."""
    del body
    name_subject(request, "config.yaml")
    return await services.configuring.reload(actor, request_id_of(request))
