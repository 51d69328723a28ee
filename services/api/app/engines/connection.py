"""The supervisor's end of a worker's socket: frames in, frames out, on the event loop."""

import asyncio
from collections.abc import Callable
from typing import cast

from app.engines.protocol import (
    Decoder,
    FrameError,
    Message,
    ToWorker,
    encode,
)


class Connection(asyncio.Protocol):
    """Passes each message to `on_message`; garbage or the end of the stream to `on_broken`."""

    def __init__(
        self, *, on_message: Callable[[Message], None], on_broken: Callable[[str], None]
    ) -> None:
        self._on_message = on_message
        self._on_broken = on_broken
        self._decoder = Decoder()
        self._transport: asyncio.Transport | None = None
        self._broken = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self._broken:
            return
        try:
            for message in self._decoder.feed(data):
                self._on_message(message)
        except FrameError:
            self._break("protocol error")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self._break("closed its connection")

    def send(self, message: ToWorker) -> None:
        """Raises `FrameError` for what no frame can carry."""
        data = encode(message)
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        self._broken = True
        if self._transport is not None:
            self._transport.abort()

    def _break(self, why: str) -> None:
        if not self._broken:
            self._broken = True
            self._on_broken(why)
