"""Whether one more request is soon enough after those before it. Pure.

A key that may ask N times a minute may ask N times at once after a quiet minute, and then once in
every 60/N seconds. What is kept of it is one number: when all it asked would have been due, had it
asked evenly (the generic cell rate algorithm, ITU-T I.371).
"""

import math

WINDOW_S = 60.0


def after_one(due: float, *, per_minute: int, now: float) -> float | None:
    """When the next is due after one at `now`; None: it is too early. `due`: before it.

    `per_minute` is at least 1. Times are in seconds by any clock that does not go back.
    """
    at = max(due, now)
    spacing = WINDOW_S / per_minute
    return None if at - now > WINDOW_S - spacing + 1e-9 else at + spacing


def wait_s(due: float, *, per_minute: int, now: float) -> int:
    """Whole seconds after which a request that was too early at `now` is not: never less than 1."""
    early_by = due - now - (WINDOW_S - WINDOW_S / per_minute)
    return max(1, math.ceil(early_by - 1e-9))
