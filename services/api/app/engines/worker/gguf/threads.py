"""How many threads llama.cpp computes with: found by trying, because cores that are taken cost more
than they give. llama.cpp's threads wait for each other by spinning, so one too many can make it
slower by a factor of ten and more.
"""

import os
import time
from collections.abc import Callable, Iterable

# What a thread more has to bring before a core is taken from everybody else for it.
_WORTH = 0.95
_BUDGET_S = 0.5
_TRIES = 3


def cores() -> int:
    """Cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def candidates(count: int) -> list[int]:
    """Numbers of threads worth trying on `count` cores, most first."""
    parts = {count, count - 1, count * 3 // 4, count // 2, count // 4, 1}
    return sorted((part for part in parts if part >= 1), reverse=True)


def best(
    counts: Iterable[int],
    seconds_with: Callable[[int], float],
    *,
    budget_s: float = _BUDGET_S,
    now: Callable[[], float] = time.monotonic,
) -> int:
    """The fewest threads that are about as fast as any; the first two are always tried."""
    started, found = now(), dict[int, float]()
    for count in counts:
        if len(found) >= 2 and now() - started > budget_s:
            break
        found[count] = min(_timed(count, seconds_with, started + budget_s, now))
    fastest = min(found.values())
    return min(count for count, seconds in found.items() if seconds * _WORTH <= fastest)


def _timed(
    count: int, seconds_with: Callable[[int], float], until: float, now: Callable[[], float]
) -> list[float]:
    tries = [seconds_with(count)]
    while len(tries) < _TRIES and now() < until:
        tries.append(seconds_with(count))
    return tries
