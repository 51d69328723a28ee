"""Memory that is as much as a test says (`app.authority.ports.MemoryProbe`)."""

from collections.abc import Callable

from app.authority.ports import Clock
from app.domain.memory import MemoryReading

GIB = 1 << 30


class FixedMemory:
    """A machine whose availability shrinks by what `used_bytes` says is resident."""

    def __init__(self, clock: Clock, *, total_bytes: int, used_bytes: Callable[[], int]) -> None:
        self._clock = clock
        self._used_bytes = used_bytes
        self.total_bytes = total_bytes
        self.age_s = 0.0

    def read(self) -> MemoryReading:
        return MemoryReading(
            taken_at=self._clock.monotonic() - self.age_s,
            total_bytes=self.total_bytes,
            available_bytes=max(0, self.total_bytes - self._used_bytes()),
        )
