"""/authority/guardrails/decisions: what guardrails decided, why, and whether they still would."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query
from starlette.responses import Response

from app.authority.auditing.asked import micros
from app.routers.authority import guardrails_bodies as given
from app.routers.authority.answers import answer
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases

router = APIRouter(
    prefix="/authority/guardrails",
    tags=["authority"],
    responses=PROBLEMS,
    route_class=KeyedRoute,
    dependencies=[Depends(given.names_once)],
)

_only = Depends(given.only("cursor", "limit", "outcome", "point", "task"))
_Plain = dict[str, Any]
Word = Annotated[str | None, Query(max_length=200)]


@router.get("/decisions", response_model=_Plain, dependencies=[_only])
async def list_decisions(  # noqa: PLR0917 - query parameters, not arguments
    services: UseCases,
    actor: Keyholder,
    task: Annotated[Word, Query(description="Where this task was asked.")] = None,
    point: Annotated[Word, Query(description="As load, or tick.")] = None,
    outcome: Annotated[Word, Query(description="As block, or allow.")] = None,
    cursor: Word = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
) -> Response:
    """Decisions, the newest first; those in which nothing was triggered too. `next` continues."""
    found = await services.guarding.decisions(
        actor, task=task, point=point, outcome=outcome, cursor=cursor, limit=limit
    )
    return answer(found)


@router.get("/decisions/{decision}", response_model=_Plain)
async def explain(
    decision: Annotated[
        str, Path(max_length=64, description="Its digest, or six or more digits of it.")
    ],
    services: UseCases,
    actor: Keyholder,
) -> Response:
    """One decision: its record, and why in sentences, the one that decided first."""
    return answer(await services.guarding.decision(actor, decision))


@router.post("/replay", response_model=_Plain)
async def replay(body: given.Replay, services: UseCases, actor: Keyholder) -> Response:
    """Decide recorded decisions again from their records, and say where the result differs."""
    found = await services.guarding.replay(
        actor,
        since_us=None if body.since is None else micros("since", body.since),
        until_us=None if body.until is None else micros("until", body.until),
        limit=body.limit,
    )
    return answer(found)
