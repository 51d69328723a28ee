"""/authority/ledger and /authority/rules: the record, and the rules it was kept under."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.domain.refusals import InvalidRequest
from app.routers.authority.answers import answer
from app.routers.authority.bodies import Nothing
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases

router = APIRouter(
    prefix="/authority", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)

_LARGEST = 2**63 - 1
_Plain = dict[str, Any]  # what /openapi.json says of an answer that is written at once
Word = Annotated[str | None, Query(max_length=200)]


async def _filters(  # noqa: PLR0917 - query parameters, not arguments
    since: Annotated[Word, Query(description="RFC 3339 or a date, UTC; included.")] = None,
    until: Annotated[Word, Query(description="As since; excluded, a date's day included.")] = None,
    kind: Word = None,
    action: Word = None,
    actor: Word = None,
    person: Word = None,
    role: Word = None,
    outcome: Word = None,
    model: Word = None,
    digest: Word = None,
    plan: Word = None,
    run: Word = None,
    request_id: Word = None,
    subject: Word = None,
    text: Annotated[Word, Query(description="Words that all occur in the reason.")] = None,
) -> dict[str, str | None]:
    """Everything the ledger can be asked by."""
    return dict(locals())


Filters = Annotated[dict[str, str | None], Depends(_filters)]
_FILTERS = frozenset(_filters.__annotations__) - {"return"}


def _nothing_but(*more: str) -> Callable[[Request], None]:
    """Refuse parameters nobody knows: a filter that is misspelled would filter nothing."""
    allowed = _FILTERS | set(more)
    known = ", ".join(sorted(allowed))

    def check(request: Request) -> None:
        names = [name for name, _ in request.query_params.multi_items()]
        for name in names:
            if name not in allowed:
                raise InvalidRequest(
                    f"{name[:60]}: is no parameter here. Allowed are: {known}.",
                    param=name[:100],
                )
            if names.count(name) > 1:
                raise InvalidRequest(f"{name}: is given twice. Give it once.", param=name)

    return check


@router.get(
    "/ledger/events",
    response_model=_Plain,
    dependencies=[Depends(_nothing_but("after", "limit", "newest_first", "total"))],
)
async def list_events(  # noqa: PLR0917 - query parameters, not arguments
    services: UseCases,
    caller: Keyholder,
    filters: Filters,
    after: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    newest_first: bool = False,
    total: bool = False,
) -> Response:
    """Events past a number, or the newest ones; `next`, sent as `after`, gets the next page.

    A page may hold fewer events than `limit`, even none, while `next` is not null.
    """
    return answer(
        await services.questions.events(
            caller, filters, after=after, limit=limit, newest_first=newest_first, total=total
        )
    )


@router.get("/ledger/counts", response_model=_Plain, dependencies=[Depends(_nothing_but("by"))])
async def count_events(
    services: UseCases,
    caller: Keyholder,
    filters: Filters,
    by: Annotated[str, Query(max_length=40)] = "day",
) -> Response:
    """How many events are like that, by day, outcome, day+outcome, kind or actor."""
    return answer(await services.questions.counts(caller, filters, by=by))


@router.get("/ledger/events/{seq}", response_model=_Plain)
async def show_event(
    seq: Annotated[int, Path(ge=0, le=_LARGEST)], services: UseCases, actor: Keyholder
) -> Response:
    """One event with its canonical body, its run, its proof and how to check them."""
    return answer(await services.questions.event(actor, seq))


@router.post("/ledger/reindex")
async def reindex(body: Nothing, services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Make the index anew from the events' bodies; the log itself is not touched."""
    del body  # empty: there is nothing to choose
    return await services.questions.reindex(actor)


@router.get("/rules")
async def list_rules(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Every hard rule and the digest that the ledger carries."""
    return await services.reading.rules(actor)
