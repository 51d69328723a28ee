"""/authority/ledger and /authority/rules: the record, and the rules it was kept under."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query

from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases

router = APIRouter(
    prefix="/authority", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)

_LARGEST = 2**63 - 1
Word = Annotated[str | None, Query(max_length=200)]


@router.get("/ledger/events")
async def list_events(  # noqa: PLR0917 - query parameters, not arguments
    services: UseCases,
    caller: Keyholder,
    after: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    kind: Word = None,
    actor: Word = None,
    subject: Word = None,
    newest_first: bool = False,
) -> dict[str, Any]:
    """Events after a sequence number, or the newest ones."""
    return await services.reading.events(
        caller,
        after=after,
        limit=limit,
        kind=kind,
        subject=subject,
        actor_id=actor,
        newest_first=newest_first,
    )


@router.get("/ledger/events/{seq}")
async def show_event(
    seq: Annotated[int, Path(ge=0, le=_LARGEST)], services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """One event with its canonical body."""
    return await services.reading.event(actor, seq)


@router.get("/rules")
async def list_rules(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Every hard rule and the digest that the ledger carries."""
    return await services.reading.rules(actor)
