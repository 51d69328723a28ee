"""A server's protocol without a socket or a server, and clients of it."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from uvicorn import Config
from uvicorn.server import ServerState

from app.routers.connections import Connection, protocol
from app.routers.edge import Edge
from app.routers.metrics import Metrics
from app.routers.patience import Patience
from tests.fakes.transport import FakeTransport

PATIENCE = Patience(header_s=15, body_s=30, read_s=120, idle_s=120, connections=20)
GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\n"


@dataclass
class At:
    """A server whose answers wait for `gate`, and one client of it."""

    kind: type[Connection]
    config: Config
    gate: asyncio.Event
    paths: list[str]
    gone: list[str]
    metrics: Metrics

    def connect(self) -> tuple[Connection, FakeTransport]:
        connection, transport = self.kind(self.config, ServerState(), {}), FakeTransport()
        connection.connection_made(transport)
        return connection, transport

    def after(self, seconds: float) -> None:
        """Look as the watch does each second, for so long."""
        now = asyncio.get_running_loop().time()
        for second in range(int(seconds) + 1):
            self.kind.watch.look(now + second)


def serving(patience: Callable[[], Patience], *, edged: bool = False) -> At:
    gate = asyncio.Event()
    gate.set()
    paths: list[str] = []
    gone: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        while message["type"] == "http.request" and message["more_body"]:
            message = await receive()
        if message["type"] == "http.disconnect":
            gone.append(scope["path"])
            return
        paths.append(scope["path"])
        await gate.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"fine", "more_body": False})

    metrics = Metrics()
    edge = Edge(app, allowed_hosts=["a"], max_body_bytes=1000, metrics=metrics) if edged else app
    config = Config(
        edge, http=protocol(patience, metrics), ws="none", lifespan="off", log_config=None
    )
    config.load()
    kind: Any = config.http_protocol_class
    return At(kind, config, gate, paths, gone, metrics)


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)
