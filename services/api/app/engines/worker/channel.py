"""The worker's end of the socket: one reader thread, writes from any thread."""

import os
import socket
import threading
from collections.abc import Callable, Sequence

from app.engines.protocol import (
    Decoder,
    FromWorker,
    Message,
    encode,
)


class Channel:
    """Blocking frames over a socket. When the supervisor's end closes, this process ends."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._decoder = Decoder()
        self._lock = threading.Lock()

    def send(self, messages: Sequence[FromWorker]) -> None:
        """All of them in one write."""
        data = b"".join(map(encode, messages))
        with self._lock:
            try:
                self._connection.sendall(data)
            except OSError:
                os._exit(0)

    def receive(self) -> list[Message]:
        """The next messages. Does not return when the supervisor is gone."""
        while True:
            try:
                data = self._connection.recv(2**16)
            except OSError:
                data = b""
            if not data:
                # No server, no worker: whatever the other threads are doing.
                os._exit(0)
            if messages := list(self._decoder.feed(data)):
                return messages

    def read_forever(self, handle: Callable[[Message], None]) -> threading.Thread:
        """Pass every message to `handle`, in a thread of its own."""

        def read() -> None:
            try:
                while True:
                    for message in self.receive():
                        handle(message)
            finally:
                os._exit(4)

        thread = threading.Thread(target=read, name="frames", daemon=True)
        thread.start()
        return thread
