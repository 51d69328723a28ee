"""Memory as guardrails look at it: read at most once a second, however many conditions ask.

Whether a load fits is decided elsewhere, on a reading of its own.
"""

import threading
from typing import Final

from app.authority.ports import Clock, MemoryProbe
from app.domain.memory import MemoryReading

KEPT_S: Final = 1.0


class Glance:
    """A `MemoryProbe` that remembers for a second. May be called from any thread."""

    def __init__(self, probe: MemoryProbe, clock: Clock) -> None:
        self._probe = probe
        self._clock = clock
        self._one = threading.Lock()
        self._last: MemoryReading | None = None

    def read(self) -> MemoryReading:
        with self._one:
            last = self._last
            if last is None or not 0 <= self._clock.monotonic() - last.taken_at < KEPT_S:
                self._last = None
                last = self._last = self._probe.read()
            return last
