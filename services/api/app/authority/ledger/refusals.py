"""The only place that records refusals: the first hundred a minute in full, then a count.

A refusal is never lost: one that the ledger cannot take now is counted and written when it can.
Nothing here raises because the ledger is down: the act was refused already.
"""

import threading
from dataclasses import dataclass, replace
from typing import Final

from app.authority.ledger.events import InvalidEvent, LedgerEvent
from app.authority.ledger.store import Ledger, Receipt
from app.authority.ports import Clock
from app.domain.actors import Actor
from app.domain.refusals import AuditUnavailable, Refusal
from app.evidence.vocabulary import Kind
from app.observability import printable, redact_text

WINDOW_S: Final = 60.0
IN_FULL: Final = 100
MAX_MESSAGE: Final = 500
MAX_SUBJECT: Final = 200
MAX_WINDOWS: Final = 1_000
OTHERS: Final = "(others)"
"""Subject of refusals that share a count because a minute had too many different subjects."""


@dataclass(slots=True)
class _Window:
    """What one actor was refused, with one code, on one subject, since `opened`."""

    opened: float
    actor: Actor
    code: str
    subject: str
    message: str
    seen: int = 0
    pending: int = 0
    first_us: int = 0
    last_us: int = 0

    @property
    def key(self) -> tuple[str, str, str]:
        return self.actor.id, self.code, self.subject


class RefusalRecorder:
    """Every method may be called from any thread; `record` may wait for the disk."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._windows: dict[tuple[str, str, str], _Window] = {}
        self._lock = threading.Lock()

    @property
    def pending(self) -> int:
        """Refusals that are counted and not yet in the ledger."""
        with self._lock:
            return sum(window.pending for window in self._windows.values())

    def record(
        self, actor: Actor, refusal: Refusal, subject: str = "", request_id: str | None = None
    ) -> Receipt | None:
        """Write a recorded refusal, or count it; returns the receipt of one written in full."""
        if not refusal.recorded:
            return None
        self.flush_due()
        subject = _short(subject, MAX_SUBJECT)
        window, in_full = self._enter(actor, refusal, subject)
        if not in_full:
            return None
        try:
            return self._ledger.append(_event(actor, refusal, subject, request_id))
        except (AuditUnavailable, InvalidEvent):
            self._postpone(window)
            return None

    def flush_due(self) -> None:
        """Write the counts of windows that are over; called at every record and by a timer."""
        now = self._clock.monotonic()
        with self._lock:
            over = [key for key, w in self._windows.items() if now - w.opened >= WINDOW_S]
            closed = [_counted(self._windows.pop(key)) for key in over]
        for window in closed:
            self._write_count(window)

    def close(self) -> None:
        """Write every count; called when the server stops."""
        with self._lock:
            closed, self._windows = [_counted(w) for w in self._windows.values()], {}
        for window in closed:
            self._write_count(window)

    def _enter(self, actor: Actor, refusal: Refusal, subject: str) -> tuple[_Window, bool]:
        """Count one refusal in its window; True while the window still takes them in full."""
        with self._lock:
            key = (actor.id, refusal.code, subject)
            if key not in self._windows and len(self._windows) >= MAX_WINDOWS:
                key, subject = (actor.id, refusal.code, OTHERS), OTHERS
            window = self._windows.get(key)
            if window is None:
                window = self._windows[key] = _Window(
                    opened=self._clock.monotonic(),
                    actor=actor,
                    code=refusal.code,
                    subject=subject,
                    message=_short(refusal.message, MAX_MESSAGE),
                )
            window.seen += 1
            in_full = window.seen <= IN_FULL and subject != OTHERS
        if not in_full:
            self._postpone(window)
        return window, in_full

    def _postpone(self, window: _Window) -> None:
        """Count one refusal; a window that was closed meanwhile is opened again for it."""
        now_us = self._clock.utc_us()
        with self._lock:
            held = self._windows.setdefault(window.key, window)
            held.pending += 1
            held.first_us = held.first_us or now_us
            held.last_us = now_us

    def _write_count(self, counted: _Window) -> None:
        if counted.pending == 0:
            return
        try:
            self._ledger.append(_count_event(counted))
        except AuditUnavailable:
            self._keep(counted)

    def _keep(self, counted: _Window) -> None:
        counted.opened = self._clock.monotonic()
        with self._lock:
            held = self._windows.setdefault(counted.key, counted)
            if held is not counted:
                held.pending += counted.pending
                held.first_us = counted.first_us
                held.last_us = held.last_us or counted.last_us


def _counted(window: _Window) -> _Window:
    """Take the count out of a window, so that a refusal that comes late is not counted twice."""
    taken = replace(window)
    window.pending = window.first_us = window.last_us = 0
    return taken


def _event(actor: Actor, refusal: Refusal, subject: str, request_id: str | None) -> LedgerEvent:
    data: dict[str, object] = {
        "code": refusal.code,
        "message": _short(refusal.message, MAX_MESSAGE),
    }
    permission = refusal.details.get("permission")
    if permission is not None:
        data["permission"] = str(permission)
    return LedgerEvent(
        kind=Kind.REFUSAL,
        actor=actor,
        subject=subject,
        outcome="refused",
        data=data,
        request_id=None if request_id is None else _short(request_id, MAX_SUBJECT),
    )


def _count_event(window: _Window) -> LedgerEvent:
    return LedgerEvent(
        kind=Kind.REFUSAL,
        actor=window.actor,
        subject=window.subject,
        outcome="refused",
        data={
            "code": window.code,
            "message": window.message,
            "count": window.pending,
            "first_us": window.first_us,
            "last_us": window.last_us,
        },
    )


def _short(text: str, limit: int) -> str:
    """Redacted first, so that cutting cannot leave half a key; one line, printable, bounded."""
    safe = printable(redact_text(text[: 8 * limit]))
    return safe if len(safe) <= limit else safe[: limit - 1] + "\u2026"
