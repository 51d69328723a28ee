"""A clock for deadlines that never goes back: a clock that is set back revives nothing.

Nor does it stand still then: from the latest time it told it goes on by the monotonic clock, so
that what nobody answers ends all the same.
"""

import threading
from typing import Final

from app.authority.ports import Clock

_S: Final = 1_000_000
SET_BACK_US: Final = _S
"""Less than this behind is the two clocks' difference, not somebody who set one back."""


class Forward:
    """Microseconds of UTC, at least the latest that was ever told or recorded, and time since."""

    def __init__(self, clock: Clock, *, not_before_us: int = 0) -> None:
        self._clock = clock
        self._latest = not_before_us
        self._told = clock.monotonic()
        self._lock = threading.Lock()

    def utc_us(self) -> int:
        with self._lock:
            now_us, told = self._clock.utc_us(), self._clock.monotonic()
            if now_us < self._latest - SET_BACK_US:
                now_us = self._latest + max(0, int((told - self._told) * _S))
            self._latest, self._told = max(self._latest, now_us), told
            return self._latest
