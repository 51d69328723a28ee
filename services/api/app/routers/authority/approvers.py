"""/authority/people and /authority/approvals/profile: who there is, and how many must agree."""

from typing import Any

from fastapi import APIRouter, Request

from app.routers.authority.bodies import AddPerson, ChangeProfile
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import (
    KeyedRoute,
    Keyholder,
    UseCases,
    name_subject,
    request_id_of,
)

router = APIRouter(
    prefix="/authority", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)


@router.post("/people")
async def add_person(
    body: AddPerson, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Record one more person. That gives them no right: keys are asked for."""
    name_subject(request, "people")  # never the name: refusals are recorded, names can be erased
    return await services.approvers.add_person(actor, body.name, body.confirmation)


@router.get("/approvals/profile")
async def show_profile(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """How approvals are given, and who could give one now."""
    return await services.approvers.profile(actor)


@router.post("/approvals/profile")
async def change_profile(
    body: ChangeProfile, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Ask for more approvals from now on. A looser rule is refused with the id of its ask."""
    name_subject(request, "the approval profile")
    return await services.approvers.change_profile(
        actor,
        body.kind,
        [group.model_dump() for group in body.groups],
        body.confirmation,
        request_id_of(request),
    )
