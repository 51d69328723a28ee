"""/authority/ledger as C2SP tlog-tiles: the checkpoint, tiles, and the bulk reads of an export."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Path, Query
from pydantic import Field
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from app.routers.authority.bodies import Phrase, Reason, Strict
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases

router = APIRouter(
    prefix="/authority/ledger", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)

_LARGEST = 2**63 - 1
_BYTES = "application/octet-stream"
# What is read by tile never changes; it is not for shared caches, since it takes a key.
_IMMUTABLE = {"cache-control": "private, max-age=31536000, immutable"}
_FRESH = {"cache-control": "no-cache"}


class Octets(Response):
    """Bytes as they are stored."""

    media_type = _BYTES


class BeginExport(Strict):
    """From which event or time on bodies are wanted (hashes always are), and what for."""

    since: Annotated[int, Field(ge=1, le=_LARGEST)] | Phrase | None = None
    purpose: Reason | None = None


@router.post("/exports")
async def begin_export(body: BeginExport, services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """Record an export and get what it is held under: checkpoint, keys, digests of evidence."""
    return await services.exports.begin(actor, since=body.since, purpose=body.purpose)


@router.get("/checkpoint", response_class=PlainTextResponse)
async def show_checkpoint(services: UseCases, actor: Keyholder) -> Response:
    """The newest checkpoint, a C2SP signed note."""
    note = await services.exports.checkpoint(actor)
    return Response(note, media_type="text/plain; charset=utf-8", headers=_FRESH)


@router.get("/tile/{path:path}", response_class=Octets)
async def show_tile(path: str, services: UseCases, actor: Keyholder) -> Response:
    """One tile of hashes (LEVEL/NUMBER) or of events (entries/NUMBER), as C2SP tlog-tiles says."""
    found = await services.exports.tile(actor, f"tile/{path}")
    return Octets(found, headers=_IMMUTABLE)


@router.get("/bundles", response_class=Octets)
async def read_bundles(  # noqa: PLR0917 - query parameters, not arguments
    services: UseCases,
    actor: Keyholder,
    first: Annotated[int, Query(ge=0, le=_LARGEST)] = 0,
    count: Annotated[int, Query(ge=1, le=_LARGEST)] = 256,
    size: Annotated[int | None, Query(ge=1, le=_LARGEST)] = None,
    of: Literal["entries", "leaves"] = "entries",
) -> Response:
    """Many entry bundles, or tiles of level 0, each behind its length in four bytes, big-endian."""
    pieces = await services.exports.stream(
        actor, leaves=of == "leaves", first=first, count=count, size=size
    )
    started = await anext(pieces)  # what is wrong from the start is still a proper error
    return StreamingResponse(_going_on(started, pieces), media_type=_BYTES, headers=_FRESH)


@router.get("/blobs/{digest}", response_class=Octets)
async def show_blob(
    digest: Annotated[str, Path(pattern="^[0-9a-f]{64}$")], services: UseCases, actor: Keyholder
) -> Response:
    """A piece of evidence that events name by its SHA-256."""
    found = await services.exports.blob(actor, digest)
    return Octets(found, headers=_IMMUTABLE)


async def _going_on(started: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    async with aclosing(cast("Any", pieces)):
        yield started
        async for piece in pieces:
            yield piece
