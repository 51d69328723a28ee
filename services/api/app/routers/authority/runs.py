"""/authority/runs: every attempt at a governed act, one of them, and how two differ."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.responses import Response

from app.domain.refusals import InvalidRequest
from app.routers.authority.answers import answer
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases

router = APIRouter(
    prefix="/authority/runs", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)

_LARGEST = 2**63 - 1
_Plain = dict[str, Any]
Word = Annotated[str | None, Query(max_length=200)]
Name = Annotated[
    str,
    Path(max_length=64, description="A digest, six or more digits of it, or an event's number."),
]


async def _filters(  # noqa: PLR0917 - query parameters, not arguments
    since: Annotated[Word, Query(description="RFC 3339 or a date, UTC; included.")] = None,
    until: Annotated[Word, Query(description="As since; excluded, a date's day included.")] = None,
    act: Annotated[
        Word, Query(description="A permission, as model.load, or a kind of act.")
    ] = None,
    subject: Word = None,
    model: Word = None,
    actor: Word = None,
    person: Word = None,
    outcome: Word = None,
    plan: Word = None,
) -> dict[str, str | None]:
    """Everything runs can be asked by."""
    return dict(locals())


_ALLOWED = sorted(frozenset(_filters.__annotations__) - {"return"} | {"cursor", "limit", "total"})


def _nothing_else(request: Request) -> None:
    """Refuse parameters nobody knows: a filter that is misspelled would filter nothing."""
    names = [name for name, _ in request.query_params.multi_items()]
    for name in names:
        if name not in _ALLOWED or names.count(name) > 1:
            wrong = "is no parameter here" if name not in _ALLOWED else "is given twice"
            raise InvalidRequest(
                f"{name[:60]}: {wrong}. Allowed, once each, are: {', '.join(_ALLOWED)}.",
                param=name[:100],
            )


@router.get("", response_model=_Plain, dependencies=[Depends(_nothing_else)])
async def list_runs(  # noqa: PLR0917 - query parameters, not arguments
    services: UseCases,
    caller: Keyholder,
    filters: Annotated[dict[str, str | None], Depends(_filters)],
    cursor: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    total: bool = False,
) -> Response:
    """Runs, newest first; `next`, sent as `cursor`, gets the next page.

    A page may hold fewer runs than `limit`, even none, while `next` is not null.
    """
    found = await services.runs.list(caller, filters, cursor=cursor, limit=limit, total=total)
    return answer(found)


@router.get("/{run}", response_model=_Plain)
async def show_run(run: Name, services: UseCases, actor: Keyholder) -> Response:
    """One run, whose bytes were hashed again, and the events that name it."""
    return answer(await services.runs.show(actor, run))


@router.get("/{a}/diff/{b}", response_model=_Plain)
async def compare_runs(a: Name, b: Name, services: UseCases, actor: Keyholder) -> Response:
    """What is different in run `b`, section by section, and in sentences."""
    return answer(await services.runs.diff(actor, a, b))
