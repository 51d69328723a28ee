"""The only place that reads refusals for a report, and that sums them: one event may be many."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from app.authority.auditing.reports.event_rows import (
    DAMAGED,
    integer_of,
    text_of,
    who_and_when,
)
from app.authority.auditing.reports.shape import Column, Row, Table, number, time
from app.authority.ledger.stored import StoredEvent

COLUMNS: Final = (
    number("seq", "Event"),
    time("time", "Time (UTC)"),
    Column("code", "Code"),
    number("refusals", "Refusals"),
    Column("actor", "Who asked"),
    Column("person", "Person"),
    Column("permission", "Asked for"),
    Column("subject", "About"),
    Column("message", "Answer"),
    time("first", "First (UTC)"),
    time("last", "Last (UTC)"),
    Column("request_id", "Request"),
)
NOTES: Final = (
    (
        "Of equal refusals in one minute the first hundred are events of their own; one more event "
        "stands for all that followed, and says how many and from when to when."
    ),
)


def refusal_row(stored: StoredEvent) -> Row:
    data = stored.data
    message = text_of(data, "message")
    return {
        **who_and_when(stored),
        "code": text_of(data, "code"),
        "refusals": refusals_in(stored),
        "permission": text_of(data, "permission"),
        "subject": stored.subject or None,
        "message": message if stored.intact else f"{DAMAGED}; {message or ''}",
        "first": integer_of(data, "first_us"),
        "last": integer_of(data, "last_us"),
        "request_id": text_of(stored.fields, "request_id"),
    }


def refusals_in(stored: StoredEvent) -> int:
    """How many refusals the event stands for."""
    count = integer_of(stored.data, "count")
    return 1 if count is None else count


class Sums:
    """Refusals by code and by actor, added up event by event."""

    def __init__(self) -> None:
        self._by: dict[str, Counter[str]] = {"code": Counter(), "actor": Counter()}
        self._events: dict[str, Counter[str]] = {"code": Counter(), "actor": Counter()}
        self.refusals = 0

    def add(self, events: Iterable[StoredEvent]) -> None:
        for stored in events:
            many = refusals_in(stored)
            self.refusals += many
            values = {"code": text_of(stored.data, "code") or "", "actor": stored.actor}
            for name, value in values.items():
                self._by[name][value] += many
                self._events[name][value] += 1

    def tables(self) -> list[Table]:
        """The most first, and equal ones by name."""
        return [self._table("code", "Code"), self._table("actor", "Who asked")]

    def _table(self, name: str, label: str) -> Table:
        found = sorted(self._by[name].items(), key=lambda one: (-one[1], one[0]))
        columns = (Column(name, label), number("refusals", "Refusals"), number("events", "Events"))
        rows = [
            {name: value or None, "refusals": many, "events": self._events[name][value]}
            for value, many in found
        ]
        return Table(f"Refusals by {'code' if name == 'code' else 'who asked'}", columns, rows)
