"""Work on a thread whose steps are followed on the event loop; whoever leaves, cancels it."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

S = TypeVar("S")
R = TypeVar("R")


class Followed(Generic[S, R]):
    """`work` is given what to tell each step to and what to ask whether it is still wanted."""

    result: R
    """What the work returned, once `steps` ended."""

    def __init__(self, work: Callable[[Callable[[S], None], Callable[[], bool]], R]) -> None:
        self._work = work

    async def steps(self) -> AsyncGenerator[S, None]:
        """Each step as it is told; raises what the work raises. Closing it waits for its end."""
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[S | None] = asyncio.Queue()
        stop = threading.Event()

        def tell(step: S | None) -> None:
            loop.call_soon_threadsafe(told.put_nowait, step)

        def work() -> R:
            try:
                return self._work(tell, stop.is_set)
            finally:
                tell(None)

        working = asyncio.create_task(asyncio.to_thread(work))
        try:
            while (step := await told.get()) is not None:
                yield step
            self.result = await working
        finally:
            stop.set()
            await asyncio.wait({working})
            if not working.cancelled():
                working.exception()  # whoever left does not hear it
