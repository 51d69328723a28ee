"""The bytes of one answer of a hub, counted: none is longer than whoever asked for it expects."""

import time
from collections.abc import Iterator

import httpx2

from app.domain.refusals import HubRefused, HubUnreachable


class _Bounded(httpx2.SyncByteStream):
    def __init__(self, stream: httpx2.SyncByteStream, most: int, most_s: float | None) -> None:
        self._stream = stream
        self._most = most
        self._until = None if most_s is None else time.monotonic() + most_s

    def __iter__(self) -> Iterator[bytes]:
        left = self._most
        for piece in self._stream:
            left -= len(piece)
            if left < 0:
                raise HubRefused(
                    f"The hub's answer is longer than {self._most} bytes, which is all that is "
                    "read of it. Nothing of it is used."
                )
            if self._until is not None and time.monotonic() > self._until:
                raise HubUnreachable("The hub answers too slowly. Try again later.")
            yield piece

    def close(self) -> None:
        self._stream.close()


class _Transport(httpx2.BaseTransport):
    """Extensions of a request, `lmx_most` and `lmx_most_s`, bound its answer; else the defaults."""

    def __init__(self, inner: httpx2.BaseTransport, most: int, most_s: float | None) -> None:
        self._inner = inner
        self._most = most
        self._most_s = most_s

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self._inner.handle_request(request)
        if not isinstance(answer.stream, httpx2.SyncByteStream):
            raise TypeError("a synchronous transport answers with a synchronous stream")
        most: int = request.extensions.get("lmx_most", self._most)
        most_s: float | None = request.extensions.get("lmx_most_s", self._most_s)
        answer.stream = _Bounded(answer.stream, most, most_s)
        return answer

    def close(self) -> None:
        self._inner.close()


def bounded_transport(*, most: int, most_s: float | None) -> httpx2.BaseTransport:
    """HTTP without proxies; answers have at most `most` bytes, in `most_s` seconds."""
    return _Transport(httpx2.HTTPTransport(trust_env=False), most, most_s)
