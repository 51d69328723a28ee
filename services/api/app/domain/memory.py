"""Memory as it was read at one moment, in integer bytes."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """One reading of the machine's memory.

    `taken_at` is in seconds of the monotonic clock. `None` means that the machine has no such
    limit: no control group, no Metal.
    """

    taken_at: float
    total_bytes: int
    available_bytes: int
    cgroup_limit_bytes: int | None = None
    cgroup_used_bytes: int | None = None
    metal_headroom_bytes: int | None = None
