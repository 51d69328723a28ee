"""What one sequence's consumer has yet to see, merged while it was busy elsewhere."""

import asyncio
from collections import deque

from app.domain.generation import Delta, Finished, GenerationEvent, Started
from app.domain.refusals import Refusal


class SequenceStream:
    """A queue for one consumer, used in the event loop's thread only.

    Deltas that wait are merged into one, so a slow consumer costs text and nothing else.
    """

    __slots__ = ("_events", "_failure", "_waiter", "ended")

    def __init__(self) -> None:
        self._events: deque[GenerationEvent] = deque()
        self._failure: Refusal | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.ended = False

    def put(self, event: Started | Finished) -> None:
        self._events.append(event)
        self.ended = isinstance(event, Finished)
        self._wake()

    def put_delta(self, text: str, tokens: int) -> None:
        if self._events and isinstance(last := self._events[-1], Delta):
            self._events[-1] = Delta(last.text + text, last.tokens + tokens)
        else:
            self._events.append(Delta(text, tokens))
        self._wake()

    def fail(self, refusal: Refusal) -> None:
        """Raised to the consumer once it has seen everything that came before."""
        if not self.ended:
            self._failure, self.ended = refusal, True
            self._wake()

    async def next(self) -> GenerationEvent:
        while not self._events:
            if self._failure is not None:
                raise self._failure
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        return self._events.popleft()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
