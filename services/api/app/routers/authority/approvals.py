"""/authority/approvals: what waits for a person's yes. Reading never decides, executes or ends."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from app.authority.permissions import Permission, check
from app.domain.actors import Actor
from app.routers.authority.bodies import Ask, Decide, Nothing
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import (
    KeyedRoute,
    Keyholder,
    Services,
    UseCases,
    name_subject,
    request_id_of,
)


class ApprovalsRoute(KeyedRoute):
    """Keys of clients and advisors are refused before anything else is looked at."""

    @staticmethod
    def identify(request: Request) -> Actor:
        actor = KeyedRoute.identify(request)
        request.state.actor = actor
        name_subject(request, "approvals")
        check(actor, Permission.ASK_READ)
        return actor


router = APIRouter(
    prefix="/authority/approvals",
    tags=["authority"],
    responses=PROBLEMS,
    route_class=ApprovalsRoute,
)

Word = Annotated[str | None, Query(max_length=200)]
AskId = Annotated[str, Path(max_length=64)]


@router.get("")
async def list_asks(  # noqa: PLR0917 - query parameters, not arguments
    services: UseCases,
    caller: Keyholder,
    state: Annotated[
        Word, Query(description="A state, or `open`: all that have not ended.")
    ] = None,
    act: Word = None,
    subject: Word = None,
    cursor: Word = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> dict[str, Any]:
    """Asks, the newest first; `next` continues."""
    return await services.governance.list(
        caller, state=state, act=act, subject=subject, cursor=cursor, limit=limit
    )


@router.post("", status_code=201)
async def ask(body: Ask, request: Request, services: UseCases, caller: Keyholder) -> dict[str, Any]:
    """Ask for an act that needs approval. Its plan is drawn at once; nothing is done."""
    name_subject(request, body.act)
    return await services.governance.ask(
        caller, body.act, body.params, body.reason, request_id_of(request)
    )


@router.get("/acts")
async def list_acts(services: UseCases, caller: Keyholder) -> dict[str, Any]:
    """The kinds of acts that can be asked for, and what is typed to approve each."""
    return {"acts": list(await services.governance.acts(caller))}


@router.get("/{ask_id}")
async def show_ask(
    ask_id: AskId,
    services: UseCases,
    caller: Keyholder,
    width: Annotated[int, Query(ge=30, le=400, description="Columns of `rendered`.")] = 60,
    whole: Annotated[bool, Query(description="Every file and digest in `rendered`.")] = False,
) -> dict[str, Any]:
    """One ask with its plan as people see it; to approvers with a challenge, good for one use."""
    return await services.governance.show(caller, ask_id, width=width, whole=whole)


@router.post("/{ask_id}/approve")
async def approve(
    ask_id: AskId, body: Decide, request: Request, services: UseCases, caller: Keyholder
) -> dict[str, Any]:
    """Say yes to the plan with this hash: the typed phrase, and a fresh proof of the key."""
    return await _decide(services, request, caller, ask_id, "approve", body)


@router.post("/{ask_id}/reject")
async def reject(
    ask_id: AskId, body: Decide, request: Request, services: UseCases, caller: Keyholder
) -> dict[str, Any]:
    """Say no while it waits."""
    return await _decide(services, request, caller, ask_id, "reject", body)


@router.post("/{ask_id}/veto")
async def veto(
    ask_id: AskId, body: Decide, request: Request, services: UseCases, caller: Keyholder
) -> dict[str, Any]:
    """Take back what was approved, until it is claimed."""
    return await _decide(services, request, caller, ask_id, "veto", body)


@router.post("/{ask_id}/withdraw")
async def withdraw(
    ask_id: AskId, body: Nothing, request: Request, services: UseCases, caller: Keyholder
) -> dict[str, Any]:
    """Take one's own ask back."""
    del body
    name_subject(request, f"ask {ask_id}")
    return await services.governance.withdraw(caller, ask_id)


@router.post("/{ask_id}/execute")
async def execute(
    ask_id: AskId, body: Nothing, request: Request, services: UseCases, caller: Keyholder
) -> dict[str, Any]:
    """Do what was approved, once, if its plan still is the one that was approved."""
    del body
    name_subject(request, f"ask {ask_id}")
    return await services.governance.execute(caller, ask_id)


@router.post("/{ask_id}/again", status_code=201)
async def again(
    ask_id: AskId, body: Nothing, request: Request, services: UseCases, caller: Keyholder
) -> dict[str, Any]:
    """Ask for the same once more, with a plan drawn now."""
    del body
    name_subject(request, f"ask {ask_id}")
    return await services.governance.again(caller, ask_id)


async def _decide(  # noqa: PLR0917 - what the three routes are given
    services: Services, request: Request, caller: Actor, ask_id: str, decision: str, body: Decide
) -> dict[str, Any]:
    name_subject(request, f"ask {ask_id}")
    return await services.governance.decide(
        caller,
        ask_id,
        decision,
        plan_hash=body.plan_hash,
        confirmation=body.confirmation,
        challenge=body.challenge,
        proof=body.proof,
        reason=body.reason,
    )
