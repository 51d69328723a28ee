"""/authority/status: what the server is doing now."""

from typing import Any

from fastapi import APIRouter

from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases

router = APIRouter(
    prefix="/authority", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)


@router.get("/status")
async def show_status(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Uptime, memory, ledger and every resident model."""
    return await services.reading.status(actor)
