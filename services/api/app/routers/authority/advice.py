"""/authority/proposals, advisors, advice: what was proposed, and what people make of it."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import Field
from starlette.responses import Response

from app.domain.advice.proposals import Kind
from app.routers.authority.answers import answer
from app.routers.authority.bodies import Nothing, Strict
from app.routers.authority.documents import PROBLEMS
from app.routers.authority.free_text import Said
from app.routers.authority.guardrails_bodies import names_once, only
from app.routers.dependencies import (
    KeyedRoute,
    Keyholder,
    UseCases,
    name_subject,
    request_id_of,
)

router = APIRouter(
    prefix="/authority",
    tags=["authority"],
    responses=PROBLEMS,
    route_class=KeyedRoute,
    dependencies=[Depends(names_once)],
)

_LARGEST_SEED = 2**31 - 1
_Plain = dict[str, Any]
_Why = Annotated[Said, Field(min_length=1, max_length=500, pattern=r"\S")]
Id = Annotated[str, Path(max_length=64, description="A proposal's id, as 0badcafe.")]
Name = Annotated[str, Path(max_length=64, description="An advisor, as residency.")]
Word = Annotated[str | None, Query(max_length=200)]


class Accept(Strict):
    """`digest`: the proposal's, so that what is accepted is what was looked at."""

    reason: _Why
    digest: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class Dismiss(Strict):
    """Why not, for whoever proposes it again."""

    reason: _Why


class ReplayMonth(Strict):
    """`month`: a generated kind of month, or the one that this server recorded."""

    month: Literal["office", "rotation", "none", "recorded"]
    seed: Annotated[int, Field(ge=0, le=_LARGEST_SEED)] = 0


@router.get(
    "/proposals",
    response_model=_Plain,
    dependencies=[Depends(only("author", "cursor", "kind", "limit", "state"))],
)
async def list_proposals(  # noqa: PLR0917 - query parameters, not arguments
    services: UseCases,
    actor: Keyholder,
    state: Literal["open", "accepted", "dismissed", "expired"] | None = None,
    kind: Kind | None = None,
    author: Annotated[Word, Query(description="An advisor, or a key as key:0badcafe.")] = None,
    cursor: Word = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> Response:
    """Proposals, the newest first; with each open one, what the authority would say to it."""
    found = await services.advising.list(
        actor,
        state=state,
        kind=None if kind is None else str(kind),
        author=author,
        cursor=cursor,
        limit=limit,
    )
    return answer(found)


@router.get("/proposals/{proposal}", response_model=_Plain)
async def show_proposal(proposal: Id, services: UseCases, actor: Keyholder) -> Response:
    """One proposal, what accepting it would do, and what came of it. Its text is untrusted."""
    return answer(await services.advising.show(actor, proposal))


@router.post(
    "/proposals/{proposal}/accept",
    response_model=_Plain,
    responses={202: {"description": "Accepted; the act waits for an approval as `ask`."}},
)
async def accept_proposal(
    proposal: Id, body: Accept, request: Request, services: UseCases, actor: Keyholder
) -> Response:
    """Do what was proposed, as an act or an ask of yours: feasibility, policy, approval as always.

    `outcome` says what came of it. What the act itself refuses is the answer here too, and stays
    on record as the proposal's outcome.
    """
    name_subject(request, f"proposal {proposal}")
    made = await services.advising.accept(
        actor,
        proposal,
        reason=body.reason,
        digest=body.digest,
        request_id=request_id_of(request),
    )
    told = answer(made)
    told.status_code = 202 if made.get("outcome") == "asked" else 200
    return told


@router.post("/proposals/{proposal}/dismiss", response_model=_Plain)
async def dismiss_proposal(
    proposal: Id, body: Dismiss, request: Request, services: UseCases, actor: Keyholder
) -> Response:
    """Say no to it. The same is not taken again for a week."""
    name_subject(request, f"proposal {proposal}")
    return answer(await services.advising.dismiss(actor, proposal, reason=body.reason))


@router.get("/advisors", response_model=_Plain)
async def list_advisors(services: UseCases, actor: Keyholder) -> Response:
    """The advisors that come with this server, their last runs, and the walls that stand here."""
    return answer(await services.advising.advisors(actor))


@router.post("/advisors/{name}/run", response_model=_Plain)
async def run_advisor(
    name: Name,
    request: Request,
    services: UseCases,
    actor: Keyholder,
    body: Nothing | None = None,  # noqa: ARG001 - parsed so that anything in it is refused
) -> Response:
    """Run an advisor now, behind its walls, and take what it proposes."""
    name_subject(request, f"advisor {name}")
    return answer(await services.advising.run(actor, name))


@router.post("/advisors/{name}/replay", response_model=_Plain)
async def replay_advisor(
    name: Name, body: ReplayMonth, request: Request, services: UseCases, actor: Keyholder
) -> Response:
    """Let an advisor advise through a month, and compare with plain LRU. Nothing is proposed."""
    name_subject(request, f"advisor {name}")
    return answer(await services.advising.replay(actor, name, month=body.month, seed=body.seed))


@router.get("/advice/scorecard", response_model=_Plain)
async def scorecard(services: UseCases, actor: Keyholder) -> Response:
    """How each advisor fared: accepted, dismissed, and whether what it predicted came true."""
    return answer(await services.advising.scorecard(actor))
