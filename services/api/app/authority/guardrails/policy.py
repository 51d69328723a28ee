"""The authority's policy as it stands: hard rules, and what is bound. The strictest wins.

Hard rules come first; what they deny is denied, and no guardrail is asked. A guardrail adds a
denial or the need of an approval and takes nothing away. Guardrails that cannot be read, cannot be
evaluated or whose decision cannot be recorded deny what they are asked about.
"""

import hashlib
import threading
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from app.authority.guardrails.changing import ADD
from app.authority.guardrails.standing import Now, Standing
from app.authority.guardrails.values import Action, Point
from app.authority.guardrails.verdicts import Evaluation
from app.authority.guardrails.watching.alerts import Alerts
from app.authority.guardrails.watching.observing import Observing
from app.authority.policy.decisions import (
    GUARDRAIL,
    Decision,
    Fired,
    Outcome,
    PolicyDecisionPoint,
    Question,
)
from app.authority.policy.hard import LOAD, LOAD_JIT, PULL, REPAIR
from app.authority.ports import Clock
from app.domain.refusals import AuditUnavailable
from app.observability import shortened

POINTS: Final[Mapping[str, Point]] = {
    LOAD: Point.LOAD,
    LOAD_JIT: Point.LOAD,
    PULL: Point.PULL,
    "model_delete": Point.DELETE,
    "cache_purge": Point.PURGE,
    "trash_purge": Point.PURGE,
    "state_removal": Point.PURGE,
    "guardrails_rebind": Point.REBIND,
    "guardrails_activate": Point.REBIND,
}
"""At which point an act is asked about; of any other, hard rules alone decide. Retiring is none of
them: guardrails that block every change can be ended by a person, or nobody ever could."""

REPLACES: Final = "replaces"
"""What the plan of an added guardrail says of the one that it stands in place of."""

AGAIN_S: Final = 1.0
"""For so long an equal load on demand that was not allowed gets the same decision: whoever repeats
a request in a loop fills no disk."""
MOST_AGAIN: Final = 1_000

NAMED_RULES: Final = 20
MAX_SENTENCE: Final = 500
"""An event is bounded: of many guardrails that were met, or failed, so many are named in it. The
record of the decision holds all."""

_STRICTEST_FIRST: Final = (Outcome.DENY, Outcome.REQUIRE_APPROVAL, Outcome.ALLOW)
_FOLLOWS: Final[Mapping[str, Outcome]] = {
    str(Action.BLOCK): Outcome.DENY,
    str(Action.REQUIRE_APPROVAL): Outcome.REQUIRE_APPROVAL,
    str(Action.ALERT): Outcome.ALLOW,
    "allow": Outcome.ALLOW,
}
_UNREADABLE: Final = "unreadable"
"""In the place of the guardrails' part of the hash, while nobody can say what holds."""


class GuardedPolicy:
    """A `PolicyDecisionPoint`. Every method may be called from any thread and raises nothing."""

    def __init__(
        self,
        hard: PolicyDecisionPoint,
        standing: Standing,
        observing: Observing,
        alerts: Alerts,
        clock: Clock,
    ) -> None:
        self._hard = hard
        self._standing = standing
        self._observing = observing
        self._alerts = alerts
        self._clock = clock
        self._again: dict[bytes, tuple[float, Decision]] = {}
        self._one = threading.Lock()

    @property
    def policy_hash(self) -> str:
        now = self._now()
        part = now.policy_part if isinstance(now, Now) else _UNREADABLE
        return _hash(self._hard.policy_hash, part)

    def decide(self, question: Question) -> Decision:
        return self._answer(question, binding=True)

    def look(self, question: Question) -> Decision:
        return self._answer(question, binding=False)

    def outset(self, question: Question) -> Decision:
        return replace(self._hard.outset(question), policy_hash=self.policy_hash)

    # --- private ----------------------------------------------------------------------------

    def _answer(self, question: Question, *, binding: bool) -> Decision:
        hard = self._hard.decide(question) if binding else self._hard.look(question)
        point = point_of(question)
        if hard.outcome is Outcome.DENY or point is None:
            return replace(hard, policy_hash=self.policy_hash)
        now = self._now()
        if not isinstance(now, Now):
            unreadable = replace(hard, policy_hash=_hash(hard.policy_hash, _UNREADABLE))
            return _denied(unreadable, f"what holds cannot be read: {now}")
        hard = replace(hard, policy_hash=_hash(hard.policy_hash, now.policy_part))
        key = _key(question, now) if binding and question.act == LOAD_JIT else None
        said = None if key is None else self._said(key)
        return said or self._asked(question, point, hard, now, key, binding=binding)

    def _now(self) -> Now | str:
        """What holds, or why nobody can say."""
        try:
            return self._standing.current()
        except AuditUnavailable as error:
            return error.message
        except Exception as error:  # noqa: BLE001 - a defect is no leave to do anything
            return type(error).__name__

    def _asked(
        self,
        question: Question,
        point: Point,
        hard: Decision,
        now: Now,
        key: bytes | None,
        *,
        binding: bool,
    ) -> Decision:
        shown = {"version": now.version, "rules": now.rules.hash}
        try:
            seen = self._observing.at(now.rules, question, point)
            if binding:
                self._observing.keep(seen, now.rules)
                shown["decision"] = seen.evaluation.digest
                self._alerts.met(seen.evaluation, question.actor)
        except AuditUnavailable as error:
            decision = _denied(hard, f"its decision cannot be recorded: {error.message}")
            return replace(decision, guardrails=shown, unrecorded=error.message)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong in guardrails is a denial
            return replace(_denied(hard, type(error).__name__), guardrails=shown)
        decision = together(hard, seen.evaluation, shown)
        if key is not None and decision.outcome is not Outcome.ALLOW:
            self._say_again(key, decision)
        return decision

    def _said(self, key: bytes) -> Decision | None:
        with self._one:
            until, decision = self._again.get(key, (0.0, None))
        return decision if self._clock.monotonic() < until else None

    def _say_again(self, key: bytes, decision: Decision) -> None:
        with self._one:
            self._again.pop(key, None)
            self._again[key] = (self._clock.monotonic() + AGAIN_S, decision)
            while len(self._again) > MOST_AGAIN:
                del self._again[next(iter(self._again))]


def point_of(question: Question) -> Point | None:
    """Where guardrails are asked about it; None: nowhere.

    To add a guardrail takes nothing from what is there. In place of another it is a binding anew.
    A repair is a pull where it fetches from a hub: then the question says from whom.
    """
    if question.act == ADD:
        return Point.REBIND if question.about.get(REPLACES) else None
    if question.act == REPAIR:
        return Point.PULL if question.about.get("repo") else None
    return POINTS.get(question.act)


def together(hard: Decision, evaluation: Evaluation, shown: Mapping[str, Any]) -> Decision:
    """What hard rules and guardrails come to: the strictest of the two."""
    met = [
        Fired(
            f"{GUARDRAIL}{verdict.task}",
            _FOLLOWS[str(verdict.action)],
            shortened(verdict.sentence, MAX_SENTENCE),
        )
        for verdict in evaluation.met
        if verdict.action is not Action.ALERT
    ]
    met.sort(key=_strictest_first)
    fired = sorted((*hard.fired, *met[:NAMED_RULES]), key=_strictest_first)
    outcome = min(hard.outcome, _FOLLOWS[evaluation.outcome], key=_STRICTEST_FIRST.index)
    failures = evaluation.failures
    errors = [f"{GUARDRAIL}{failed.task}: {failed.why}" for failed in failures[:NAMED_RULES]]
    if len(failures) > NAMED_RULES:
        errors.append(f"{GUARDRAIL} and {len(failures) - NAMED_RULES} more")
    if errors:
        outcome = Outcome.DENY
    return Decision(
        outcome, tuple(fired), hard.policy_hash, (*hard.errors, *errors), guardrails=shown
    )


def _strictest_first(fired: Fired) -> tuple[int, str]:
    return _STRICTEST_FIRST.index(fired.outcome), fired.rule


def _denied(hard: Decision, why: str) -> Decision:
    """What guardrails should have been asked about, and could not be."""
    return replace(hard, outcome=Outcome.DENY, errors=(*hard.errors, f"{GUARDRAIL} {why}"))


def _key(question: Question, now: Now) -> bytes:
    said = [question.act, question.actor.id, question.subject, dict(question.facts)]
    return now.policy_part.encode() + orjson.dumps(said, option=orjson.OPT_SORT_KEYS)


def _hash(hard: str, guardrails: str) -> str:
    return hashlib.sha256(f"{hard}\n{guardrails}".encode()).hexdigest()
