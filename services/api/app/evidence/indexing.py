"""The only place that says what the index holds of an event. Pure: the body decides, nothing else.

The writer fills the index with it and whoever verifies compares with it, so that an index which was
altered shows.
"""

from collections.abc import Mapping, Sequence
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


Who = tuple[str, str | None, str]
"""actor, person, roles"""

COLUMNS: Final = IndexRow._fields
TEXTS: Final = ("act", "digest", "message", "model", "permission", "plan", "reason", "run")
"""What the index takes from an event's data, where it is a text."""

_NO_MODEL: Final = ("key ", "person ", "the ledger", "/")
_REFUSAL: Final = str(Kind.REFUSAL)
_NAME_THEIR_ACT: Final = frozenset(
    {
        Kind.REFUSAL,
        Kind.ASK_MADE,
        Kind.ASK_DECIDED,
        Kind.ASK_CLAIMED,
        Kind.ASK_ENDED,
        Kind.ACT_INTENT,
        Kind.ACT_OUTCOME,
        Kind.PULL_INTENT,
        Kind.PULL_OUTCOME,
        Kind.MODEL_IMPORTED,
    }
)
"""Filed under the act they name, so that all of an act is found at once."""
_ATTEMPTS: Final = OUTCOMES | frozenset(OUTCOME_OF)
_NO_RULES: Final = (False, False, False, False)
_RULES: Final = {
    str(kind): (
        str(ACTION[kind]),
        kind in ABOUT_A_MODEL,
        kind in _ATTEMPTS,
        kind in OUTCOMES,
        kind in _NAME_THEIR_ACT,
    )
    for kind in Kind
}
"""What it is filed under; whether it is about a model, part of an attempt, the end of one; and
whether it may name an act to be filed under instead."""


def index_row(body: Mapping[str, Any]) -> IndexRow:
    """Return the row for an event's parsed body (version 1 or 2)."""
    get = body["data"].get
    return IndexRow._make(
        row_of(
            body["seq"],
            body["ts_utc_us"],
            body["kind"],
            who(body["actor"]),
            body["subject"],
            body["outcome"],
            body["intent_seq"],
            body["request_id"],
            [value if isinstance(value, str) else None for value in map(get, TEXTS)],
        )
    )


def who(actor: Mapping[str, Any]) -> Who:
    roles = f",{','.join(actor['roles'])}," if actor["roles"] else ""
    return actor["id"], actor.get("person"), roles


def row_of(  # noqa: PLR0917 - a verification makes a million of these, and names take time
    seq: int,
    time: int,
    kind: str,
    actor: Who,
    subject: str,
    outcome: str | None,
    intent: int | None,
    request: str | None,
    texts: Sequence[str | None],
) -> tuple[Any, ...]:
    """Return an IndexRow's values. `texts` are TEXTS of the data; one that is empty is none."""
    act, digest, message, model, permission, plan, reason, run = texts
    rules = _RULES.get(kind) or (kind, *_NO_RULES)
    action, is_about_a_model, is_attempt, is_outcome, names_its_act = rules
    if names_its_act and act:
        action = act
    if kind == _REFUSAL:  # by itself an attempt; its subject is a model unless it says otherwise
        action = permission or action
        model = model if subject.startswith(_NO_MODEL) else subject
        run = run or str(seq)
    elif is_about_a_model:
        model = subject
    if is_attempt and not run:  # an intent and its outcome are one
        run = str(intent if is_outcome else seq)
    id_, person, roles = actor
    return (
        seq, time, kind, action, id_, person, roles, subject, model or None, digest or None,
        outcome, plan or None, run or None, intent, request, reason or message or None,
    )  # fmt: skip
