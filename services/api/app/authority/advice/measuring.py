"""What is known of a proposal's consequences: from use by the hour, from runs, from the ledger.

Nothing here is an advisor's word. Hours count whole: the one in which it was decided counts neither
before nor after. All of it blocks.
"""

import json
from dataclasses import dataclass
from typing import Any, Final

from app.authority.advice.kept import Kept, State
from app.authority.advice.scoring import DAYS, Requests, Seen, Taken
from app.authority.approvals.store import Asks
from app.authority.approvals.transitions import ENDED
from app.authority.approvals.transitions import State as AskState
from app.authority.approvals.values import Ask
from app.authority.ledger.durations import from_texts, percentile
from app.authority.ledger.proven import proven
from app.authority.ledger.store import Ledger
from app.authority.ledger.tiles import StoredTiles
from app.authority.ledger.writing import asking_directly
from app.authority.ports import Clock
from app.domain.advice.proposals import Kind
from app.domain.refusals import Refusal
from app.evidence.vocabulary import Kind as Event

HOUR_US: Final = 3_600_000_000
HOURS: Final = DAYS * 24
LOADS: Final = 200
"""Of a model that are looked through for what its loads needed before and after."""

_OF_MODEL: Final = "FROM hour_use WHERE hour >= ? AND hour < ? AND model_id = ?"
_OF_NAME: Final = "FROM hour_use WHERE hour >= ? AND hour < ? AND name = ?"
_COUNTS: Final = "SELECT sum(requests), sum(cold), NULL"
_AND_TIMES: Final = "SELECT sum(requests), sum(cold), group_concat(ttft)"
_TOO_LONG: Final = (
    "SELECT COALESCE(sum(requests), 0) FROM usage WHERE started_us >= ? AND started_us < ?"
    " AND model_id = ? AND outcome = 'context_length_exceeded'"
)
_LETS_GO: Final = frozenset({Kind.UNLOAD, Kind.DELETE, Kind.UNPIN})
_USE_COUNTS: Final = frozenset({Kind.LOAD, Kind.PIN, Kind.TERMS, Kind.ROUTE}) | _LETS_GO


@dataclass(frozen=True, slots=True)
class Measuring:
    ledger: Ledger
    asks: Asks
    clock: Clock

    def seen(self, kept: Kept) -> Seen:
        """What was measured since it was decided on."""
        since_us = kept.decided_us if kept.decided_us is not None else kept.created_us
        hour = since_us // HOUR_US
        ask = self._ask(kept)
        taken = _taken(kept, ask)
        over = self.clock.utc_us() >= (hour + 1 + HOURS) * HOUR_US
        yes = taken is Taken.YES
        before, after = Requests(), Requests()
        if over and kept.proposal.kind in _USE_COUNTS:
            after = self._requests(kept, hour + 1, times=yes)
            # Compared with only where the advice was followed.
            before = self._requests(kept, hour - HOURS) if yes else before
        return Seen(
            taken=taken,
            over=over,
            before=before,
            after=after,
            memory_freed_bytes=self._memory(kept, since_us) if yes else None,
            disk_freed_bytes=self._disk(kept, ask, over) if yes and ask is not None else None,
            too_long=self._too_long(kept, since_us) if yes else 0,
        )

    def run_of(self, kept: Kept) -> str | None:
        """The run of what it came to; of an ask, once that has ended."""
        ask = None if kept.run is not None else self._ask(kept)
        return kept.run if ask is None else ask.run

    # --- use --------------------------------------------------------------------------------

    def _requests(self, kept: Kept, begin: int, *, times: bool = False) -> Requests:
        """In the days from an hour on. `times`: and how long the first token took, where that was
        predicted: it is read from long texts."""
        of = _OF_NAME if kept.proposal.kind is Kind.ROUTE else _OF_MODEL
        what = _AND_TIMES if times and "ttft_p95_ms" in kept.proposal.predicts else _COUNTS
        values = (begin, begin + HOURS, kept.proposal.target)
        with asking_directly(self.ledger.readers) as connection:
            row = connection.execute(f"{what} {of}", values).fetchone()
        requests, cold, ttft = row
        return Requests(requests or 0, cold or 0, percentile(from_texts(ttft or ""), 95))

    def _too_long(self, kept: Kept, since_us: int) -> int:
        if kept.proposal.kind is not Kind.TERMS or "context" not in kept.proposal.change:
            return 0
        between = (since_us, since_us + HOURS * HOUR_US, kept.proposal.target)
        with asking_directly(self.ledger.readers) as connection:
            return int(connection.execute(_TOO_LONG, between).fetchone()[0])

    # --- bytes ------------------------------------------------------------------------------

    def _memory(self, kept: Kept, since_us: int) -> int | None:
        if kept.proposal.kind is Kind.UNLOAD:
            freed = (self._run(kept.run).get("effect") or {}).get("freed_bytes")
            return freed if isinstance(freed, int) else None
        if kept.proposal.kind is Kind.TERMS:
            return self._smaller_by(kept.proposal.target, since_us)
        return None

    def _smaller_by(self, model_id: str, since_us: int) -> int | None:
        """By how much the newest load needs less than the last one before; None: was there none."""
        loads = self.ledger.events(
            kind=str(Event.LOAD_INTENT), subject=model_id, limit=LOADS, newest_first=True
        )
        needs = [(one.ts_utc_us, _total(one.data)) for one in loads]
        after = next((need for at_us, need in needs if at_us >= since_us), None)
        before = next((need for at_us, need in needs if at_us < since_us), None)
        return None if before is None or after is None else before - after

    def _disk(self, kept: Kept, ask: Ask, over: bool) -> int | None:
        """What went for good. What was deleted goes with the grace, unless it is restored."""
        outcomes = [
            event.data
            for event in proven(self.ledger, ask.plan or "")
            if event.kind == Event.ACT_OUTCOME and event.data.get("ask") == ask.id
        ]
        freed = sum(int(data.get("freed_bytes", 0)) for data in outcomes)
        waits = kept.proposal.kind is Kind.DELETE and not any(
            data.get("phase") == "purge" for data in outcomes
        )
        return None if waits and not over else freed

    # --- what it came to --------------------------------------------------------------------

    def _ask(self, kept: Kept) -> Ask | None:
        if kept.ask is None:
            return None
        try:
            return self.asks.get(kept.ask)
        except Refusal:
            return None

    def _run(self, digest: str | None) -> dict[str, Any]:
        content = None if digest is None else StoredTiles(self.ledger.readers).blob(digest)
        try:
            body = json.loads(content or b"null")
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def _taken(kept: Kept, ask: Ask | None) -> Taken:
    if kept.state is not State.ACCEPTED or kept.outcome == "refused":
        return Taken.NO
    if kept.outcome == "done":
        return Taken.YES
    if kept.outcome != "asked" or ask is None:
        return Taken.UNKNOWN
    if ask.state in (AskState.DONE, AskState.PARTIAL):
        return Taken.YES
    return Taken.NO if ask.state in ENDED else Taken.WAITS


def _total(data: Any) -> int:
    feasibility = data.get("feasibility") or {}
    total = (feasibility.get("need") or {}).get("total_bytes", 0)
    return total if isinstance(total, int) else 0
