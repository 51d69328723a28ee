"""/advisory: all that an advisor's key may use. Facts go out, proposals come in."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Body, Depends, Request
from starlette.responses import Response

from app.domain.refusals import RequestTooLarge
from app.routers.authority.answers import answer
from app.routers.authority.documents import PROBLEMS
from app.routers.authority.guardrails_bodies import names_once, only
from app.routers.dependencies import (
    KeyedRoute,
    Keyholder,
    UseCases,
    name_subject,
    request_id_of,
)

MAX_BYTES = 256 << 10

_Plain = dict[str, Any]


async def bounded(request: Request) -> None:
    """What bots send is kept smaller than what a client may send."""
    if len(await request.body()) > MAX_BYTES:
        raise RequestTooLarge(
            f"Proposals may take {MAX_BYTES:,} bytes in one request. Send fewer at a time."
        )


router = APIRouter(
    prefix="/advisory",
    tags=["advisory"],
    responses=PROBLEMS,
    route_class=KeyedRoute,
    dependencies=[Depends(bounded), Depends(only())],
)


_PROPOSED: Final[_Plain] = {
    "type": "object",
    "required": ["proposals"],
    "additionalProperties": False,
    "properties": {
        "proposals": {
            "type": "array",
            "minItems": 1,
            "maxItems": 50,
            "items": {"type": "object"},
            "description": "Each is read by itself, as docs/advice.md says.",
        },
        "snapshot": {
            "type": "string",
            "pattern": "^[0-9a-f]{64}$",
            "description": "The digest of the snapshot that the evidence is from.",
        },
    },
}
"""For whoever reads /openapi.json. What is odd is refused by the authority, which records that."""


@router.get("/snapshot", response_model=_Plain)
async def snapshot(services: UseCases, actor: Keyholder) -> Response:
    """The facts that advice is made from, and the SHA-256 that names them in proposals.

    No prompt, no answer, no key, no person. It is made at most once a minute.
    """
    return Response(await services.advising.snapshot(actor), media_type="application/json")


@router.post(
    "/proposals",
    response_model=_Plain,
    dependencies=[Depends(names_once)],
    openapi_extra={"requestBody": {"content": {"application/json": {"schema": _PROPOSED}}}},
)
async def propose(
    body: Annotated[Any, Body()], request: Request, services: UseCases, actor: Keyholder
) -> Response:
    """Propose up to 50 things. They wait for a person; nothing follows from proposing.

    For each, in order: `id`, `state` and whether it is `new`, or `refused` with code and message.
    Where none was kept, the first refusal is the answer.
    """
    name_subject(request, "proposals")
    return answer(await services.advising.propose(actor, body, request_id_of(request)))
