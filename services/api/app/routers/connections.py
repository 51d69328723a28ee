"""The only place that holds connections: uvicorn's protocol, with an end to every wait.

A client that sends no head, no body or does not read is let go; a head has a size; where more
connections are held than there is room for, those that ask nothing make room. None of this looks at
a request whose client keeps up: it costs that one a few assignments.
"""

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from app.domain.refusals import (
    HeadTooLarge,
    InvalidRequest,
    Refusal,
    RequestTimeout,
)
from app.routers.last_words import LastWords
from app.routers.metrics import Metrics
from app.routers.patience import (
    Awaits,
    Patience,
    Seen,
    Verdict,
    is_reserved,
)
from app.routers.watching import Watch

MAX_TARGET_BYTES = 16 << 10
MAX_HEAD_BYTES = 64 << 10
MAX_HEADERS = 128
MAX_PIPELINED = 16


class _Reading(Enum):
    NOTHING = 0
    HEAD = 1
    BODY = 2


class _Refused(Exception):
    """Leaves the parser's callbacks; httptools turns it into an error of its own."""


class Connection(HttpToolsProtocol):
    """One client's connection. `watch` and `words` are set by `protocol`, for all of one server."""

    watch: Watch
    words: LastWords

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.crowded = False
        self._answers = self.app
        self._running: RequestResponseCycle | None = None
        self._reading = _Reading.NOTHING
        self._began = False
        self._deaf = False
        self._refusal: Refusal | None = None
        self._since = self._last_byte = self._unread_since = self.loop.time()
        self._head_bytes = self._headers = self._body_bytes = self._unread = 0

    # --- what uvicorn calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if not self.watch.hold(self):
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self.watch.forget(self)
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self.pipeline.clear()
        self._leave_running()

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            return
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(self._refusal or InvalidRequest("The request is not valid HTTP/1.1."))
            return
        if self._reading is _Reading.HEAD:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._refuse(_too_large(f"{MAX_HEAD_BYTES:,} bytes"))

    def shutdown(self) -> None:
        """The server stops: whoever has not said what they want is not waited for."""
        if self._reading is _Reading.BODY and not self._is_owed:
            self.transport.close()
        else:
            super().shutdown()

    # --- what the parser calls ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        super().on_message_begin()
        if self._began:
            self._since = self.loop.time()
        self._began = True
        self._reading = _Reading.HEAD
        self._head_bytes = self._headers = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        super().on_url(url)
        if len(self.url) > MAX_TARGET_BYTES:
            self._stop(_too_large(f"{MAX_TARGET_BYTES:,} bytes in its first line"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers += 1
        self._head_bytes += len(name) + len(value)
        if self._headers > MAX_HEADERS:
            self._stop(_too_large(f"{MAX_HEADERS} headers"))
        if self._head_bytes > MAX_HEAD_BYTES:
            self._stop(_too_large(f"{MAX_HEAD_BYTES:,} bytes"))
        if self._reading is _Reading.HEAD:  # what follows a body in chunks is no header
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not _is_ours(self.url, self.headers):
            self._stop(InvalidRequest("The request's first line names another server."))
        if self.parser.should_upgrade():
            return  # parsed again, without that
        if len(self.pipeline) >= MAX_PIPELINED:
            self._stop(InvalidRequest("Wait for answers: too many requests were sent at once."))
        refused = self.crowded and not is_reserved(self.url.decode("ascii", "replace"))
        self.app = self.words.crowded if refused else self._answers
        super().on_headers_complete()
        if self.crowded:
            self.cycle.keep_alive = False
        self._reading = _Reading.BODY
        self._head_bytes = 0
        self._since = self._last_byte = self.loop.time()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._body_bytes += len(body)
        self._last_byte = self.loop.time()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        super().on_message_complete()
        self._reading = _Reading.NOTHING
        self._since = self.loop.time()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._since = self.loop.time()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._running = cycle  # with pipelined requests this is not `self.cycle`
        super()._start_asgi_task(cycle, app)

    # --- what the watch calls -------------------------------------------------------------------

    def seen(self, now: float) -> Seen:
        """How it looks now. Called about once a second: that is how unread bytes are noticed."""
        unread = self.transport.get_write_buffer_size()
        if not unread or unread < self._unread:
            self._unread_since = now
        self._unread = unread
        awaits = self._awaits()
        if awaits is Awaits.ANSWER:
            self._since = self._last_byte = now  # what it sends meanwhile does not count
        return Seen(
            awaits,
            for_s=now - self._since,
            quiet_s=now - self._last_byte,
            unread_s=now - self._unread_since,
            body_bytes=self._body_bytes,
            said_something=self._began,
        )

    def suffer(self, verdict: Verdict) -> None:
        match verdict:
            case Verdict.TOLD:
                rest = self._awaits().value
                self._refuse(RequestTimeout(f"Request timeout: {rest} did not come in time."))
            case Verdict.CLOSE:
                self.transport.close()
            case Verdict.CUT:
                self.transport.abort()
            case Verdict.WAIT:
                pass

    # --- private --------------------------------------------------------------------------------

    def _parse(self, data: bytes) -> None:
        """Nothing here is upgraded to, which Java's client asks for with every first request. The
        parser would take the body of such a request for the next one: so that header is left out.
        """
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                line = (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
                kept = (b"%b: %b\r\n" % one for one in self.headers if one[0] != b"upgrade")
                rest = data[upgrade.args[0] :]
                data = b"%b %b HTTP/%b\r\n" % line + b"".join(kept) + b"\r\n" + rest
                self.parser = httptools.HttpRequestParser(self)
            else:
                return

    @property
    def _is_owed(self) -> bool:
        """Whether a request has come whole and its answer has not yet gone."""
        running = self._running
        if running is None or running.response_complete:
            return False
        return running is not self.cycle or self._reading is not _Reading.BODY

    def _awaits(self) -> Awaits:
        if self._is_owed:
            return Awaits.ANSWER
        if self._deaf:
            return Awaits.END
        if self._reading is _Reading.BODY:
            answered = self._running is not None and self._running.response_complete
            return Awaits.END if answered else Awaits.BODY
        return Awaits.HEAD if self._reading is _Reading.HEAD or not self._began else Awaits.NEXT

    def _stop(self, refusal: Refusal) -> None:
        self._refusal = refusal
        raise _Refused

    def _refuse(self, refusal: Refusal) -> None:
        """Hear nothing further. What was asked before is still answered, else this is."""
        self._deaf = True
        self.pipeline.clear()
        running = self._running
        if self._is_owed and running is not None:
            running.keep_alive = False
            return
        if self.transport.is_closing():
            return
        begun = running if running is not None and not running.response_complete else None
        self._leave_running()
        if begun is not None and begun.response_started:
            self.transport.abort()
            return
        self.flow.resume_reading()
        path, now = getattr(self, "url", b"").decode("ascii", "replace"), self.loop.time()
        if begun is not None:
            word = self.words.about(refusal, path=path, state=begun.scope["state"])
        else:
            word = self.words.to(refusal, path=path, seconds=now - self._since)
        self._since = now
        self.transport.write(word)
        self.transport.write_eof()

    def _leave_running(self) -> None:
        if self._running is not None and not self._running.response_complete:
            self._running.disconnected = True
            self._running.message_event.set()


def protocol(patience: Callable[[], Patience], metrics: Metrics | None = None) -> type[Connection]:
    """The class that uvicorn makes connections of; `patience` is asked again and again."""
    words = LastWords(metrics or Metrics())
    return type("WatchedConnection", (Connection,), {"watch": Watch(patience), "words": words})


def _is_ours(target: bytes, headers: list[tuple[bytes, bytes]]) -> bool:
    """A target is a path, or the same host as `Host` says (RFC 9112, 3.2); no tunnel is made."""
    if target.startswith((b"/", b"*")):
        return True
    host = next((value for name, value in headers if name == b"host"), b"")
    return target.lower().startswith((b"http://%b/" % host.lower(), b"http://%b?" % host.lower()))


def _too_large(limit: str) -> HeadTooLarge:
    return HeadTooLarge(
        f"The request's head is larger than {limit}. Send fewer or shorter headers."
    )
