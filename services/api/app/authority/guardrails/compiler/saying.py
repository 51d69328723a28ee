"""A compiled rule said back in plain words, with its numbers and where they come from. Pure."""

from collections.abc import Mapping
from typing import Any, Final

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
    Source,
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
_MOVES: Final = {"increase": "rise", "decrease": "fall", "any": "change"}


def sentence(resolution: Resolution) -> str:
    """``Block load and pull when model format is none of gguf, safetensors.``"""
    chosen = {
        trace.path: {each.name: each for each in trace.parameters}
        for trace in resolution.trace.clauses
    }
    intent = resolution.intent
    said = _condition(resolution.condition, "when", chosen)
    acts = _listed([point.value for point in intent.points if point is not Point.TICK])
    if not acts:
        return f"{_DOES[intent.action]} when {said}."
    at = f"at {acts}" if intent.action is Action.ALERT else acts
    return f"{_DOES[intent.action]} {at} when {said}."


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
    subject = leaf.primitive.replace("_", " ")
    unit = primitive.unit if primitive is not None else ""
    said = _SAID.get(leaf.strategy, _any_strategy)(subject, _PER[leaf.scope], unit, leaf.params)
    return f"{said}{_source(chosen)}"


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
    values = ", ".join(wording.text(value) for value in params["values"])
    one = len(params["values"]) == 1
    negated = ("not " if one else "none of ") if params["negate"] else ("" if one else "one of ")
    return f"{wording.stands(subject + per)} {negated}{values}"


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


def _source(chosen: Mapping[str, Chosen]) -> str:
    """Where the numbers come from: the intent, or a key of the document."""
    found = []
    for name in ("value", "threshold", "window"):
        each = chosen.get(name)
        if each is not None and each.source is not Source.USER_EXPLICIT:
            found.append(f"{name}: {each.why}")
    return f" ({'; '.join(found)})" if found else ""
