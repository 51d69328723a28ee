"""/authority/models/adopt: models that other programs keep, used where they lie."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request
from pydantic import Field

from app.routers.authority.bodies import Name, Strict
from app.routers.authority.documents import PROBLEMS
from app.routers.authority.imports import Lines
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


class Adopt(Strict):
    """`what`: the absolute path of the model's directory, or its name in the usual cache."""

    program: Literal["hf", "lmstudio"]
    what: Annotated[str, Field(min_length=1, max_length=4096)]
    name: Name | None = None


@router.get("/adopt")
async def adoptable(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """What the usual caches of other programs hold, and why some of it cannot be adopted."""
    return await services.housekeeping.adoptable(actor)


@router.post("/adopt", response_class=Lines, status_code=200)
async def adopt(body: Adopt, request: Request, services: UseCases, actor: Keyholder) -> Lines:
    """Hash a model where it lies and record it. Leaving cancels it; nothing is ever copied."""
    subject = body.name or body.what
    name_subject(request, subject)
    return Lines(
        services,
        services.housekeeping.adopt(actor, body.program, body.what, body.name),
        actor=actor,
        subject=subject,
        request_id=request_id_of(request),
    )
