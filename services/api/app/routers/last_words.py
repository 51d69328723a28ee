"""Answers to requests that the protocol refuses itself; counted and logged like those of the edge.

A head that is too slow, too large or no HTTP never becomes a request that the edge could answer.
"""

import uuid
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from app.domain.refusals import RateLimited, Refusal
from app.observability import within_request
from app.routers.errors import error_response, fault_of
from app.routers.measuring.ended import Ended
from app.routers.measuring.naming import method_of
from app.routers.metrics import Metrics
from app.routers.request_log import RequestLog

UNKNOWN = "other"
"""The method of a request whose first line has not come."""


class LastWords:
    """One per server. Its lines of the log are bounded apart from those of the edge."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._log = RequestLog()

    def to(self, refusal: Refusal, *, path: str, method: str = UNKNOWN, seconds: float) -> bytes:
        """A whole answer for a request that never became one; it is counted."""
        request_id = uuid.uuid4().hex
        response = _answer(refusal, path, request_id)
        self._note(refusal, response.status_code, path, method, seconds, request_id)
        return _written(response)

    def about(self, refusal: Refusal, *, path: str, state: dict[str, Any]) -> bytes:
        """A whole answer for a request that the edge holds and counts: `state` tells it how."""
        request_id = state.setdefault("request_id", uuid.uuid4().hex)
        response = _answer(refusal, path, request_id)
        state["told"] = response.status_code
        state["code"] = refusal.code
        self._metrics.refused(refusal.code)
        return _written(response)

    async def crowded(self, scope: Any, receive: Any, send: Any) -> None:
        """The application of a connection for which there is no room."""
        refusal = RateLimited(
            "Too many connections are open. Ask again in a second.", retry_after_s=1
        )
        path, request_id = scope["path"], uuid.uuid4().hex
        response = _answer(refusal, path, request_id)
        self._note(refusal, response.status_code, path, scope["method"], 0.0, request_id)
        await response(scope, receive, send)

    def _note(  # noqa: PLR0917 - what a line of the log says
        self,
        refusal: Refusal,
        status: int,
        path: str,
        method: str,
        seconds: float,
        request_id: str,
    ) -> None:
        ended = Ended(method_of(method), "unmatched", status, seconds)
        self._metrics.refused(refusal.code)
        self._metrics.answered(ended, self._metrics.began(path))
        with within_request(request_id):
            self._log.ended(ended, {"code": refusal.code})


def _answer(refusal: Refusal, path: str, request_id: str) -> Any:
    response = error_response(fault_of(refusal), path=path, request_id=request_id)
    response.headers["x-request-id"] = request_id
    response.headers["cache-control"] = "no-store"
    response.headers["connection"] = "close"
    return response


def _written(response: Any) -> bytes:
    head = b"".join(b"%b: %b\r\n" % header for header in response.raw_headers)
    return bytes(STATUS_LINE[response.status_code] + head + b"\r\n" + bytes(response.body))
