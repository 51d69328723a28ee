"""A client's end of a connection, without a socket: what it was sent, how much it has not read."""

import asyncio
from typing import Any


class FakeTransport(asyncio.Transport):
    """Keeps what is written; `unread` bytes of it count as not yet sent."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.unread = 0
        self.ended = self.closed = self.aborted = False

    def write(self, data: Any) -> None:
        self.sent += bytes(data)

    def write_eof(self) -> None:
        self.ended = True

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.closed or self.aborted

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...
