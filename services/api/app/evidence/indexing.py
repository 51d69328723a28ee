"""The only place that says what the index holds of an event. Pure: the body decides, nothing else.

The writer fills the index with it and whoever verifies compares with it, so that an index which was
altered shows.
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from app.evidence.vocabulary import ABOUT_A_MODEL, ACTION, OUTCOME_OF, OUTCOMES, Kind


class IndexRow(NamedTuple):
    """One row of `ledger_index`, in the order of its columns."""

    seq: int
    ts_utc_us: int
    kind: str
    action: str
    actor: str
    person: str | None
    roles: str
    subject: str
    model: str | None
    digest: str | None
    outcome: str | None
    plan: str | None
    run: str | None
    intent_seq: int | None
    request_id: str | None
    reason: str | None


COLUMNS: Final = IndexRow._fields
_NO_MODEL: Final = ("key ", "person ", "the ledger", "/")


def index_row(body: Mapping[str, Any]) -> IndexRow:
    """Return the row for an event's parsed body (version 1 or 2)."""
    kind, actor, data, seq = body["kind"], body["actor"], body["data"], body["seq"]
    subject, outcome, intent = body["subject"], body["outcome"], body["intent_seq"]
    # By position: a million of these are made in a verification, and names take half as long again.
    return IndexRow(
        seq,
        body["ts_utc_us"],
        kind,
        _action(kind, data),
        actor["id"],
        actor.get("person"),
        f",{','.join(actor['roles'])}," if actor["roles"] else "",
        subject,
        _model(kind, subject, data),
        _text(data.get("digest")),
        outcome,
        _text(data.get("plan")),
        _run(seq, intent, kind, data),
        intent,
        body["request_id"],
        _text(data.get("reason")) or _text(data.get("message")),
    )


_REFUSAL: Final = str(Kind.REFUSAL)
_INTENTS: Final = frozenset(OUTCOME_OF)


def _action(kind: str, data: Mapping[str, Any]) -> str:
    if kind == _REFUSAL and (asked := _text(data.get("permission"))):
        return asked
    return ACTION.get(kind, kind)  # type: ignore[call-overload,no-any-return]


def _model(kind: str, subject: str, data: Mapping[str, Any]) -> str | None:
    """A refusal's subject is a model unless it names something else: routes put that there."""
    if kind in ABOUT_A_MODEL or (kind == _REFUSAL and not subject.startswith(_NO_MODEL)):
        return subject or None
    return _text(data.get("model"))


def _run(seq: int, intent: int | None, kind: str, data: Mapping[str, Any]) -> str | None:
    """One attempt: an intent and its outcome, a refusal by itself."""
    if named := _text(data.get("run")):
        return named
    if kind in OUTCOMES:
        return str(intent)
    return str(seq) if kind in _INTENTS or kind == _REFUSAL else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
