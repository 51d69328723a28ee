"""What repeated crashes lead to. Pure."""

from dataclasses import dataclass

BACKOFF_S = (0, 1, 4, 15, 60)
"""Seconds to wait before the next start, by consecutive crashes (the first costs nothing)."""


@dataclass(frozen=True, slots=True)
class CrashRecord:
    """Consecutive crashes of one model: an answer that ends well sets it back to zero."""

    consecutive: int = 0
    last_at: float = 0.0

    def crashed(self, *, now: float) -> "CrashRecord":
        return CrashRecord(self.consecutive + 1, now)

    def quarantines(self, *, limit: int) -> bool:
        """Whether the model has crashed `limit` times in a row and may not start again."""
        return self.consecutive >= limit

    def wait_s(self, *, now: float) -> int:
        """Whole seconds until the next start is allowed, 0 when it is."""
        if self.consecutive == 0:
            return 0
        delay = BACKOFF_S[min(self.consecutive, len(BACKOFF_S)) - 1]
        remaining = self.last_at + delay - now
        return max(0, -int(-remaining // 1))
