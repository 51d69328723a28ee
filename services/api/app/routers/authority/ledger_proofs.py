"""/authority/ledger: proofs for outsiders, bundles for witnesses and what witnesses send back."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import Field
from starlette.responses import PlainTextResponse, Response

from app.routers.authority.bodies import Strict
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import KeyedRoute, Keyholder, UseCases

router = APIRouter(
    prefix="/authority/ledger", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)

_LARGEST = 2**63 - 1
_FRESH = {"cache-control": "no-cache"}
Size = Annotated[int, Query(ge=0, le=_LARGEST)]
MaybeSize = Annotated[int | None, Query(ge=0, le=_LARGEST)]


class BringBack(Strict):
    """A cosigned checkpoint, as the witness printed it."""

    note: Annotated[str, Field(min_length=1, max_length=65_536)]


@router.get("/keys")
async def list_log_keys(services: UseCases, actor: Keyholder) -> dict[str, Any]:
    """The log's verifier keys, oldest first, and those of its witnesses."""
    return await services.proofs.log_keys(actor)


@router.get("/checkpoint/bundle", response_class=PlainTextResponse)
async def show_bundle(services: UseCases, actor: Keyholder, old: Size = 0) -> Response:
    """The newest checkpoint for a witness that has seen `old` events (tlog-witness)."""
    bundle = await services.proofs.bundle_for_witness(actor, old)
    return Response(bundle, media_type="text/plain; charset=utf-8", headers=_FRESH)


@router.get("/proofs/inclusion")
async def prove_inclusion(
    services: UseCases, actor: Keyholder, seq: Size, size: MaybeSize = None
) -> dict[str, Any]:
    """That event `seq` is among the first `size` (RFC 9162); hashes in base64."""
    return await services.proofs.inclusion(actor, seq, size)


@router.get("/proofs/consistency")
async def prove_consistency(
    services: UseCases, actor: Keyholder, old: Size, new: MaybeSize = None
) -> dict[str, Any]:
    """That the first `old` events begin the first `new` (RFC 9162); hashes in base64."""
    return await services.proofs.consistency(actor, old, new)


@router.post("/cosignatures")
async def bring_back_cosignature(
    body: BringBack, services: UseCases, actor: Keyholder
) -> dict[str, Any]:
    """Take what a witness cosigned. The same again changes nothing."""
    return await services.proofs.cosigned(actor, body.note)
