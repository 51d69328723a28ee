"""The only place that says which kinds of events took something away for good, and who agreed.

Every kind is in the table, so that a new one has to be judged. An act that was asked for names its
ask; any other act of a person was confirmed by that person alone, and the report says so.

Acts that were asked for are all in the report, also those that took nothing away, as changes of
guardrails: its rows are chosen by kind, so no act is left out because a table of ours holds it to
be harmless, and one that the table does not know is said to have taken something away.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app.authority.auditing.reports.event_rows import details, text_of, who_and_when
from app.authority.auditing.reports.shape import Column, Row, number, time
from app.authority.ledger.stored import StoredEvent
from app.domain.actors import SYSTEM
from app.evidence.vocabulary import Kind

COLUMNS: Final = (
    number("seq", "Event"),
    time("time", "Time (UTC)"),
    Column("kind", "Act"),
    Column("lost", "What was lost"),
    Column("actor", "By"),
    Column("person", "Person"),
    Column("subject", "About"),
    Column("approved_by", "Approved by"),
    Column("details", "Details"),
)

TYPED: Final = "typed confirmation by {actor}"
ASKED: Final = "the decisions of ask {ask}"
FINISHED: Final = "not in this event: the server finished what was begun before it was restarted"
OWN: Final = "nobody: {actor} did it without being asked to confirm it"


@dataclass(frozen=True, slots=True)
class Loss:
    """What an act takes away, and who agreed to it; `{actor}` is whoever did it."""

    lost: str
    approved_by: str


EFFECT: Final[Mapping[Kind, Loss | None]] = {
    Kind.GENESIS: None,
    Kind.BOOT: None,
    Kind.SHUTDOWN: None,
    Kind.KEY_CREATED: None,
    Kind.KEY_REVOKED: Loss("the use of a key", TYPED),
    Kind.MODEL_IMPORTED: None,
    Kind.MODEL_VERIFIED: None,
    Kind.MODEL_QUARANTINED: None,
    Kind.LOAD_INTENT: None,
    Kind.LOAD_OUTCOME: None,
    Kind.UNLOAD_INTENT: None,
    Kind.UNLOAD_OUTCOME: None,
    Kind.WORKER_EXITED: None,
    Kind.MODEL_RELEASED: None,
    Kind.MODEL_PINNED_RESIDENT: None,
    Kind.REFUSAL: None,
    Kind.USAGE_DIGEST: None,
    Kind.USAGE_PRUNED: Loss(
        "rows of the usage table; the hourly digests over them stay",
        "nobody: the setting ledger.usage_days says when",
    ),
    Kind.SIGNING_KEY_CREATED: None,
    Kind.SIGNING_KEY_ROTATED: Loss("the old signing key", TYPED),
    Kind.CHECKPOINT_COSIGNED: None,
    Kind.SINK_CHANGED: Loss(
        "the old copy of the ledger, or what was left of it",
        "nobody: a missing or damaged copy is begun anew",
    ),
    Kind.DISK_WARNING: None,
    Kind.RESERVE_USED: None,
    Kind.LEDGER_READ: None,
    Kind.LEDGER_EXPORTED: None,
    Kind.LEDGER_REINDEXED: Loss("the old search index; the events stay", OWN),
    Kind.PERSON_NAMED: None,
    Kind.PERSON_NAME_ERASED: Loss("a person's name and its salt", TYPED),
    Kind.LEDGER_PRUNED: Loss("events", "see the event"),
    Kind.RECOVERY_EPOCH: Loss("what was recorded after the restored state", "see the event"),
    Kind.ASK_MADE: None,
    Kind.ASK_DECIDED: None,
    Kind.ASK_CLAIMED: None,
    Kind.ASK_ENDED: None,
    Kind.ACT_INTENT: None,
    Kind.ACT_OUTCOME: Loss("what the plan names", "see the ask's decisions"),
    Kind.PULL_INTENT: None,
    Kind.PULL_OUTCOME: None,
    Kind.MODEL_CHANGED: None,
    Kind.MODEL_RESTORED: None,
    Kind.PROFILE_CHANGED: None,
    Kind.RULE_OVERRIDDEN: None,
    Kind.GUARDRAILS_LOADED: None,
    Kind.GUARDRAILS_ACTIVATED: None,
    Kind.GUARDRAILS_BOUND: None,
    Kind.GUARDRAILS_ALERT: None,
    Kind.GUARDRAILS_DIGEST: None,
    Kind.ADVICE_PROPOSED: None,
    Kind.ADVICE_DECIDED: None,
    Kind.ADVICE_OUTCOME: None,
    Kind.BACKUP_MADE: None,
    Kind.STATE_RESTORED: Loss(
        "what was recorded after the backup; the replaced state was kept beside", TYPED
    ),
    Kind.SCHEMA_UPGRADED: None,
    Kind.KEY_RECOVERED: Loss("the keys that it replaces", TYPED),
    Kind.CONFIG_RELOADED: None,
}
"""What events of a kind took away; None: nothing."""

NOTHING: Final = "nothing: the act can be undone"
SPARING: Final = frozenset(
    {
        "key_create",
        "profile_loosen",
        "model_load",
        "model_pull",
        "rule_override",
        "guardrails_activate",
        "guardrails_add",
        "guardrails_rebind",
        "guardrails_retire",
    }
)
"""Kinds of acts that are asked for and take nothing away. One that is not here is said to."""

DESTRUCTIVE: Final = tuple(kind for kind, loss in EFFECT.items() if loss is not None)
CONFIRMED_ALONE: Final = tuple(
    kind for kind, loss in EFFECT.items() if loss is not None and loss.approved_by == TYPED
)
"""Acts of a person that one person alone confirms, unless the event names an ask."""

NOTES: Final = (
    (
        "Where it says `typed confirmation by`, the person who did the act confirmed it, and no "
        "one else agreed. Where an ask is named, `lmx approvals show ID` says who decided on it."
    ),
    (
        "Acts that needed an ask are all here, changes of guardrails too, so that none is left out "
        "by being judged harmless; where one took nothing away, it says so."
    ),
    "Attempts that were refused are in `lmx ledger report refusals`.",
)


def destructive_row(stored: StoredEvent) -> Row:
    loss = _loss_of(stored.kind)
    return {
        **who_and_when(stored),
        "kind": stored.kind,
        "lost": NOTHING if text_of(stored.data, "act") in SPARING else loss.lost,
        "subject": stored.subject or None,
        "approved_by": _approved_by(loss, stored),
        "details": details(stored),
    }


def alone(stored: StoredEvent) -> bool:
    """Whether one person confirmed it and nobody was asked."""
    return _loss_of(stored.kind).approved_by == TYPED and asked_in(stored) is None


def asked_in(stored: StoredEvent) -> str | None:
    """The ask that an act was approved in."""
    return text_of(stored.data, "ask")


def _approved_by(loss: Loss, stored: StoredEvent) -> str:
    ask = asked_in(stored)
    if ask is not None:
        return ASKED.replace("{ask}", ask)
    by_itself = loss.approved_by == TYPED and stored.actor == SYSTEM.id
    return FINISHED if by_itself else loss.approved_by.replace("{actor}", stored.actor)


def _loss_of(kind: str) -> Loss:
    unknown = Loss("not known: the event cannot be read", "not known")
    return next((loss for one, loss in EFFECT.items() if loss and one == kind), unknown)
