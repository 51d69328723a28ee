"""A clock for deadlines that never goes back: a clock that is set back revives nothing."""

import threading

from app.authority.ports import Clock


class Forward:
    """Microseconds of UTC, at least the latest that was ever told or recorded."""

    def __init__(self, clock: Clock, *, not_before_us: int = 0) -> None:
        self._clock = clock
        self._latest = not_before_us
        self._lock = threading.Lock()

    def utc_us(self) -> int:
        with self._lock:
            self._latest = max(self._latest, self._clock.utc_us())
            return self._latest
