"""The only place that reads the events of several filters as one list, page by page, and counts it.

A selection is a first filter and further ones that exclude one another. An event that the first
one and another hold is there once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from itertools import chain
from typing import Final

from sqlalchemy import Connection

from app.authority.ledger import counting, questions, reading
from app.authority.ledger.filters import Filter, matches
from app.authority.ledger.reasons import Reasons
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.writing import DriverConnection, driver
from app.evidence.indexing import index_row

AT_ONCE: Final = 1_000
"""Events that are in memory at a time."""


@dataclass(frozen=True, slots=True)
class Part:
    """Some events in the log's order; `altered` are numbers that the index chose wrongly."""

    events: list[StoredEvent]
    altered: list[int]
    next: int | None


@dataclass(frozen=True, slots=True)
class Selection:
    """Reads through one connection, inside one transaction."""

    filters: Sequence[Filter]
    reasons: Reasons
    through: int
    """The last event that counts: what comes while a report is read belongs to the next one."""

    def part(self, connection: Connection, after: int, limit: int) -> Part:
        """The events past number `after`; there may be fewer than `limit` although more follow."""
        seqs, following = self._chosen(driver(connection), after, limit)
        stored = reading.numbered(connection, seqs)
        part = Part([], [], following)
        for one in stored:
            if self._holds(one):
                part.events.append(one)
            else:
                part.altered.append(one.seq)
        return part

    def all(self, connection: Connection) -> Iterator[list[StoredEvent]]:
        """Every event, so many at a time."""
        after: int | None = 0
        while after is not None:
            part = self.part(connection, after, AT_ONCE)
            yield part.events
            after = part.next

    def total(self, connection: Connection) -> int:
        direct = driver(connection)
        first, *others = self.filters
        met = [both for other in others if (both := _both(first, other)) is not None]
        return sum(self._count(direct, one) for one in self.filters) - sum(
            self._count(direct, one) for one in met
        )

    def _count(self, direct: DriverConnection, wanted: Filter) -> int:
        return counting.total(direct, wanted, self.reasons)

    def _chosen(
        self, direct: DriverConnection, after: int, limit: int
    ) -> tuple[list[int], int | None]:
        """The numbers on this page, and where the next one goes on; None at the end."""
        pages = [
            questions.page(direct, one, self.reasons, after=after, limit=limit)
            for one in self.filters
        ]
        ends = [page.next for page in pages if page.next is not None]
        known_to = min(ends, default=self.through)  # past it, one of them may have more
        seqs = sorted({seq for seq in chain(*(page.seqs for page in pages)) if seq <= known_to})
        within = [seq for seq in seqs if seq <= self.through]
        if len(within) > limit:
            return within[:limit], within[limit - 1]
        more = bool(ends) and known_to < self.through
        return within, known_to if more else None

    def _holds(self, stored: StoredEvent) -> bool:
        """By the body itself; a damaged one shows as damaged, and is not hidden for it."""
        if not stored.intact:
            return True
        row = index_row(stored.fields)
        return any(matches(one, row) for one in self.filters)


def within(filters: Sequence[Filter], times: Filter) -> tuple[Filter, ...]:
    """The same filters, each within a span of time."""
    return tuple(replace(one, since_us=times.since_us, until_us=times.until_us) for one in filters)


def _both(one: Filter, other: Filter) -> Filter | None:
    """What both ask for; None where they contradict each other."""
    given = {f.name: getattr(other, f.name) for f in fields(Filter)}
    given = {name: value for name, value in given.items() if value is not None}
    if any(getattr(one, name) not in {None, value} for name, value in given.items()):
        return None
    return replace(one, **given)
