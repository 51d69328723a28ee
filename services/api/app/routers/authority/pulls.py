"""/authority/models/pull and repair: plan a download, then do it by the plan's digest; confirm.

The first step shows all that a person has to know and fetches no weights. The second names the
digest of what was shown, so that nobody pulls something else than was confirmed.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import Field

from app.routers.authority.bodies import Name, Nothing, Phrase, Strict
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


class PlanPull(Strict):
    repo: Name
    revision: Name | None = None
    name: Name | None = None


class Pull(Strict):
    plan: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Confirm(Strict):
    confirmation: Phrase | None = None


@router.post("/pull/plan")
async def plan_pull(
    body: PlanPull, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """What a pull would connect to, send, fetch and leave out, and whether the model fits."""
    name_subject(request, body.name or body.repo)
    return await services.pulling.plan(actor, body.repo, body.revision, body.name)


@router.post("/pull", response_class=Lines, status_code=200)
async def pull(body: Pull, request: Request, services: UseCases, actor: Keyholder) -> Lines:
    """Pull what was planned. Leaving cancels it; what was fetched is kept for the next pull."""
    subject = services.pulling.subject(actor, body.plan)
    name_subject(request, subject)
    request_id = request_id_of(request)
    return Lines(
        services,
        services.pulling.pull(actor, body.plan, request_id),
        actor=actor,
        subject=subject,
        request_id=request_id,
    )


@router.post("/{model_id:path}/repair/plan")
async def plan_repair(
    model_id: str,
    request: Request,
    services: UseCases,
    actor: Keyholder,
    body: Nothing | None = None,  # noqa: ARG001 - parsed so that anything in it is refused
) -> dict[str, Any]:
    """What of a model is damaged, and what a repair would fetch from where; reads all of it."""
    name_subject(request, model_id)
    return await services.repairs.plan(actor, model_id)


@router.post("/{model_id:path}/repair", response_class=Lines, status_code=200)
async def repair(
    model_id: str, body: Pull, request: Request, services: UseCases, actor: Keyholder
) -> Lines:
    """Fetch what was planned and put it in place. Leaving cancels it; what came is kept."""
    name_subject(request, model_id)
    request_id = request_id_of(request)
    return Lines(
        services,
        services.repairs.repair(actor, model_id, body.plan, request_id),
        actor=actor,
        subject=model_id,
        request_id=request_id,
    )


@router.post("/{model_id:path}/confirm")
async def confirm(
    model_id: str, body: Confirm, request: Request, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Make a pinned model verified: somebody compared its SHA-256s with a source they trust."""
    name_subject(request, model_id)
    return await services.pulling.confirm(actor, model_id, body.confirmation)
