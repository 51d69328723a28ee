"""Probes: alive, ready, counted; and what stands at the root."""

import asyncio
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response

from app.routers.dependencies import UseCases
from app.routers.metrics import CONTENT_TYPE

router = APIRouter(tags=["probes"])


@router.get("/")
@router.get("/v1", include_in_schema=False)
async def about(services: UseCases) -> dict[str, Any]:
    """What this server is and where to go on."""
    return {
        "name": "LMX Authority",
        "version": services.version,
        "openai_base_url": "/v1",
        "authority": "/authority",
        "probes": ["/healthz", "/readyz", "/metrics"],
        "schema": "/openapi.json",
    }


@router.get("/healthz")
async def alive() -> dict[str, str]:
    """The process answers. Says nothing about models: see /readyz."""
    return {"status": "ok"}


_NOT_READY: dict[str, Any] = {
    "description": "Some part cannot be used.",
    "content": {"application/json": {"schema": {"type": "object"}}},
}


@router.get("/readyz", responses={503: _NOT_READY})
async def ready(services: UseCases) -> JSONResponse:
    """Whether requests can be served: the ledger can be written, the catalog can be read."""
    parts = dict(await services.ready())
    whole = all(parts.values())
    return JSONResponse({"ready": whole, "parts": parts}, status_code=200 if whole else 503)


@router.get("/metrics", response_class=PlainTextResponse)
async def metrics(services: UseCases) -> Response:
    """Prometheus counters, without names of people or keys.

    Models are named where /v1/models shows them to everybody.
    """
    return Response(await asyncio.to_thread(services.metrics.render), media_type=CONTENT_TYPE)
