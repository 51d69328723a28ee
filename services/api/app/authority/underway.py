"""Work that comes to its end even when whoever asked for it has gone away."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

from app.domain.refusals import Refusal

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Underway:
    """Of one event loop. `failed`: the event in the log of work that ended by a defect."""

    def __init__(self, failed: str) -> None:
        self._failed = failed
        self._tasks: set[asyncio.Task[Any]] = set()

    async def to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` returns or raises; cancelling the caller does not cut it short."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    async def close(self, wait_s: float) -> None:
        """Wait for all of it, but not for ever: what is late is cancelled, and has ended then."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=wait_s)
        late = tuple(self._tasks)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, Refusal):
            log.error(self._failed, error=repr(error))
