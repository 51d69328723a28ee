"""Challenges for decisions: random, for one key and one ask, good once and not for long.

They are kept in memory: after a restart nobody holds one that counts.
"""

import secrets
import threading
from typing import Final

from app.authority.ports import Clock

GOOD_FOR_S: Final = 300
AT_MOST: Final = 10_000


class Challenges:
    """Every method may be called from any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._given: dict[str, tuple[str, str, float]] = {}

    def give(self, actor_id: str, ask_id: str) -> str:
        """A new challenge; the oldest is forgotten where too many are out."""
        challenge = secrets.token_hex(16)
        with self._lock:
            if len(self._given) >= AT_MOST:
                del self._given[next(iter(self._given))]
            self._given[challenge] = (actor_id, ask_id, self._clock.monotonic() + GOOD_FOR_S)
        return challenge

    def take(self, challenge: str, actor_id: str, ask_id: str) -> bool:
        """Whether it was given to this key for this ask and is still good; this uses it up."""
        with self._lock:
            given = self._given.pop(challenge, None)
        if given is None:
            return False
        return given[:2] == (actor_id, ask_id) and self._clock.monotonic() < given[2]
