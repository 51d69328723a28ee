"""The only place that compares what the tables say of an ask with what the ledger recorded of it.

The tables are a database's: another program that writes a well-formed decision into them gets past
every trigger. So an ask and a decision count only where the signed ledger has the event of each.
"""

from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from app.authority.approvals.plans import Plan
from app.authority.approvals.transitions import TRANSITIONS, State
from app.authority.approvals.values import Ask, Decided
from app.authority.ledger.proven import proven
from app.authority.ledger.store import Ledger
from app.authority.ledger.stored import StoredEvent
from app.domain.refusals import AuditUnavailable
from app.evidence.vocabulary import Kind

_EDGES: Final = frozenset((was, now) for (was, _), now in TRANSITIONS.items())
_AS_PLANNED: Final = ("act", "reason", "phrase", "created_us", "approve_by_us", "execute_by_us")


def check_recorded(ledger: Ledger, ask: Ask, plan: Plan, decisions: Iterable[Decided]) -> None:
    """Raise AuditUnavailable unless all of this, and the state it is in, is what was recorded."""
    if not _is_planned(ask, plan):
        raise _altered(ask, "it is not the one that its plan was drawn for")
    events = [event for event in proven(ledger, plan.hash) if event.data.get("ask") == ask.id]
    if not _led_to(ask.state, events):
        raise _altered(ask, f"nothing that happened made it {ask.state}")
    for decision in decisions:
        if not any(_records(event, decision) for event in events):
            raise _altered(ask, f"nobody decided what it has as a decision to {decision.decision}")


def _led_to(state: State, events: Iterable[StoredEvent]) -> bool:
    """Whether these events lead from the asking to this state, each step along the table."""
    steps = [now for event in events if (now := _state_after(event)) is not None]
    walked = [now for was, now in pairwise([None, *steps]) if was != now]
    edges = set(pairwise(walked))
    return walked[:1] == [State.PENDING] and walked[-1] == state and edges <= _EDGES


def _state_after(event: StoredEvent) -> str | None:
    if event.kind in (Kind.ASK_MADE, Kind.ASK_DECIDED):
        return str(event.data.get("state"))
    if event.kind == Kind.ASK_CLAIMED:
        return State.CLAIMED
    performed = event.kind == Kind.ACT_OUTCOME and event.data.get("phase") == "act"
    return event.outcome if performed or event.kind == Kind.ASK_ENDED else None


def _is_planned(ask: Ask, plan: Plan) -> bool:
    body, asked_by = plan.body, plan.body["asked_by"]
    who = asked_by["person"] == ask.asker_person
    if ask.asker_person is None:
        who = who and asked_by["id"] == ask.asker
    if ask.subject:  # one that could not be drawn when it was asked has none
        who = who and body["subject"] == ask.subject
    return who and all(body[name] == getattr(ask, name) for name in _AS_PLANNED)


def _records(event: StoredEvent, decision: Decided) -> bool:
    return (
        event.kind == Kind.ASK_DECIDED
        and event.outcome == decision.decision
        and event.actor == f"key:{decision.key_id}"
        and event.data.get("person") == decision.person
        and event.data.get("meaning") == decision.meaning
    )


def _altered(ask: Ask, how: str) -> AuditUnavailable:
    return AuditUnavailable(
        f"Ask {ask.id} in the database is not what the ledger recorded: {how}. Somebody changed it "
        "by other means; it is not executed. Keep a copy of LMX_HOME as evidence and look at it "
        "with: lmx ledger verify"
    )
