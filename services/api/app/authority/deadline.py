"""One deadline for the many waits of one task.

`asyncio.timeout` around every wait costs as much as all else that is done for a streamed token, so
this sets one timer for all of them.
"""

import asyncio
from types import TracebackType


class Deadline:
    """``with deadline:`` around each wait raises TimeoutError once `at` has passed.

    `at` is in the event loop's time. Every wait has to be in the task of the first; `close` at the
    end.
    """

    def __init__(self, at: float) -> None:
        self.at = at
        self._loop = asyncio.get_running_loop()
        self._task: asyncio.Task[object] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._cancelling = 0
        self._waiting = False
        self._cancelled = False
        self._passed = False

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def __enter__(self) -> None:
        if self._task is None:
            self._task = asyncio.current_task()
            self._timer = self._loop.call_at(self.at, self._pass)
        if self._passed:
            raise TimeoutError
        self._waiting = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self._waiting = False
        if not self._cancelled or self._task is None:
            return
        self._cancelled = False
        # Somebody else may have cancelled the task too, and then it is to end.
        if self._task.uncancel() <= self._cancelling and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _pass(self) -> None:
        self._passed = True
        if self._waiting and self._task is not None:
            self._cancelling = self._task.cancelling()
            self._cancelled = self._task.cancel()
