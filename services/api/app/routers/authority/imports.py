"""POST /authority/models/import and /verify: JSON lines while files are hashed, then the answer."""

import json
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any, cast

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.domain.actors import Actor
from app.domain.refusals import Refusal
from app.routers.authority.bodies import Import, VerifyAll
from app.routers.authority.documents import PROBLEMS
from app.routers.dependencies import (
    KeyedRoute,
    Keyholder,
    Services,
    UseCases,
    name_subject,
    request_id_of,
)
from app.routers.disconnect import while_connected
from app.routers.errors import fault_of
from app.routers.refused import note_refusal

log = logging.getLogger(__name__)

router = APIRouter(
    prefix="/authority/models", tags=["authority"], responses=PROBLEMS, route_class=KeyedRoute
)

_LINES = "application/x-ndjson"
_HEADERS = [(b"content-type", _LINES.encode())]


class Lines(Response):
    """One JSON object a line. Refusals before the first line are proper HTTP errors."""

    media_type = _LINES

    def __init__(
        self,
        services: Services,
        steps: AsyncIterator[dict[str, Any]],
        *,
        actor: Actor,
        subject: str,
        request_id: str,
    ) -> None:
        super().__init__()
        self._services = services
        self._steps = cast("AsyncGenerator[dict[str, Any], None]", steps)
        self._actor = actor
        self._subject = subject
        self._request_id = request_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        await while_connected(receive, self._write(send))

    async def _write(self, send: Send) -> None:
        async with aclosing(self._steps) as steps:
            step: dict[str, Any] | None = await anext(steps, None)
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            try:
                while step is not None:
                    await send(_line(step))
                    step = await anext(steps, None)
            except Exception as error:  # noqa: BLE001 - the answer has begun: a line must say it
                await send(_line({"error": await self._problem(error)}))
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _problem(self, error: Exception) -> dict[str, Any]:
        if isinstance(error, Refusal):
            await note_refusal(
                self._services,
                error,
                actor=self._actor,
                subject=self._subject,
                request_id=self._request_id,
            )
        else:
            log.error("request %s failed half-way", self._request_id, exc_info=error)
        return fault_of(error).problem(self._request_id)


@router.post("/import", response_class=Lines, status_code=200)
async def import_model(
    body: Import, request: Request, services: UseCases, actor: Keyholder
) -> Lines:
    """Take a directory of this machine into the store. Leaving cancels it; nothing stays behind."""
    name_subject(request, body.name or body.path)
    steps = services.execution.import_model(actor, body.path, body.name)
    return Lines(
        services,
        steps,
        actor=actor,
        subject=body.name or body.path,
        request_id=request_id_of(request),
    )


@router.post("/verify", response_class=Lines, status_code=200)
async def verify_all(
    body: VerifyAll,  # noqa: ARG001 - parsed so that it is said
    request: Request,
    services: UseCases,
    actor: Keyholder,
) -> Lines:
    """Hash every file of every model again; the last line names those that are damaged."""
    name_subject(request, "models")
    return Lines(
        services,
        services.execution.verify_all(actor),
        actor=actor,
        subject="models",
        request_id=request_id_of(request),
    )


def _line(step: dict[str, Any]) -> dict[str, Any]:
    body = json.dumps(step).encode() + b"\n"
    return {"type": "http.response.body", "body": body, "more_body": True}
