"""/authority/people, and the acts that keep or would shorten the ledger."""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from app.routers.authority.bodies import Nothing, Phrase, Strict
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases, name_subject

router = APIRouter(
    prefix="/authority", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)


class EraseName(Strict):
    confirmation: Phrase | None = None


class Rotate(Strict):
    confirmation: Phrase | None = None


class Prune(Strict):
    """Which events: those before this moment, in microseconds of UTC."""

    before_us: Annotated[int, Field(ge=0, le=2**53 - 1)]


@router.get("/people")
async def list_people(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Everybody there ever was; names that were erased are null."""
    return {"people": await services.custody.everybody(actor)}


@router.post("/people/{person}/erase")
async def erase_name(
    person: str, body: EraseName, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Delete a person's name for good. Events and proofs stay as they are."""
    name_subject(request, f"person {person}")
    return await services.custody.erase_name(actor, person, body.confirmation)


@router.post("/ledger/rotate")
async def rotate(
    body: Rotate, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Change the ledger's signing key; the checkpoint over the change is signed by both keys."""
    name_subject(request, "the ledger")
    return await services.custody.rotate(actor, body.confirmation)


@router.post("/ledger/prune")
async def prune(
    body: Prune, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Refused by this release, and recorded: nothing is pruned, whoever approves."""
    name_subject(request, "the ledger")
    return await services.custody.prune(actor, body.before_us)


@router.post("/ledger/recover")
async def recover(
    body: Nothing, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Refused by this release, and recorded: it goes on from no earlier point."""
    del body
    name_subject(request, "the ledger")
    return await services.custody.recover(actor)
