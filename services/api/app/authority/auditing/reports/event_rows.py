"""The only place that says how a report shows an event: one row, its data as words."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from app.authority.auditing.reports.shape import Column, Row, number, time
from app.authority.ledger.stored import StoredEvent

COLUMNS: Final = (
    number("seq", "Event"),
    time("time", "Time (UTC)"),
    Column("kind", "What happened"),
    Column("actor", "By"),
    Column("person", "Person"),
    Column("subject", "About"),
    Column("outcome", "Outcome"),
    Column("details", "Details"),
)
DAMAGED: Final = "DAMAGED: its bytes are not the recorded ones; `lmx ledger verify` says more"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def event_row(stored: StoredEvent) -> Row:
    """One event with everything that it says."""
    return {
        **who_and_when(stored),
        "kind": stored.kind,
        "subject": stored.subject or None,
        "outcome": stored.outcome,
        "details": details(stored),
    }


def who_and_when(stored: StoredEvent) -> dict[str, Any]:
    return {
        "seq": stored.seq,
        "time": stored.ts_utc_us,
        "actor": stored.actor,
        "person": person_of(stored),
    }


def details(stored: StoredEvent) -> str:
    """What the event says beyond its columns; first of all that it is damaged, where it is."""
    words = [] if stored.intact else [DAMAGED]
    if stored.intent_seq is not None:
        words.append(f"closes event {stored.intent_seq}")
    request_id = stored.fields.get("request_id")
    if isinstance(request_id, str):
        words.append(f"request {request_id}")
    return "; ".join([*words, *data_in_words(stored.data)])


def data_in_words(data: Mapping[str, Any]) -> list[str]:
    """Each value of an event's data behind its name; what is nested is named by its path."""
    return [f"{name}: {_shown(name, value)}" for name, value in _flat(data, "")]


def person_of(stored: StoredEvent) -> str | None:
    actor = stored.fields.get("actor")
    person = actor.get("person") if isinstance(actor, Mapping) else None
    return person if isinstance(person, str) else None


def text_of(data: Mapping[str, Any], name: str) -> str | None:
    value = data.get(name)
    return value if isinstance(value, str) else None


def integer_of(data: Mapping[str, Any], name: str) -> int | None:
    value = data.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _flat(value: Mapping[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, Mapping):
            yield from _flat(item, f"{path}{name}.")
        else:
            yield f"{path}{name}", item


def _shown(name: str, value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int) and name.endswith("_us"):
        return _utc(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(str(one) for one in value) or "none"
    return "none" if value is None else str(value)


def _utc(micros: int) -> str:
    try:
        return (_EPOCH + timedelta(microseconds=micros)).isoformat().replace("+00:00", "Z")
    except OverflowError:
        return str(micros)
