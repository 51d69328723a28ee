"""A compiled rule said back in one sentence; where its numbers come from is in its trace. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from app.authority.guardrails.compiler.parameters import SET
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.strategies import wording
from app.authority.guardrails.values import (
    Action,
    Chosen,
    Composite,
    Condition,
    Leaf,
    Operator,
    Point,
    Reference,
    Resolution,
    Scope,
)

_DOES: Final[Mapping[Action, str]] = {
    Action.ALERT: "Alert",
    Action.REQUIRE_APPROVAL: "Ask for approval before",
    Action.BLOCK: "Block",
}
_PER: Final[Mapping[Scope, str]] = {
    Scope.ALL: "",
    Scope.MODEL: " per model",
    Scope.ACTOR: " per key",
}
MOST_SAID: Final = 6
"""Of more values than these the sentence says the set; the trace lists them."""
_MOVES: Final = {"increase": "rise", "decrease": "fall", "any": "change"}


def sentence(resolution: Resolution) -> str:
    """``Block load and pull when model format is none of gguf, safetensors.``"""
    chosen = {
        trace.path: {each.name: each for each in trace.parameters}
        for trace in resolution.trace.clauses
    }
    intent = resolution.intent
    said = _whenever(resolution.condition, chosen)
    acts = _listed([point.value for point in intent.points if point is not Point.TICK])
    if not acts:
        return f"{_DOES[intent.action]} {said}."
    at = f"at {acts}" if intent.action is Action.ALERT else acts
    return f"{_DOES[intent.action]} {at} {said}."


def _whenever(condition: Condition, sources: "Sources") -> str:
    """``when ...``; ``unless ...`` where it is all an exception."""
    if isinstance(condition, Composite) and condition.operator is Operator.NOT:
        inner = condition.operands[0]
        said = _condition(inner, "when.0", sources)
        several = isinstance(inner, Composite) and inner.operator is not Operator.NOT
        return f"unless ({said})" if several else f"unless {said}"
    return f"when {_condition(condition, 'when', sources)}"


def _listed(names: list[str]) -> str:
    *first, last = names or [""]
    return f"{', '.join(first)} and {last}" if first else last


Sources = Mapping[str, Mapping[str, Chosen]]


def _condition(condition: Condition, path: str, sources: Sources) -> str:
    match condition:
        case Leaf():
            return _leaf(condition, sources.get(path, {}))
        case Reference():
            return f"the condition of {condition.id} (version {condition.version}) is met"
        case Composite():
            return _composite(condition, path, sources)


def _composite(composite: Composite, path: str, sources: Sources) -> str:
    parts = []
    for place, operand in enumerate(composite.operands):
        said = _condition(operand, f"{path}.{place}", sources)
        nested = isinstance(operand, Composite) and operand.operator is not Operator.NOT
        parts.append(f"({said})" if nested else said)
    if composite.operator is Operator.NOT:
        return f"it is not so that {parts[0]}"
    last = composite.operands[-1]
    if composite.operator is Operator.AND and _is_not(last) and len(parts) > 1:
        exception = parts.pop().removeprefix("it is not so that ")
        return f"{' and '.join(parts)} unless {exception}"
    return f" {composite.operator.value.lower()} ".join(parts)


def _is_not(condition: Condition) -> bool:
    return isinstance(condition, Composite) and condition.operator is Operator.NOT


def _leaf(leaf: Leaf, chosen: Mapping[str, Chosen]) -> str:
    primitive = PRIMITIVES.get(leaf.primitive)
    subject = wording.spoken(leaf.primitive)
    unit = primitive.unit if primitive is not None else ""
    per = _PER[leaf.scope]
    named = _set_of(leaf, chosen)
    if named is not None:
        which = "none" if leaf.params["negate"] else "one"
        return f"{wording.stands(subject + per)} {which} of the {named}"
    return _SAID.get(leaf.strategy, _any_strategy)(subject, per, unit, leaf.params)


def _threshold(subject: str, per: str, unit: str, params: Mapping[str, Any]) -> str:
    value = wording.amount(params["value"], unit)
    return f"{wording.stands(subject + per)} {params['direction']} {value}"


def _percentile(subject: str, per: str, _: str, params: Mapping[str, Any]) -> str:
    return (
        f"{wording.stands(subject + per)} in the {params['direction']} "
        f"{wording.plain(params['value'])} % of {wording.period(params['window'])}"
    )


def _z_score(subject: str, per: str, _: str, params: Mapping[str, Any]) -> str:
    side = "from" if params["direction"] == "any" else params["direction"]
    return (
        f"{wording.stands(subject + per)} more than {wording.plain(params['threshold'])} standard "
        f"deviations {side} the mean of {wording.period(params['window'])}"
    )


def _change(subject: str, per: str, _: str, params: Mapping[str, Any]) -> str:
    moves = _MOVES[params["direction"]]
    verb = moves if wording.stands(subject).endswith(" are") else f"{moves}s"
    return (
        f"{subject}{per} {verb} by more than {wording.amount(params['value'], 'ratio')} within "
        f"{wording.period(params['window'])}"
    )


def _equals(subject: str, per: str, _: str, params: Mapping[str, Any]) -> str:
    values = ", ".join(wording.quoted(value) for value in params["values"])
    one = len(params["values"]) == 1
    negated = ("not " if one else "none of ") if params["negate"] else ("" if one else "one of ")
    return f"{wording.stands(subject + per)} {negated}{values}"


def _set_of(leaf: Leaf, chosen: Mapping[str, Chosen]) -> str | None:
    """The size and name of the set that the values are, where there are many; None: say them."""
    values, each = leaf.params.get("values"), chosen.get("values")
    if not isinstance(values, tuple) or len(values) <= MOST_SAID or each is None:
        return None
    _, found, named = each.why.partition(SET)
    return f"{len(values)} {wording.text(named)}" if found else None


def _any_strategy(subject: str, per: str, _: str, params: Mapping[str, Any]) -> str:
    listed = ", ".join(f"{name} {params[name]}" for name in sorted(params))
    return f"{wording.stands(subject + per)} judged with {listed}"


_SAID: Final = {
    "threshold": _threshold,
    "percentile": _percentile,
    "z_score": _z_score,
    "change": _change,
    "equals": _equals,
}
