"""/authority/store: what takes the disk, what is in the trash, putting back, asking for purges."""

from typing import Any

from fastapi import APIRouter, Request

from app.routers.authority.bodies import Purge, Restore
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import (
    KeyedRoute,
    Keyholder,
    UseCases,
    name_subject,
    request_id_of,
)

router = APIRouter(
    prefix="/authority/store", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)


@router.get("")
async def show_store(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Disk use per model, shared, in the trash and of what nobody refers to."""
    return await services.housekeeping.store(actor)


@router.get("/trash")
async def show_trash(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """What was deleted and can be restored, and until when."""
    return await services.housekeeping.trashed(actor)


@router.post("/restore")
async def restore(
    body: Restore, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Put a deleted model back: named by its entry in the trash or by its own name."""
    name_subject(request, body.trash)
    return await services.housekeeping.restore(actor, body.trash)


@router.post("/purge", status_code=202)
async def purge(
    body: Purge, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Ask for a purge. The answer is the ask: nothing is removed before it is approved."""
    name_subject(request, body.what)
    return await services.housekeeping.purge(
        actor, body.what, reason=body.reason, request_id=request_id_of(request)
    )
