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
    subject, intent, get = body["subject"], body["intent_seq"], data.get
    action, model, run = ACTION.get(kind, kind), _text(get("model")), _text(get("run"))
    if kind == _REFUSAL:  # by itself an attempt; its subject is a model unless it says otherwise
        action = _text(get("permission")) or action
        model = model if subject.startswith(_NO_MODEL) else subject or None
        run = run or str(seq)
    elif kind in ABOUT_A_MODEL:
        model = subject or None
    if run is None and kind in _ATTEMPTS:  # an intent and its outcome are one
        run = str(intent if kind in OUTCOMES else seq)
    # By position: a million of these are made in a verification, and names take half as long again.
    return IndexRow(
        seq,
        body["ts_utc_us"],
        kind,
        action,
        actor["id"],
        actor.get("person"),
        f",{','.join(actor['roles'])}," if actor["roles"] else "",
        subject,
        model,
        _text(get("digest")),
        body["outcome"],
        _text(get("plan")),
        run,
        intent,
        body["request_id"],
        _text(get("reason")) or _text(get("message")),
    )


_REFUSAL: Final = str(Kind.REFUSAL)
_ATTEMPTS: Final = OUTCOMES | frozenset(OUTCOME_OF)


def _text(value: object) -> str | None:
    return value if value and isinstance(value, str) else None
