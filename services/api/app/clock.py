"""The only place that reads this machine's clocks; everything else is handed a `Clock`."""

import time


class SystemClock:
    """The real clock (`app.authority.ports.Clock`)."""

    def utc_us(self) -> int:
        return time.time_ns() // 1_000

    def monotonic(self) -> float:
        return time.monotonic()
