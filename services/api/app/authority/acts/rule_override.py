"""Setting a strict rule aside for a time: on record, shown with the rules, over by itself.

Critical rules are never set aside, whoever approves. What an override changes is what is promised:
the code that keeps a rule goes on keeping it as far as it does by itself, and the plan says so.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final

from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.approvals.plans import Drawn
from app.authority.approvals.untrusted import is_blank
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.store import Ledger
from app.authority.permissions import Permission
from app.authority.ports import Clock
from app.authority.rules import RULES, Rule, Tier
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest, PolicyDenied
from app.evidence.vocabulary import Kind

MAX_HOURS: Final = 168
MAX_VALUE: Final = 200
MAX_REASON: Final = 500
HOUR_US: Final = 3_600_000_000
_PARAMS: Final = frozenset({"rule", "value", "hours", "reason"})


class RuleOverride:
    """params: ``{"rule": id, "value": what holds instead, "hours": 1 to 168, "reason"}``."""

    kind = "rule_override"
    permission = Permission.RULE_OVERRIDE
    meaning = "Set a strict rule aside for at most a week. Critical rules are never set aside."
    phrase = "yes, override NAME"
    asker_executes = False

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        rule, value, hours, reason = _asked(params)
        if rule.tier is Tier.CRITICAL:
            raise PolicyDenied(
                f"{rule.id} is critical: it is never set aside, whoever approves. Only strict "
                "rules are: lmx rules"
            )
        before = overrides(self._ledger, self._clock).get(rule.id)
        if before is not None:
            raise NotFeasible(
                f"{rule.id} is set aside already, by ask {before['ask']}. Wait until that is over."
            )
        return Drawn(
            subject=rule.id,
            verb="override",
            phrase=self.phrase.replace("NAME", rule.id),
            irreversible=False,
            targets=({"kind": "rule", "id": rule.id, "digest": ""},),
            effects={
                "sentence": rule.sentence,
                "value": value,
                "hours": hours,
                "reason": reason,
                "still_enforced_in": list(rule.enforced_in),
            },
        )

    async def perform(self, warrant: Warrant) -> Effect:
        require_warrant(warrant, self.kind)
        return await asyncio.to_thread(self._record, warrant)

    def _record(self, warrant: Warrant) -> Effect:
        rule, effects = warrant.plan["subject"], warrant.plan["effects"]
        last = self._ledger.latest(Kind.RULE_OVERRIDDEN).get(rule)
        if last is not None and last.data.get("ask") == warrant.ask:  # resumed after a crash
            return Effect(done=True, data={"until_us": last.data["until_us"]})
        until_us = self._clock.utc_us() + effects["hours"] * HOUR_US
        self._ledger.append(
            LedgerEvent(
                kind=Kind.RULE_OVERRIDDEN,
                actor=warrant.actor,
                subject=rule,
                outcome="done",
                data={
                    "value": effects["value"],
                    "until_us": until_us,
                    "ask": warrant.ask,
                    "reason": effects["reason"],
                },
            )
        )
        return Effect(done=True, data={"until_us": until_us})


def overrides(ledger: Ledger, clock: Clock) -> dict[str, dict[str, Any]]:
    """Rules that are set aside now: ``{rule: {value, until_us, ask, reason, by}}``."""
    now_us = clock.utc_us()
    return {
        rule: {**event.data, "by": event.actor}
        for rule, event in ledger.latest(Kind.RULE_OVERRIDDEN).items()
        if now_us < event.data["until_us"]
    }


def _asked(params: Mapping[str, Any]) -> tuple[Rule, str, int, str]:
    if params.keys() != _PARAMS:
        raise InvalidRequest(f"An override says: {', '.join(sorted(_PARAMS))}.", param="params")
    rule = next((r for r in RULES if r.id == params["rule"]), None)
    if rule is None:
        raise InvalidRequest("There is no such rule. lmx rules lists them.", param="params.rule")
    hours = params["hours"]
    if type(hours) is not int or not 1 <= hours <= MAX_HOURS:
        raise InvalidRequest(
            f"An override lasts 1 to {MAX_HOURS} hours, and then it is over.", param="params.hours"
        )
    value = _text(params["value"], MAX_VALUE, "value")
    return rule, value, hours, _text(params["reason"], MAX_REASON, "reason")


def _text(value: object, limit: int, name: str) -> str:
    if not isinstance(value, str) or is_blank(value) or len(value) > limit:
        raise InvalidRequest(f"`{name}` has 1 to {limit} characters.", param=f"params.{name}")
    return value.strip()
