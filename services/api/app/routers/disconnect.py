"""The only place that notices that a client went away, and cancels what only it wanted."""

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

from starlette.types import Receive

log = logging.getLogger(__name__)


async def while_connected(receive: Receive, work: Coroutine[Any, Any, None]) -> bool:
    """Run `work` until it ends (True) or the client leaves (False; `work` is cancelled).

    `work` has ended in every case when this returns, also when this itself is cancelled.
    """
    doing = asyncio.create_task(work)
    watching = asyncio.create_task(_until_gone(receive))
    try:
        await asyncio.wait({doing, watching}, return_when=asyncio.FIRST_COMPLETED)
        if doing.done():
            doing.result()
            return True
        return False
    finally:
        watching.cancel()
        await _ended(doing)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _ended(doing: asyncio.Task[None]) -> None:
    if doing.done():
        return
    doing.cancel()
    await asyncio.wait({doing})
    if not doing.cancelled() and (error := doing.exception()) is not None:
        log.error("cleaning up after a client that left failed", exc_info=error)
