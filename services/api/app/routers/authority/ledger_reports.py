"""/authority/ledger/reports: the saved reports of the ledger, a page at a time."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.domain.refusals import InvalidRequest
from app.routers.authority.answers import answer
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases

router = APIRouter(
    prefix="/authority/ledger", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)

_LARGEST = 2**63 - 1
_ALLOWED = ("after", "limit", "since", "subject", "through", "until")
Word = Annotated[str | None, Query(max_length=300)]


def _nothing_else(request: Request) -> None:
    """Refuse parameters nobody knows: a time that is misspelled would limit nothing."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in _ALLOWED or names.count(name) > 1:
            wrong = "is no parameter here" if name not in _ALLOWED else "is given twice"
            raise InvalidRequest(
                f"{name[:60]}: {wrong}. Allowed, once each, are: {', '.join(_ALLOWED)}.",
                param=name[:100],
            )


@router.get("/reports")
async def list_reports(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Every saved report: what it asks, and what it has to be told."""
    return {"reports": await services.reports.names(actor)}


@router.get(
    "/reports/{name}",
    response_model=dict[str, Any],
    dependencies=[Depends(_nothing_else)],
)
async def show_report(  # noqa: PLR0917 - query parameters, not arguments
    name: Annotated[str, Path(max_length=100)],
    services: UseCases,
    actor: Keyholder,
    subject: Word = None,
    since: Annotated[Word, Query(description="RFC 3339 or a date, UTC; included.")] = None,
    until: Annotated[Word, Query(description="As since; excluded, a date's day included.")] = None,
    after: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    through: Annotated[int | None, Query(ge=0, le=_LARGEST)] = None,
) -> Response:
    """One page of a report; `next`, sent as `after`, gets the next one.

    Send `meta.size` of the first page as `through`, and what is recorded meanwhile is left out.
    """
    return answer(
        await services.reports.report(
            actor,
            name,
            subject=subject,
            since=since,
            until=until,
            after=after,
            limit=limit,
            through=through,
        )
    )
