"""Use cases: what a compliance review asks of the ledger, and making its index anew.

The index chooses events; what is answered is read from their bodies, and an event whose body is
not like what was asked is left out and named: the index was altered then.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from typing import Any, Final

from sqlalchemy import Connection

from app.authority.auditing.asked import described, filter_of, one_of
from app.authority.auditing.ports import AskedLedger, NoteRead, Prove
from app.authority.ledger import counting, questions, reading
from app.authority.ledger.counting import BY, Count
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.filters import Filter, matches
from app.authority.ledger.index import Rebuilt
from app.authority.ledger.questions import Span
from app.authority.ledger.reasons import Reasons
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.writing import driver
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.domain.refusals import ProofUnavailable
from app.evidence.indexing import index_row
from app.evidence.vocabulary import Kind

MAX_EVENTS: Final = 1_000
MAX_OF_A_RUN: Final = 50

Asked = Mapping[str, str | None]
"""Filters as they were typed; `asked.FILTERS` are their names."""


@dataclass(frozen=True, slots=True)
class Questions:
    """Each method asks for a grant first, and is itself recorded as a read."""

    ledger: AskedLedger
    note_read: NoteRead
    rebuild: Callable[[], Rebuilt]
    prove: Prove
    reasons: Reasons = field(default_factory=Reasons)

    async def events(
        self,
        actor: Actor,
        asked: Asked,
        *,
        after: int = 0,
        limit: int = 100,
        newest_first: bool = False,
        total: bool = False,
    ) -> dict[str, Any]:
        """One page, the part of the log it covers, and where the next page goes on."""
        grant(actor, Permission.LEDGER_READ)
        wanted = filter_of(asked)
        limit = max(1, min(limit, MAX_EVENTS))
        await self._note(actor, "events", {**asked, "after": after or None})

        def answer(connection: Connection) -> dict[str, Any]:
            direct = driver(connection)
            page = questions.page(
                direct,
                wanted,
                self.reasons,
                after=after,
                limit=limit,
                newest_first=newest_first,
            )
            shown: list[dict[str, Any]] = []
            altered: list[int] = []
            for one in reading.numbered(connection, page.seqs):
                if is_like(wanted, one):
                    shown.append(one.as_dict())
                else:
                    altered.append(one.seq)
            found = {"events": shown, **range_of(page.span), "next": page.next}
            if altered:
                found["index_altered_at"] = altered
            if total:
                found["total"] = counting.total(direct, wanted, self.reasons)
            return found

        return await self._ask(answer)

    async def counts(self, actor: Actor, asked: Asked, *, by: str) -> dict[str, Any]:
        """How many events are like that, by one of `BY`. Days are UTC."""
        grant(actor, Permission.LEDGER_READ)
        wanted, names = filter_of(asked), BY[one_of("by", by)]
        await self._note(actor, "counts", {"by": by, **asked})

        def answer(connection: Connection) -> dict[str, Any]:
            direct = driver(connection)
            found = counting.counts(direct, wanted, self.reasons, by)
            return {
                "by": by,
                "counts": [
                    {**dict(zip(names, _shown(names, one), strict=True)), "events": one.events}
                    for one in found
                ],
                "total": sum(one.events for one in found),
                **range_of(questions.covered(direct, wanted)),
            }

        return await self._ask(answer)

    async def event(self, actor: Actor, seq: int) -> dict[str, Any]:
        """One event, the others of its run, its proof, and how to check all that oneself."""
        grant(actor, Permission.LEDGER_READ)
        await self._note(actor, "event", {"seq": seq})
        stored = await asyncio.to_thread(self.ledger.event, seq)
        run, attempt = _run_of(stored)

        def others(connection: Connection) -> dict[str, Any]:
            direct = driver(connection)
            seqs: set[int] = set()
            for name in {run, attempt} - {None}:
                page = questions.page(direct, Filter(run=name), self.reasons, limit=MAX_OF_A_RUN)
                seqs.update(page.seqs)
            found = reading.numbered(connection, sorted(seqs - {seq}))
            return {"run": run, "run_events": [one.as_dict() for one in found]}

        return {
            **stored.as_dict(),
            **await self._ask(others),
            "proof": await self._proof(actor, seq),
            "verify": [f"lmx ledger show {seq}", "lmx ledger verify"],
        }

    async def reindex(self, actor: Actor) -> dict[str, Any]:
        """Make the index anew from the bodies, and record how many rows were not as they say."""
        grant(actor, Permission.LEDGER_REINDEX)
        return await asyncio.to_thread(self._reindex, actor)

    async def _proof(self, actor: Actor, seq: int) -> Mapping[str, Any] | None:
        try:
            return await self.prove(actor, seq)
        except ProofUnavailable:
            return None  # appended a moment ago, and not under a checkpoint yet

    def _reindex(self, actor: Actor) -> dict[str, Any]:
        with self.ledger.answering():
            pass  # what was not indexed yet is now: it does not count as altered
        rebuilt = self.rebuild()
        self.reasons.forget()
        data = {"rows": rebuilt.size, "changed": rebuilt.changed}
        receipt = self.ledger.append(LedgerEvent(Kind.LEDGER_REINDEXED, actor, data=data))
        return {**data, "event": receipt.seq}

    async def _ask(self, answer: Callable[[Connection], dict[str, Any]]) -> dict[str, Any]:
        return await asyncio.to_thread(self._answer, answer)

    def _answer(self, answer: Callable[[Connection], dict[str, Any]]) -> dict[str, Any]:
        """The checkpoint is taken after the rows: it covers at least what they say."""
        with self.ledger.answering() as connection:
            found = answer(connection)
        note = self.ledger.checkpoint()
        return {**found, "checkpoint": None if note is None else str(note)}

    async def _note(self, actor: Actor, what: str, asked: Mapping[str, object]) -> None:
        await asyncio.to_thread(self.note_read, actor, what, described(asked))


def _shown(names: tuple[str, ...], one: Count) -> list[Any]:
    return [_day(v) if n == "day" else v for n, v in zip(names, one.values, strict=True)]


def _day(number: int) -> str:
    try:
        return (date(1970, 1, 1) + timedelta(days=number)).isoformat()
    except OverflowError:
        return f"day {number}"  # a clock that was set past the calendar's end


def range_of(span: Span) -> dict[str, Any]:
    covered = asdict(span)
    size = covered.pop("size")
    return {"range": covered, "size": size}


def is_like(wanted: Filter, stored: StoredEvent) -> bool:
    """By the body itself; a damaged body shows as not intact, and is not hidden for it."""
    if not stored.intact:
        return True
    return matches(wanted, index_row(stored.fields))


def _run_of(stored: StoredEvent) -> tuple[str | None, str | None]:
    """The run it belongs to, and the number of the event that began the attempt, as it is asked."""
    if not stored.intact:
        return None, None
    row = index_row(stored.fields)
    begun = row.seq if row.intent_seq is None else row.intent_seq
    return row.run, None if row.run is None else str(begun)
