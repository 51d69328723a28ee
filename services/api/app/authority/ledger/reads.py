"""The only place that records reading: the first look of a minute in full, then a count.

A read is never lost, and never waits for a ledger that cannot be written: it is counted then and
written when it can.
"""

from dataclasses import dataclass, field
from typing import Final

from app.authority.ledger.appending import Receipt
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.ledger.windows import Count, Windows
from app.authority.ports import Clock
from app.domain.actors import Actor
from app.evidence.vocabulary import Kind
from app.observability import shortened

IN_FULL: Final = 1
MAX_WHAT: Final = 100
MAX_DETAIL: Final = 500
MAX_WINDOWS: Final = 1_000
OTHERS: Final = "(others)"


@dataclass(frozen=True, slots=True)
class _Read:
    """What equal reads share: one actor, one thing that was read."""

    actor_id: str
    what: str
    actor: Actor = field(compare=False)


class ReadRecorder:
    """Every method may be called from any thread; `note` may wait for the disk."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._windows: Windows[_Read] = Windows(
            ledger, clock, in_full=IN_FULL, counted=_count_event
        )

    @property
    def pending(self) -> int:
        """Reads that are counted and not yet in the ledger."""
        return self._windows.pending

    def note(self, actor: Actor, what: str, detail: str = "") -> Receipt | None:
        """Record that `actor` read `what`; `detail` says which part: filters, a number."""
        read = _Read(actor.id, shortened(what, MAX_WHAT), actor)
        return self._windows.record(
            read,
            lambda: _event(read, {"detail": shortened(detail, MAX_DETAIL)} if detail else {}),
            others=_Read(actor.id, OTHERS, actor),
            at_most=MAX_WINDOWS,
        )

    def flush_due(self) -> None:
        """Write the counts of minutes that are over; called at every read and by a timer."""
        self._windows.flush_due()

    def close(self) -> None:
        """Write every count; called when the server stops."""
        self._windows.close()


def _event(read: _Read, data: dict[str, str]) -> LedgerEvent:
    return LedgerEvent(Kind.LEDGER_READ, read.actor, subject=read.what, data=data)


def _count_event(read: _Read, count: Count) -> LedgerEvent:
    return LedgerEvent(Kind.LEDGER_READ, read.actor, subject=read.what, data=count.as_data())
