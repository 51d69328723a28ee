"""What one sequence's consumer has yet to see, merged while it was busy elsewhere."""

import asyncio
from collections import deque

from app.domain.generation import Delta, GenerationEvent
from app.domain.refusals import Refusal
from app.domain.work import WorkResult

Said = GenerationEvent | WorkResult


class SequenceStream:
    """A queue for one consumer, used in the event loop's thread only.

    Plain text that waits is merged into one delta, so a slow consumer costs text and nothing else.
    """

    __slots__ = ("_events", "_failure", "_waiter", "ended")

    def __init__(self) -> None:
        self._events: deque[Said] = deque()
        self._failure: Refusal | None = None
        self._waiter: asyncio.Future[None] | None = None
        self.ended = False

    def put(self, event: Said) -> None:
        self._events.append(event)
        self._wake()

    def put_last(self, event: Said) -> None:
        """Nothing follows this one."""
        self.ended = True
        self.put(event)

    def put_delta(self, text: str, tokens: int) -> None:
        last = self._events[-1] if self._events else None
        if isinstance(last, Delta) and not last.logprobs:
            self._events[-1] = Delta(last.text + text, last.tokens + tokens)
        else:
            self._events.append(Delta(text, tokens))
        self._wake()

    def fail(self, refusal: Refusal) -> None:
        """Raised to the consumer once it has seen everything that came before."""
        if not self.ended:
            self._failure, self.ended = refusal, True
            self._wake()

    async def next(self) -> Said:
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
