"""Somebody else on this machine, to whom a hub may try to lead."""

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

NOT_FOUND = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


class Both:
    """Two endpoints of this machine, for tests of what lies behind a redirect."""

    def __init__(self, *urls: str) -> None:
        self._ports = {int(url.rsplit(":", 1)[1]) for url in urls}
        self.names = ("127.0.0.1",)

    def check(self, *, scheme: str, host: str, port: int | None) -> None:
        assert (scheme, host) == ("http", "127.0.0.1")
        assert port in self._ports


@contextmanager
def listening(answer: bytes = b"", forever: bool = False) -> Iterator[tuple[str, list[bytes]]]:
    """Somebody else on this machine, who keeps what is said to them."""
    calls: list[bytes] = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            calls.append(self.request.recv(65536))
            try:
                self.request.sendall(
                    answer or b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
                )
                while forever:
                    self.request.sendall(b"x" * 65536)
            except OSError:
                return

    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}", calls
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def endless() -> Iterator[str]:
    with listening(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", forever=True) as (url, _):
        yield url
