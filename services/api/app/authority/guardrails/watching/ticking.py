"""What happens over time: every series is sampled, the tick's rules are asked, edges are told.

An alert is told when its condition becomes true, not again while it stays so. What was true before
the server ended is read from the last tick's record; an alert that was not told then is told now.
"""

import threading
from collections.abc import Iterator
from typing import Any, Final

import structlog

from app.authority.guardrails.records import from_bytes
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.standing import Standing
from app.authority.guardrails.values import Point
from app.authority.guardrails.verdicts import Evaluation
from app.authority.guardrails.watching.alerts import Alerts, alert
from app.authority.guardrails.watching.decision_store import DecisionStore, Kept
from app.authority.guardrails.watching.observing import Observing
from app.authority.ledger.events import LedgerEvent
from app.domain.refusals import AuditUnavailable

log = structlog.get_logger(__name__)

Edge = tuple[str, str, str]
"""What is true: `met` or `error`, the task, and the model or key it is true of."""

_MET: Final = "met"
_ERROR: Final = "error"


class Ticking:
    """`tick` is called by one timer."""

    def __init__(
        self, standing: Standing, observing: Observing, decisions: DecisionStore, alerts: Alerts
    ) -> None:
        self._standing = standing
        self._observing = observing
        self._decisions = decisions
        self._alerts = alerts
        self._true: frozenset[Edge] | None = None
        self._untold: list[LedgerEvent] = []
        self._one = threading.Lock()

    def tick(self) -> None:
        """Sample, ask, record, tell. Raises AuditUnavailable; what is untold is told next time."""
        with self._one:
            self._tell()
            if self._true is None:
                self._true = self._true_then()
            rules = self._rules()
            seen = self._observing.tick(rules)
            self._observing.keep(seen, rules)
            events = dict(_events(seen.evaluation))
            self._untold += [event for edge, event in events.items() if edge not in self._true]
            self._true = frozenset(events)
            self._tell()

    def _rules(self) -> Ruleset:
        """What is bound, compared with the ledger anew: whatever was altered shows at a tick."""
        try:
            return self._standing.checked().rules
        except AuditUnavailable as unreadable:
            log.error("guardrails_unreadable", reason=unreadable.message)
            raise

    def _true_then(self) -> frozenset[Edge]:
        """What the last tick found true and, where it had just become so, was told."""
        kept = self._decisions.page(point=Point.TICK, limit=2)
        found = [*map(_true_in, kept), frozenset(), frozenset()]
        last, risen = found[0], found[0] - found[1]
        return last - risen | (risen & self._alerts.told(kept[0].digest)) if risen else last

    def _tell(self) -> None:
        while self._untold:
            self._alerts.tell(self._untold[0])
            del self._untold[0]


def _events(evaluation: Evaluation) -> Iterator[tuple[Edge, LedgerEvent]]:
    for verdict in evaluation.verdicts:
        if verdict.triggered:
            yield (_MET, verdict.task, verdict.key), alert(evaluation, verdict)
    for failed in evaluation.failures:
        event = alert(evaluation, failed, outcome=_ERROR)
        yield (_ERROR, failed.task, failed.key), event


def _true_in(kept: Kept) -> frozenset[Edge]:
    """What a tick found true; nothing where its record cannot be read: it is told once more."""
    try:
        body: dict[str, Any] = from_bytes(kept.record) if kept.intact else {}
        met = {(_MET, row[0], row[3]) for row in body.get("verdicts", ()) if row[5]}
        return frozenset(met | {(_ERROR, row[0], row[3]) for row in body.get("errors", ())})
    except (ValueError, LookupError, TypeError):
        return frozenset()
