"""A whole server in this process, without a port: as it starts, runs and ends."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import httpx

from app.wiring import Server

LISTENING: Final = "http://127.0.0.1:1"


@asynccontextmanager
async def as_operator(server: Server, home: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Ask it with the key of whoever started it. The server runs in here and nowhere else."""
    app: Any = server.app
    key = (home / "operator.key").read_text("utf-8").strip()
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url=LISTENING,
            headers={"Authorization": f"Bearer {key}"},
        ) as client,
    ):
        yield client
