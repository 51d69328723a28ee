"""A clock that moves only when a test says so (`app.authority.ports.Clock`)."""

START_UTC_US = 1_800_000_000_000_000


class FixedClock:
    def __init__(self, *, utc_us: int = START_UTC_US, monotonic: float = 1_000.0) -> None:
        self._utc_us = utc_us
        self._monotonic = monotonic

    def utc_us(self) -> int:
        return self._utc_us

    def monotonic(self) -> float:
        return self._monotonic

    def advance(self, seconds: float) -> None:
        """Time passes: both clocks move."""
        self._utc_us += round(seconds * 1_000_000)
        self._monotonic += seconds

    def jump(self, seconds: float) -> None:
        """Somebody sets the wall clock; the monotonic one does not notice."""
        self._utc_us += round(seconds * 1_000_000)
