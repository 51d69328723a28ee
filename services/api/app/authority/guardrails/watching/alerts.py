"""Tells what guardrails want told: an event of the ledger and a line in the log for each."""

from typing import Final

import structlog

from app.authority.guardrails.values import Action
from app.authority.guardrails.verdicts import Evaluation, Failure, Verdict
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.domain.actors import SYSTEM, Actor
from app.evidence.vocabulary import Kind
from app.observability import shortened

log = structlog.get_logger(__name__)

MAX_SENTENCE: Final = 500
MAX_ABOUT: Final = 200


class Alerts:
    """Every method may be called from any thread."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def met(self, evaluation: Evaluation, actor: Actor) -> None:
        """Tell each alert that an act met. Raises AuditUnavailable: then the act waits."""
        for verdict in evaluation.met:
            if verdict.action is Action.ALERT:
                self.tell(alert(evaluation, verdict, actor=actor))

    def told(self, decision: str) -> frozenset[tuple[str, str, str]]:
        """What was told of a decision: `met` or `error`, the task, what it is about."""
        newest = self._ledger.events(kind=Kind.GUARDRAILS_ALERT, newest_first=True, limit=500)
        return frozenset(
            (str(event.outcome), event.subject, str(event.data["about"]))
            for event in newest
            if event.data["decision"] == decision
        )

    def tell(self, event: LedgerEvent) -> None:
        """Record it, then say it in the log. Raises AuditUnavailable."""
        self._ledger.append(event)
        log.warning("guardrail_alert", task=event.subject, sentence=event.data["sentence"])


def alert(
    evaluation: Evaluation,
    about: Verdict | Failure,
    *,
    actor: Actor = SYSTEM,
    outcome: str = "met",
) -> LedgerEvent:
    """The event of a condition that was met, or could not be evaluated."""
    return LedgerEvent(
        Kind.GUARDRAILS_ALERT,
        actor,
        subject=about.task,
        outcome=outcome,
        data={
            "decision": evaluation.digest,
            "point": str(evaluation.asked.point),
            "about": shortened(about.key or evaluation.asked.subject, MAX_ABOUT),
            "sentence": shortened(about.sentence, MAX_SENTENCE),
            "binding_hash": about.binding_hash,
        },
    )
