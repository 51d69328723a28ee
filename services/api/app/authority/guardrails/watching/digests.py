"""The only place that seals decisions: one event an hour over the digests of what was decided.

Rows are covered by number, each once: a digest takes up where the one before ended. Hours in which
no server ran are one event; an hour without a decision is recorded too.
"""

import hashlib
import threading
from typing import Final, NamedTuple

from app.authority.guardrails.watching.decision_store import DecisionStore
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.ports import Clock
from app.domain.actors import SYSTEM
from app.evidence.vocabulary import Kind

HOUR_US: Final = 3_600_000_000


class Sealed(NamedTuple):
    """Where the digests so far end: the time, and the number of the last row."""

    until_us: int
    last_seq: int


class DecisionDigests:
    """`tick` is called by one timer."""

    def __init__(self, ledger: Ledger, decisions: DecisionStore, clock: Clock) -> None:
        self._ledger = ledger
        self._decisions = decisions
        self._clock = clock
        self._sealed: Sealed | None = None
        self._one = threading.Lock()

    def tick(self) -> None:
        """Seal the hours that are over, if any. Raises AuditUnavailable."""
        with self._one:
            now_us = self._clock.utc_us()
            self._sealed = self._sealed or self._last(now_us)
            until_us = now_us - now_us % HOUR_US
            if self._sealed.until_us >= until_us:
                return
            last, digests = self._decisions.digests(self._sealed.last_seq, until_us, now_us)
            lines = "".join(f"{digest}\n" for digest in digests)
            data = {
                "from_us": self._sealed.until_us,
                "until_us": until_us,
                "decisions": len(digests),
                "first_seq": self._sealed.last_seq + 1 if digests else 0,
                "last_seq": last if digests else 0,
                "digest": hashlib.sha256(lines.encode()).hexdigest(),
            }
            self._ledger.append(LedgerEvent(Kind.GUARDRAILS_DIGEST, SYSTEM, data=data))
            self._sealed = Sealed(until_us, last)

    def _last(self, now_us: int) -> Sealed:
        """Where the last digest ended; before the first one, the hour of the first decision."""
        last_seq, until_us = 0, None
        for found in self._ledger.events(
            kind=Kind.GUARDRAILS_DIGEST, newest_first=True, limit=1_000
        ):
            until_us = found.data["until_us"] if until_us is None else until_us
            last_seq = found.data["last_seq"]
            if last_seq:
                break
        if until_us is None:
            began_us = min([now_us, *(first.at_us for first in self._decisions.each(limit=1))])
            until_us = began_us - began_us % HOUR_US
        return Sealed(until_us, last_seq)
