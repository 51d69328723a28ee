"""The only place that queries the ledger. The index chooses rows; the bodies answer."""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

from sqlalchemy import Connection, exists, func, select

from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.tables import EVENT, INDEX
from app.evidence.vocabulary import OUTCOME_OF

LARGEST: Final = 2**63 - 1
_AT_ONCE: Final = 500

_EVENT: Final = select(EVENT.c.seq, EVENT.c.event_id, EVENT.c.body, EVENT.c.leaf)
_NUMBERED: Final = "SELECT seq, event_id, body, leaf FROM ledger_event WHERE seq IN"
Named = Literal["plan", "digest"]
_THAT_NAME: Final[Mapping[Named, str]] = {
    name: "SELECT seq, event_id, body, leaf FROM ledger_event WHERE seq IN"  # noqa: S608
    f" (SELECT seq FROM ledger_index WHERE {name} = ?1 UNION ALL SELECT seq FROM ledger_event"
    " WHERE seq > (SELECT COALESCE(MAX(seq), 0) FROM ledger_index)) ORDER BY seq"
    for name in get_args(Named)
}
_INTENTS: Final = [str(kind) for kind in OUTCOME_OF]
_OUTCOMES: Final = [str(kind) for kind in OUTCOME_OF.values()]


def event(connection: Connection, seq: int) -> StoredEvent | None:
    if not 0 < seq <= LARGEST:
        return None
    row = connection.execute(_EVENT.where(EVENT.c.seq == seq)).one_or_none()
    return None if row is None else _stored(row)


def events(
    connection: Connection,
    wanted: Mapping[str, str | None],
    after: int,
    limit: int,
    newest_first: bool,
) -> list[StoredEvent]:
    """Return one page by keyset: rows past `after`, in the direction of reading."""
    after, limit = max(0, min(after, LARGEST)), max(1, min(limit, LARGEST))
    asked = {name: value for name, value in wanted.items() if value is not None}
    table = INDEX if asked else EVENT
    query = _EVENT
    if asked:
        query = query.join(INDEX, INDEX.c.seq == EVENT.c.seq)
        query = query.where(*(INDEX.c[name] == value for name, value in asked.items()))
    if newest_first:
        past = [table.c.seq < after] if after else []
        query = query.where(*past).order_by(table.c.seq.desc())
    else:
        query = query.where(table.c.seq > after).order_by(table.c.seq)
    return _all(connection.execute(query.limit(limit)))


def numbered(connection: Connection, seqs: Sequence[int]) -> list[StoredEvent]:
    """Return the events with these numbers, in this order; one that is not there is left out."""
    found: dict[int, StoredEvent] = {}
    for start in range(0, len(seqs), _AT_ONCE):
        some = tuple(seqs[start : start + _AT_ONCE])
        # As text: to put the statement together took SQLAlchemy longer than reading the events.
        query = f"{_NUMBERED} ({', '.join('?' * len(some))})"
        found |= {row[0]: StoredEvent(*row) for row in connection.exec_driver_sql(query, some)}
    return [found[seq] for seq in seqs if seq in found]


def that_name(connection: sqlite3.Connection, name: Named, value: str) -> list[StoredEvent]:
    """Return every event that names this, oldest first, indexed already or not."""
    found = [StoredEvent(*row) for row in connection.execute(_THAT_NAME[name], (value,))]
    return [event for event in found if event.data.get(name) == value]


def size(connection: Connection) -> int:
    """Return the number of events: they are numbered from 1 without gaps."""
    found: int = connection.execute(select(func.coalesce(func.max(EVENT.c.seq), 0))).scalar_one()
    return found


def before(connection: Connection, ts_utc_us: int) -> tuple[int, int]:
    """How many events come before the first one of this time or later, and their bodies' bytes."""
    later = select(func.min(INDEX.c.seq)).where(INDEX.c.ts_utc_us >= ts_utc_us)
    first = connection.execute(later).scalar_one()
    end = size(connection) + 1 if first is None else int(first)
    lengths = select(func.coalesce(func.sum(func.length(EVENT.c.body)), 0))
    return end - 1, int(connection.execute(lengths.where(EVENT.c.seq < end)).scalar_one())


def latest(connection: Connection, kinds: Iterable[str]) -> dict[str, StoredEvent]:
    """Return, for each subject, the newest event of any of these kinds."""
    newest = select(func.max(INDEX.c.seq)).where(INDEX.c.kind.in_(list(kinds)))
    rows = connection.execute(_EVENT.where(EVENT.c.seq.in_(newest.group_by(INDEX.c.subject))))
    return {stored.subject: stored for stored in _all(rows)}


def open_intents(connection: Connection) -> list[StoredEvent]:
    """Return every intent that no outcome closes, oldest first."""
    closing = INDEX.alias("closing")
    closed = exists().where(closing.c.intent_seq == INDEX.c.seq)
    if _named_by_others(connection):  # to ask each its kind takes four times as long
        closed = closed.where(closing.c.kind.in_(_OUTCOMES))
    query = _EVENT.join(INDEX, INDEX.c.seq == EVENT.c.seq)
    query = query.where(INDEX.c.kind.in_(_INTENTS), ~closed).order_by(INDEX.c.seq)
    return _all(connection.execute(query))


def _named_by_others(connection: Connection) -> bool:
    """Whether an event that is no outcome names an intent; every outcome names one."""
    naming = select(func.count()).where(INDEX.c.intent_seq.is_not(None))
    outcomes = select(func.count()).where(INDEX.c.kind.in_(_OUTCOMES))
    counts = connection.execute(select(naming.scalar_subquery(), outcomes.scalar_subquery()))
    return len(set(counts.one())) > 1


def _all(rows: Iterable[Any]) -> list[StoredEvent]:
    return [_stored(row) for row in rows]


def _stored(row: Any) -> StoredEvent:
    return StoredEvent(seq=row.seq, event_id=row.event_id, body=row.body, leaf=row.leaf)
