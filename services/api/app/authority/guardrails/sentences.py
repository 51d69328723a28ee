"""Why a condition is met or not, in words: one sentence for a rule. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.strategies.base import DATA_QUALITY, Reading, Result
from app.authority.guardrails.strategies.composite import combine
from app.authority.guardrails.strategies.registry import strategy
from app.authority.guardrails.strategies.wording import spoken, text
from app.authority.guardrails.values import Action, Composite, Condition, Leaf, Operator, Scope

_MET: Final[Mapping[str, str]] = {
    Action.ALERT: "Alert of",
    Action.REQUIRE_APPROVAL: "Approval needed by",
    Action.BLOCK: "Blocked by",
}


class Found(NamedTuple):
    """What one leaf came to. `key` is the model or actor it was asked of."""

    leaf: Leaf
    key: str
    reading: Reading
    result: Result


def met(action: Action, task: str, version: int, because: str) -> str:
    return f"{_MET[action]} {task} (version {version}): {because}."


def not_met(task: str, version: int, because: str) -> str:
    return f"{task} (version {version}) was not met: {because}."


def failed(task: str, version: int, why: str) -> str:
    return f"{task} (version {version}) could not be evaluated: {text(why)}."


def because(condition: Condition, found: Sequence[Found]) -> str:
    """Return what decided, joined by "and"; `found` has every leaf, in the order written."""
    return " and ".join(_deciding(condition, iter(found))[1])


def _deciding(condition: Condition, found: Iterator[Found]) -> tuple[Result, list[str]]:
    if not isinstance(condition, Composite):
        each = next(found)
        return each.result, [_said(each)]
    operands = [_deciding(operand, found) for operand in condition.operands]
    together = combine(condition.operator, [result for result, _ in operands])
    counted = [
        sentences
        for result, sentences in operands
        if condition.operator is Operator.NOT or _kind(result) == _kind(together)
    ]
    return together, list(dict.fromkeys(said for sentences in counted for said in sentences))


def _kind(result: Result) -> str:
    """Met, not met, or unknown: what decides is of the kind that came out."""
    if result.triggered:
        return "met"
    return "unknown" if result.reason in DATA_QUALITY else "not met"


def _said(found: Found) -> str:
    leaf = found.leaf
    name = spoken(leaf.primitive)
    subject = name if leaf.scope is Scope.ALL else f"{text(found.key)}'s {name}"
    known = PRIMITIVES.get(leaf.primitive)
    said = strategy(leaf.strategy, leaf.strategy_version)
    unit = known.unit if known else ""
    return said.sentence(subject, unit, found.reading, found.result, leaf.params)
