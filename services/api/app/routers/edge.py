"""The outermost layer: each request gets an id, a judged `Host` and `Origin`, a bounded body.

The id is ours alone: one that a client sends is not read, so that nobody can write into another
request's lines of the log.
"""

import logging
import re
import time
import uuid
from collections.abc import Iterable

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.domain.refusals import InvalidRequest, Refusal, RequestTooLarge
from app.observability import within_request
from app.routers.errors import error_response, fault_of
from app.routers.hosts import accepted_host, check_origin
from app.routers.measuring.ended import Ended
from app.routers.measuring.naming import method_of
from app.routers.metrics import Metrics
from app.routers.request_log import RequestLog

log = logging.getLogger(__name__)

_SLASHES = re.compile("/{2,}")
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class Edge:
    """Pure ASGI middleware: one pass in, one pass out, nothing per chunk but a function call."""

    def __init__(
        self, app: ASGIApp, *, allowed_hosts: Iterable[str], max_body_bytes: int, metrics: Metrics
    ) -> None:
        self._app = app
        self._allowed_hosts = frozenset(allowed_hosts)
        self._max_body_bytes = max_body_bytes
        self._metrics = metrics
        self._log = RequestLog()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        state = scope.setdefault("state", {})
        answer = _Answer(send, request_id=state.setdefault("request_id", uuid.uuid4().hex))
        asked = _with_a_body(scope)
        began, surface = time.perf_counter(), self._metrics.began(scope["path"])
        with within_request(answer.request_id):
            try:
                await self._admitted(asked, receive, answer)
            except Exception as error:  # noqa: BLE001 - the last place that can answer at all
                await self._failed(error, asked, receive, answer)
            finally:
                ended = Ended(
                    method_of(scope["method"]),
                    getattr(asked.get("route"), "path", "unmatched"),
                    state.get("told", answer.status),
                    time.perf_counter() - began,
                )
                self._metrics.answered(ended, surface)
                self._log.ended(ended, state)

    async def _admitted(self, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        headers = Headers(scope=scope)
        host = accepted_host(headers.getlist("host"), allowed_hosts=self._allowed_hosts)
        check_origin(
            headers.getlist("origin"),
            host=host,
            fetch_site=headers.get("sec-fetch-site"),
            fetch_mode=headers.get("sec-fetch-mode"),
        )
        _check_encoding(headers.get("content-encoding"))
        scope["path"] = _SLASHES.sub("/", scope["path"])
        body = await _read(receive, headers.get("content-length"), self._max_body_bytes)
        if body is not None:
            await self._app(scope, _replayed(body, receive), answer.send)

    async def _failed(
        self, error: Exception, scope: Scope, receive: Receive, answer: "_Answer"
    ) -> None:
        fault = fault_of(error)
        scope["state"]["code"] = fault.code
        if isinstance(error, Refusal):
            self._metrics.refused(error.code)
        else:
            log.error("request %s failed", answer.request_id, exc_info=error)
        if answer.started:
            return  # the server closes a connection whose answer did not end
        response = error_response(fault, path=scope["path"], request_id=answer.request_id)
        await response(scope, receive, answer.send)


class _Answer:
    """What was sent so far; adds the headers that every answer carries."""

    def __init__(self, send: Send, *, request_id: str) -> None:
        self.request_id = request_id
        self.status = 499  # until something is sent: the client left before that
        self._send = send

    @property
    def started(self) -> bool:
        return self.status != 499

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(scope=message)
            headers["x-request-id"] = self.request_id
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
        await self._send(message)


async def _read(receive: Receive, content_length: str | None, limit: int) -> bytes | None:
    """The whole body, or None when the client left while sending it."""
    if content_length is not None and content_length.isdigit() and int(content_length) > limit:
        raise _too_large(limit)
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        chunks.append(chunk)
        more = message.get("more_body", False)
    return b"".join(chunks)


def _replayed(body: bytes, receive: Receive) -> Receive:
    """First the body in one message, then whatever the client still does (it can only leave)."""
    waiting = [body]

    async def replay() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replay


def _too_large(limit: int) -> RequestTooLarge:
    return RequestTooLarge(
        f"The body is larger than {limit:,} bytes. Send less, or raise max_body_bytes "
        "in config.yaml."
    )


def _check_encoding(encoding: str | None) -> None:
    """A compressed body would be small on the wire and of any size in memory."""
    if encoding is not None and encoding.strip().lower() not in ("", "identity"):
        raise InvalidRequest(
            "This server takes no compressed bodies: send it without Content-Encoding.",
            param="content-encoding",
        )


def _with_a_body(scope: Scope) -> Scope:
    """HEAD is answered as GET; the HTTP server, which keeps its own scope, leaves the body out."""
    return {**scope, "method": "GET"} if scope["method"] == "HEAD" else scope
