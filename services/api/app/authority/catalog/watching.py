"""How far a pull is, for whoever watches it, and whether it is still wanted."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from app.authority.ports import Clock
from app.domain.refusals import LoadCancelled


@dataclass(frozen=True, slots=True)
class PullProgress:
    """How far one file is. `step`: `fetching`, or `checking` of what was fetched."""

    step: str
    path: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class PullWatch:
    """Who is told of a pull's progress, and who may stop it."""

    progress: Callable[[PullProgress], None]
    cancelled: Callable[[], bool]
    clock: Clock

    def check(self) -> None:
        if self.cancelled():
            raise LoadCancelled(
                "The pull was cancelled. What was fetched is kept; the next pull goes on there."
            )


@dataclass(slots=True)
class Moved:
    """Bytes that came over the network, counted by several threads."""

    count: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, count: int) -> None:
        with self._lock:
            self.count += count
