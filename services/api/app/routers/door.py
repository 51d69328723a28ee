"""The only place that keeps an advisor's key to its two routes: a snapshot out, proposals in.

It stands before routing, so that no route, no probe, no method and no address that leads nowhere
can forget it: what is not one of the two is refused before anything looks at it.
"""

from contextlib import suppress
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.refusals import Forbidden, KeyInvalid
from app.routers.dependencies import Services, presented_key
from app.routers.refused import note_refusal

WAYS: Final = frozenset({("GET", "/advisory/snapshot"), ("POST", "/advisory/proposals")})
"""All that a key may do whose one role is `advisor`."""

_ADVISOR: Final = frozenset({Role.ADVISOR})


class AdvisorsDoor:
    """Pure ASGI middleware behind the edge: a path has single slashes, HEAD is GET there."""

    def __init__(self, app: ASGIApp, *, services: Services) -> None:
        self._app = app
        self._services = services

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (scope["method"], scope["path"]) not in WAYS:
            await self._keep_out_advisors(scope)
        await self._app(scope, receive, send)

    async def _keep_out_advisors(self, scope: Scope) -> None:
        actor = self._whoever(scope)
        if actor.roles != _ADVISOR:
            return
        refusal = Forbidden(
            "An advisor's key may GET /advisory/snapshot and POST /advisory/proposals, and nothing "
            "else. Propose it: a person decides."
        )
        await note_refusal(
            self._services,
            refusal,
            actor=actor,
            subject=scope["path"],
            request_id=scope["state"]["request_id"],
        )
        raise refusal

    def _whoever(self, scope: Scope) -> Actor:
        """The holder of the key that was sent; a revoked one is the routes' to refuse."""
        secret = presented_key(HTTPConnection(scope))
        with suppress(KeyInvalid):
            return self._services.keys.identify(secret) if secret else ANONYMOUS
        return ANONYMOUS
