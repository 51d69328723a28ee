"""Turns single events into batches: whatever is there already is written in one go."""

import asyncio
from collections.abc import AsyncIterator

from app.domain.generation import AnswerEvent

Event = tuple[int, AnswerEvent]


class Funnel:
    """Reads events as fast as they come; `take` hands over all that arrived since the last call.

    What waits is bounded by the answer itself, which the context bounds.
    """

    def __init__(self, events: AsyncIterator[Event], *, quiet_s: float) -> None:
        self._quiet_s = quiet_s
        self._loop = asyncio.get_running_loop()
        self._events: list[Event] = []
        self._waiter: asyncio.Future[None] | None = None
        self._quiet = True
        self._pump = asyncio.create_task(self._read(events))
        self._pump.add_done_callback(self._wake)
        self._timer = self._loop.call_later(quiet_s, self._tick)

    async def take(self) -> list[Event] | None:
        """The next events; [] when nothing came for `quiet_s`; None at the end.

        Raises what the events raised, after everything before it was taken.
        """
        if not self._events and not self._pump.done():
            self._waiter = self._loop.create_future()
            await self._waiter
        if self._events:
            events, self._events = self._events, []
            return events
        if self._pump.done():
            self._pump.result()
            return None
        return []

    async def aclose(self) -> None:
        self._timer.cancel()
        self._pump.cancel()
        await asyncio.wait({self._pump})

    async def _read(self, events: AsyncIterator[Event]) -> None:
        async for event in events:
            self._events.append(event)
            self._quiet = False
            self._wake()

    def _wake(self, _: object = None) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _tick(self) -> None:
        if self._quiet:
            self._wake()
        self._quiet = True
        self._timer = self._loop.call_later(self._quiet_s, self._tick)
