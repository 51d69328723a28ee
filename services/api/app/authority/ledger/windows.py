"""The only place that counts equal events: the first ones of a minute in full, then one count.

None is lost: one that the ledger cannot take now is counted and written when it can. Nothing here
raises because the ledger is down: what the events tell of has happened already.
"""

import math
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Final, Generic, TypeVar

from app.authority.ledger.appending import Receipt
from app.authority.ledger.events import InvalidEvent, LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.ports import Clock
from app.domain.refusals import AuditUnavailable

WINDOW_S: Final = 60.0

About = TypeVar("About", bound=Hashable)
"""What equal events have in common; equal values share a window."""


@dataclass(frozen=True, slots=True)
class Count:
    """So many, between two moments (UTC, microseconds)."""

    number: int
    first_us: int
    last_us: int

    def as_data(self) -> dict[str, int]:
        return {"count": self.number, "first_us": self.first_us, "last_us": self.last_us}


@dataclass(slots=True)
class _Window(Generic[About]):
    opened: float
    about: About
    seen: int = 0
    pending: int = 0
    first_us: int = 0
    last_us: int = 0


class Windows(Generic[About]):
    """Every method may be called from any thread; `record` may wait for the disk."""

    def __init__(
        self,
        ledger: Ledger,
        clock: Clock,
        *,
        in_full: int,
        counted: Callable[[About, Count], LedgerEvent],
    ) -> None:
        self._ledger = ledger
        self._clock = clock
        self._in_full = in_full
        self._counted = counted
        self._windows: dict[About, _Window[About]] = {}
        self._oldest = math.inf
        self._lock = threading.Lock()

    @property
    def pending(self) -> int:
        """Events that are counted and not yet in the ledger."""
        with self._lock:
            return sum(window.pending for window in self._windows.values())

    def record(
        self, about: About, in_full: Callable[[], LedgerEvent], *, others: About, at_most: int
    ) -> Receipt | None:
        """Write the event or count it; returns the receipt of one written in full.

        Past `at_most` windows everything new is counted under `others`.
        """
        self.flush_due()
        window, written = self._enter(about, others, at_most)
        if not written:
            return None
        try:
            return self._ledger.append(in_full())
        except (AuditUnavailable, InvalidEvent):
            self._postpone(window)
            return None

    def flush_due(self) -> None:
        """Write the counts of windows that are over; called at every record and by a timer."""
        now = self._clock.monotonic()
        if now - self._oldest < WINDOW_S:
            return  # so that a flood of different things looks at them once a minute
        with self._lock:
            over = [about for about, w in self._windows.items() if now - w.opened >= WINDOW_S]
            closed = [_taken(self._windows.pop(about)) for about in over]
            self._oldest = min((w.opened for w in self._windows.values()), default=math.inf)
        for window in closed:
            self._write_count(window)

    def close(self) -> None:
        """Write every count; called when the server stops."""
        with self._lock:
            closed, self._windows = [_taken(w) for w in self._windows.values()], {}
        for window in closed:
            self._write_count(window)

    def _enter(self, about: About, others: About, at_most: int) -> tuple[_Window[About], bool]:
        """Count one event in its window; True while the window still takes them in full."""
        with self._lock:
            if about not in self._windows and len(self._windows) >= at_most:
                about = others
            window = self._windows.get(about)
            if window is None:
                window = self._hold(_Window(self._clock.monotonic(), about))
            window.seen += 1
            written = window.seen <= self._in_full and about != others
        if not written:
            self._postpone(window)
        return window, written

    def _postpone(self, window: _Window[About]) -> None:
        """Count one event; a window that was closed meanwhile is opened again for it."""
        now_us = self._clock.utc_us()
        with self._lock:
            held = self._hold(window)
            held.pending += 1
            held.first_us = held.first_us or now_us
            held.last_us = now_us

    def _hold(self, window: _Window[About]) -> _Window[About]:
        """Keep a window, or return the one that is kept for the same; under the lock."""
        self._oldest = min(self._oldest, window.opened)
        return self._windows.setdefault(window.about, window)

    def _write_count(self, taken: _Window[About]) -> None:
        if taken.pending == 0:
            return
        count = Count(taken.pending, taken.first_us, taken.last_us)
        try:
            self._ledger.append(self._counted(taken.about, count))
        except AuditUnavailable:
            self._keep(taken)

    def _keep(self, taken: _Window[About]) -> None:
        taken.opened = self._clock.monotonic()
        with self._lock:
            held = self._hold(taken)
            if held is not taken:
                held.pending += taken.pending
                held.first_us = taken.first_us
                held.last_us = held.last_us or taken.last_us


def _taken(window: _Window[About]) -> _Window[About]:
    """Take the count out of a window, so that an event that comes late is not counted twice."""
    taken = replace(window)
    window.pending = window.first_us = window.last_us = 0
    return taken
