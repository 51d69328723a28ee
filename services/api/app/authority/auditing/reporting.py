"""Use case: the saved reports of the ledger, a page at a time. What they are is in `reports`.

A page holds what the bodies say. The first one also has the total and the sums; later ones are
asked for with `through`, so that what is recorded meanwhile changes no report that was begun.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final, Protocol

from sqlalchemy import Connection

from app.authority.auditing.asked import described, filter_of
from app.authority.auditing.ports import AskedLedger, NoteRead
from app.authority.auditing.reports import access, catalog, destructive, duties
from app.authority.auditing.reports.access import History
from app.authority.auditing.reports.catalog import Definition, definition
from app.authority.auditing.reports.refused import Sums
from app.authority.auditing.reports.selecting import AT_ONCE, Selection, within
from app.authority.auditing.reports.shape import Row, Table
from app.authority.keys import Key
from app.authority.keys.person import is_id
from app.authority.ledger import questions
from app.authority.ledger.filters import LARGEST, Filter
from app.authority.ledger.reasons import Reasons
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.writing import driver
from app.authority.permissions import Access, Grant, Permission, grant
from app.authority.ports import Clock
from app.domain.actors import Actor
from app.evidence.vocabulary import Kind

VERIFY: Final = (
    "lmx ledger verify",
    "lmx ledger export --out DIR",
    "python DIR/verify.py",
)


class KeyTable(Protocol):
    def list(self, grant: Grant, /) -> Sequence[Key]: ...


@dataclass(frozen=True, slots=True)
class _Asked:
    """One page of one report, as it was asked for."""

    report: Definition
    subject: str
    times: Filter
    after: int
    limit: int
    through: int | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """Rows, and what is said beside them; `total` and the tables are on the first page only."""

    rows: Sequence[Row]
    next: int | None
    total: int | None = None
    tables: Sequence[Table] = ()
    findings: Sequence[str] = ()
    verdict: str | None = None
    sums: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reports:
    """Each method asks for a grant first, and a report is itself recorded as a read."""

    ledger: AskedLedger
    note_read: NoteRead
    keys: KeyTable
    clock: Clock
    access: Access
    reasons: Reasons = field(default_factory=Reasons)

    async def names(self, actor: Actor) -> list[dict[str, Any]]:
        """Every saved report: what it asks, and what it has to be told."""
        grant(actor, Permission.LEDGER_READ)
        return [one.as_dict() for one in catalog.REPORTS.values()]

    async def report(
        self,
        actor: Actor,
        name: str,
        *,
        subject: str | None = None,
        since: str | None = None,
        until: str | None = None,
        after: int = 0,
        limit: int = 100,
        through: int | None = None,
    ) -> dict[str, Any]:
        """One page of a report: `meta`, `columns`, `rows`, and `next` to send as `after`."""
        grant(actor, Permission.LEDGER_READ)
        table = grant(actor, Permission.KEYS_READ)
        report = definition(name)
        asked = _Asked(
            report,
            report.subject_of(subject),
            filter_of({"since": since, "until": until}),
            after,
            max(1, min(limit, AT_ONCE)),
            through,
        )
        said = {"subject": subject, "since": since, "until": until, "after": after or None}
        await asyncio.to_thread(self.note_read, actor, f"report {name}", described(said))
        answer, covered = await asyncio.to_thread(self._answer, asked, table)
        note = self.ledger.checkpoint()
        meta = {
            "report": name,
            "title": report.title,
            "question": report.question,
            "subject": asked.subject or None,
            "since": since,
            "until": until,
            "generated_us": self.clock.utc_us(),
            "generated_by": actor.id,
            **covered,
            "total": answer.total,
            **answer.sums,
            "verdict": answer.verdict,
            "findings": list(answer.findings),
            "notes": list(report.notes),
            "tables": [one.as_dict() for one in answer.tables],
            "checkpoint": None if note is None else str(note),
            "verify": list(VERIFY),
        }
        return {
            "meta": meta,
            "columns": [column.as_dict() for column in report.columns],
            "rows": [dict(row) for row in answer.rows],
            "next": answer.next,
        }

    def _answer(self, asked: _Asked, table: Grant) -> tuple[_Answer, dict[str, Any]]:
        with self.ledger.answering() as connection, connection.begin():
            span = asdict(questions.covered(driver(connection), asked.times))
            through = min(span.pop("size"), LARGEST if asked.through is None else asked.through)
            span["last_seq"] = min(span["last_seq"], through)
            make = _MADE.get(asked.report.name, _listed)
            answer = make(self, connection, asked, through, table)
        return answer, {"range": span, "size": through}

    def selection(self, filters: Sequence[Filter], times: Filter, through: int) -> Selection:
        return Selection(within(filters, times), self.reasons, through)

    def history(self, connection: Connection, times: Filter, through: int) -> History:
        """What the events up to a moment say of who may act, whenever they begin to count."""
        kinds = [Filter(kind=str(kind)) for kind in access.KINDS]
        until = Filter(until_us=times.until_us)
        found = History()
        for events in self.selection(kinds, until, through).all(connection):
            for stored in events:
                found.read(stored)
        return found


def _listed(
    reports: Reports, connection: Connection, asked: _Asked, through: int, _: Grant
) -> _Answer:
    """A report whose rows are events."""
    select = asked.report.select
    assert select is not None
    names = _also_known_as(reports, connection, asked, through)
    selection = reports.selection(select(asked.subject, names), asked.times, through)
    part = selection.part(connection, asked.after, asked.limit)
    findings = [
        f"The index was altered at event {seq}, which is left out: `lmx ledger verify` says how, "
        "`lmx ledger reindex` makes it anew."
        for seq in part.altered
    ]
    findings += [
        f"Event {one.seq} is damaged: its bytes are not the recorded ones."
        for one in part.events
        if not one.intact
    ]
    sums = Sums() if asked.report.name == "refusals" and not asked.after else None
    if sums is not None:
        for events in selection.all(connection):
            sums.add(events)
    return _Answer(
        [asked.report.row(one) for one in part.events],
        part.next,
        None if asked.after else selection.total(connection),
        tables=[] if sums is None else sums.tables(),
        findings=findings,
        sums={} if sums is None else {"refusals": sums.refusals},
    )


def _also_known_as(
    reports: Reports, connection: Connection, asked: _Asked, through: int
) -> list[str]:
    """Names a digest was imported under; a person's keys from before events named people."""
    if asked.report.name == "model" and catalog.is_digest(asked.subject):
        imported = Filter(kind=str(Kind.MODEL_IMPORTED), digest=asked.subject)
        found = reports.selection([imported], Filter(), through).all(connection)
        return sorted({stored.subject for events in found for stored in events})
    if asked.report.name == "person" and is_id(asked.subject):
        named = reports.history(connection, Filter(), through)
        return sorted(named.earlier_keys.get(asked.subject, ()))
    return []


def _access(
    reports: Reports, connection: Connection, asked: _Asked, through: int, table: Grant
) -> _Answer:
    """Who may do what, as it was at `until`; the key table is compared as it is now."""
    now = reports.history(connection, Filter(), through)
    then = reports.history(connection, asked.times, through)
    findings = access.differences(now, reports.keys.list(table))
    agree = "The key table says what the ledger's events say."
    differ = f"The key table and the ledger's events differ: {len(findings)} findings."
    return _numbered(
        access.access_rows(then, since_us=asked.times.since_us),
        asked,
        tables=access.access_tables(then, reports.access),
        findings=findings,
        verdict=differ if findings else agree,
    )


def _duties(
    reports: Reports, connection: Connection, asked: _Asked, through: int, _: Grant
) -> _Answer:
    def many(*kinds: Kind) -> int:
        filters = [Filter(kind=str(kind)) for kind in kinds]
        return reports.selection(filters, asked.times, through).total(connection)

    def every(*kinds: Kind) -> Iterator[StoredEvent]:
        filters = [Filter(kind=str(kind)) for kind in kinds]
        for events in reports.selection(filters, asked.times, through).all(connection):
            yield from events

    facts = duties.Facts(
        reports.history(connection, asked.times, through),
        confirmed_alone=sum(map(destructive.alone, every(*destructive.CONFIRMED_ALONE))),
        cosigned=many(Kind.CHECKPOINT_COSIGNED),
        self_approved=tuple(
            one.seq for one in every(Kind.ASK_DECIDED) if one.data.get("self_approved") is True
        ),
    )
    return _numbered(
        duties.duties_rows(facts),
        asked,
        tables=[],
        findings=facts.history.findings,
        verdict=duties.verdict(facts),
    )


def _numbered(
    rows: Sequence[Row],
    asked: _Asked,
    *,
    tables: Sequence[Table],
    findings: Sequence[str],
    verdict: str,
) -> _Answer:
    """A page of rows that are no events: `after` is how many were shown before."""
    end = asked.after + asked.limit
    more = end if end < len(rows) else None
    first = asked.after == 0
    return _Answer(
        rows[asked.after : end],
        more,
        len(rows) if first else None,
        tables if first else (),
        findings if first else (),
        verdict,
    )


_Make = Callable[[Reports, Connection, _Asked, int, Grant], _Answer]
_MADE: Final[Mapping[str, _Make]] = {"access": _access, "duties": _duties}
"""Reports whose rows are not events."""
