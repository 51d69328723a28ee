"""Whether what is bound is met, and what follows: block over approval over alert. Pure.

Whatever cannot be read or computed is an error and never a quiet no: at an act point it blocks, on
the tick it alerts. Too little data is no error: it is recorded, with its reason, as not triggered.
"""

from collections.abc import Mapping
from typing import Any

from app.authority.guardrails.cases import Case
from app.authority.guardrails.looking import Live
from app.authority.guardrails.plans import Summaries
from app.authority.guardrails.records import to_bytes
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.strategies.base import Reading
from app.authority.guardrails.verdicts import Asked, Evaluation, Histories, outcome


def evaluate(
    rules: Ruleset,
    asked: Asked,
    readings: Mapping[str, Reading | Exception],
    histories: Histories,
) -> Evaluation:
    """Decide what is asked; the same rules, readings and histories give the same bytes anywhere.

    `readings` are by series (`series_key`); the record keeps all of them. Nothing read of a whole
    series that a rule asks for is an error; nothing read of one model or actor is a null. Raises
    nothing.
    """
    return decide(rules, asked, readings, Live(rules, histories, asked.at_us))


def decide(
    rules: Ruleset,
    asked: Asked,
    readings: Mapping[str, Reading | Exception],
    summaries: Summaries,
) -> Evaluation:
    """As `evaluate`, over summaries that somebody else finds."""
    plan = rules.plan(asked.point)
    case = Case(plan, readings, summaries)
    case.ask(asked)
    follows = outcome(asked.point, case.met, case.failures)
    body: dict[str, Any] = {
        "at_us": asked.at_us,
        "point": asked.point,
        "subject": asked.subject,
        "actor": asked.actor,
        "rules": rules.hash,
        "rules_here": plan.hash,
        "guardrails": rules.guardrails,
        "readings": case.readings(),
        "summaries": case.summaries(),
        "verdicts": case.rows,
        "errors": [failure[:] for failure in case.failures],
        "unasked": case.unasked,
        "outcome": follows,
    }
    record, digest = to_bytes(body)
    return Evaluation(
        asked=asked,
        verdicts=tuple(case.verdicts),
        met=tuple(case.met),
        failures=tuple(case.failures),
        outcome=follows,
        record=record,
        digest=digest,
    )
