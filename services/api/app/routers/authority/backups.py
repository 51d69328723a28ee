"""/authority/backups: what was backed up while the server ran goes on record."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from app.routers.authority.bodies import Strict
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases, name_subject

router = APIRouter(
    prefix="/authority", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)

_Count = Annotated[int, Field(ge=0, le=2**53 - 1)]
_Digest = Annotated[str, Field(max_length=64)]


class Backup(Strict):
    """`size` and `root`: the events that it holds, and the root hash over them, in hex."""

    name: Annotated[str, Field(min_length=1, max_length=100, pattern="^[A-Za-z0-9._-]+$")]
    manifest: _Digest
    size: _Count
    root: _Digest
    size_bytes: _Count


@router.post("/backups")
async def record_backup(
    body: Backup, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Put a backup on record. Refused unless this ledger had that root at that size."""
    name_subject(request, f"backup {body.name}")
    return await services.backups.record(actor, **body.model_dump())
