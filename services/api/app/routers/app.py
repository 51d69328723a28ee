"""Builds the ASGI application: routes, the error table and the edge around them."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app.domain.refusals import Refusal
from app.routers import advisory, health
from app.routers.anthropic import messages as anthropic_messages
from app.routers.authority import (
    adoption,
    advice,
    annotations,
    approvals,
    approvers,
    backups,
    config,
    guardrails,
    guardrails_decisions,
    imports,
    keys,
    ledger,
    ledger_custody,
    ledger_exports,
    ledger_proofs,
    ledger_reports,
    models,
    pulls,
    runs,
    status,
    store,
)
from app.routers.dependencies import Services, actor_of, request_id_of, services_of
from app.routers.described import Described
from app.routers.described import router as described
from app.routers.door import AdvisorsDoor
from app.routers.edge import Edge
from app.routers.errors import error_response, fault_of
from app.routers.lmstudio import chat as lmstudio_chat
from app.routers.lmstudio import downloads as lmstudio_downloads
from app.routers.lmstudio import models as lmstudio_models
from app.routers.lmstudio import v0 as lmstudio_v0
from app.routers.openai import completions, embeddings, rerank, tokens
from app.routers.openai import models as openai_models
from app.routers.openai.responses import routes as openai_responses
from app.routers.refused import note_refusal

NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""FastAPI would send spans and exception texts wherever environment variables say (rule C01)."""

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[Any]]


def build_api(services: Services, *, lifespan: Lifespan | None = None) -> FastAPI:
    """The whole HTTP surface over `services`."""
    api = FastAPI(
        title="LMX Authority",
        version=services.version,
        lifespan=lifespan,
        redirect_slashes=False,
        openapi_url=None,  # see `described`
        docs_url=None,  # both pages load scripts from other hosts
        redoc_url=None,
        telemetry=NO_TELEMETRY,
    )
    api.state.services = services
    api.state.described = Described(api)
    for kind in (Refusal, HTTPException, RequestValidationError):
        api.add_exception_handler(kind, _answer_error)
    for router in (
        completions.router,  # first: routes are tried in this order
        anthropic_messages.router,
        openai_responses.router,
        lmstudio_v0.router,
        lmstudio_chat.router,
        lmstudio_models.reads,
        lmstudio_models.acts,
        lmstudio_downloads.router,
        embeddings.router,
        rerank.router,
        tokens.router,
        health.router,
        described,
        openai_models.router,
        status.router,
        imports.router,
        pulls.router,
        adoption.router,
        annotations.router,
        models.router,
        keys.router,
        approvers.router,  # before approvals: its /profile is no ask's id
        approvals.router,
        backups.router,
        config.router,
        guardrails.router,
        guardrails_decisions.router,
        advice.router,
        advisory.router,
        ledger.router,
        ledger_custody.router,
        ledger_exports.router,
        ledger_proofs.router,
        ledger_reports.router,
        runs.router,
        store.router,
    ):
        api.include_router(router)
    api.add_middleware(AdvisorsDoor, services=services)
    api.add_middleware(
        Edge,
        allowed_hosts=services.allowed_hosts,
        max_body_bytes=services.max_body_bytes,
        metrics=services.metrics,
    )
    return api


async def _answer_error(request: Request, error: Exception) -> Response:
    path = request.url.path
    request_id = request_id_of(request)
    if isinstance(error, Refusal):
        await note_refusal(
            services_of(request),
            error,
            actor=actor_of(request),
            subject=getattr(request.state, "subject", path),
            request_id=request_id,
        )
    fault = fault_of(error, method=request.method, path=path)
    request.state.code = fault.code
    if not isinstance(error, Refusal):
        services_of(request).metrics.refused(fault.code)
    return error_response(fault, path=path, request_id=request_id)
