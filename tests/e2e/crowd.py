"""Clients that cost a server something and give it nothing: silent, slow, or always refused."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from tests.e2e.server import RunningServer

_POST = b"POST /v1/chat/completions HTTP/1.1\r\nHost: %b\r\nContent-Length: 500\r\n\r\n"
SILENT = (b"", b"GET /v1/mod", _POST, _POST + b'{"model"')
"""What a client says before it says nothing more."""


@dataclass
class Crowd:
    """Sockets that are held open, and what the refused were told."""

    server: RunningServer
    held: list[socket.socket] = field(default_factory=list)
    slow: list[socket.socket] = field(default_factory=list)
    told: dict[int, int] = field(default_factory=dict)
    _over: threading.Event = field(default_factory=threading.Event)

    @property
    def _host(self) -> bytes:
        return urlsplit(self.server.url).netloc.encode()

    def silent(self, count: int) -> None:
        """Connections that never send a whole request."""
        for number in range(count):
            said = SILENT[number % len(SILENT)]
            self.held.append(self._connect(said.replace(b"%b", self._host)))

    def readers(self, count: int, model: str) -> None:
        """Connections that ask for an answer and read one byte of it a second."""
        body = {
            "model": model,
            "messages": [{"role": "user", "content": "tell me"}],
            "max_tokens": 100,
            "stream": True,
        }
        text = json.dumps(body).encode()
        chat = _POST.replace(b"%b", self._host).replace(b" 500", b" %d" % len(text)) + text
        page = b"GET /openapi.json HTTP/1.1\r\nHost: %b\r\n\r\n" % self._host
        for number in range(count):
            self.slow.append(self._connect((chat, page)[number % 2]))

    def refused(self) -> None:
        """Ask for what is refused, until it is over: no such model, a bad key, too much at once."""
        bad = {"Authorization": "Bearer lmx_not_a_key_of_this_server"}
        with httpx.Client(base_url=self.server.url, timeout=30) as client:
            while not self._over.is_set():
                for path, body, headers in (
                    ("/v1/chat/completions", b'{"model": "nobody/nothing", "messages": []}', {}),
                    ("/v1/chat/completions", b"{", {}),
                    ("/authority/models/a/unload", b"{}", bad),
                ):
                    status = client.post(path, content=body, headers=headers).status_code
                    self.told[status] = self.told.get(status, 0) + 1

    def read_slowly(self) -> None:
        while not self._over.wait(1):
            for one in self.slow:
                with suppress(OSError):
                    one.recv(1)

    def ended(self) -> int:
        """How many of the silent ones were let go by the server."""
        return sum(map(_is_over, self.held))

    def end(self) -> None:
        self._over.set()
        for one in (*self.held, *self.slow):
            with closing(one):
                pass

    def _connect(self, said: bytes) -> socket.socket:
        address = urlsplit(self.server.url)
        one = socket.create_connection((address.hostname, address.port), timeout=30)
        if said:
            one.sendall(said)
        one.setblocking(False)
        return one


def _is_over(one: socket.socket) -> bool:
    try:
        while one.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


@contextmanager
def crowd(
    server: RunningServer, *, silent: int, readers: int, refused: int, model: str
) -> Iterator[Crowd]:
    """All of them at once, for as long as the block lasts."""
    there = Crowd(server)
    work = [there.read_slowly, *[there.refused] * refused]
    threads = [threading.Thread(target=one) for one in work]
    try:
        there.readers(readers, model)
        there.silent(silent)
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        yield there
    finally:
        there.end()
        for thread in threads:
            if thread.ident is not None:
                thread.join(60)
