"""Definitions as bytes, to the last letter and back: what is stored, hashed and shown. Pure.

The bytes are RFC 8785 JSON, so definitions that are equal have equal bytes: a number comes back as
what it is worth (1.0 as 1), everything else as it was. What is read back was checked before it was
stored; bytes of another shape raise `ValueError`.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

import orjson

from app.authority.guardrails.normal import LARGEST, normal, to_json
from app.authority.guardrails.values import (
    Action,
    Candidate,
    Chosen,
    Clause,
    ClauseTrace,
    Combined,
    Composite,
    Condition,
    Definition,
    Expression,
    Intent,
    Leaf,
    Operator,
    Parameters,
    Point,
    Reference,
    Resolution,
    Scope,
    Severity,
    Source,
    Tier,
    Trace,
    Value,
)

Made = TypeVar("Made")

FORM: Final = 1
"""Number of the shape of the bytes."""


def to_bytes(definition: Definition) -> bytes:
    """Return everything that the definition holds, its trace too."""
    return to_json(normal({"v": FORM, **definition_json(definition)}))


def from_bytes(content: bytes) -> Definition:
    """Return the definition whose bytes these are.

    Raises ValueError, naming what is wrong, where they are no definition's.
    """
    try:
        body = orjson.loads(content)
        if body["v"] != FORM:
            raise ValueError(f"its shape has the number {body['v']}, and {FORM} is known")
        return _definition(body)
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        why = f"{type(error).__name__}: {error}"
        raise ValueError(
            f"These bytes are no definition ({why}). Restore the database from a backup."
        ) from error


def definition_json(definition: Definition) -> dict[str, Any]:
    """Return the definition as plain JSON, for people and for programs."""
    resolution = definition.resolution
    return {
        "id": definition.id,
        "version": definition.version,
        "ir_hash": definition.ir_hash,
        "binding_hash": definition.binding_hash,
        "guardrails": resolution.guardrails,
        "intent": intent_json(resolution.intent),
        "condition": condition_json(resolution.condition),
        "trace": trace_json(resolution.trace),
    }


def intent_json(intent: Intent) -> dict[str, Any]:
    return {
        "text": intent.text,
        "action": str(intent.action),
        "points": [str(point) for point in intent.points],
        "when": expression_json(intent.when),
    }


def expression_json(expression: Expression) -> dict[str, Any]:
    match expression:
        case Clause():
            said = {
                "primitive": expression.primitive,
                "scope": str(expression.scope),
                "strategy": expression.strategy,
                "params": _params_json(expression.params),
                "severity": list(expression.severity),
                "mapping": expression.mapping,
                "term": expression.term,
            }
            return said | _implied_json(expression.implied_by)
        case Combined(operator, operands):
            return {"operator": str(operator), "operands": [expression_json(o) for o in operands]}
        case Reference(id, version):
            return {"condition": id, "version": version}


def condition_json(condition: Condition) -> dict[str, Any]:
    match condition:
        case Leaf():
            return {
                "primitive": condition.primitive,
                "primitive_version": condition.primitive_version,
                "scope": str(condition.scope),
                "strategy": condition.strategy,
                "strategy_version": condition.strategy_version,
                "params": _params_json(condition.params),
            }
        case Composite(operator, operands, version):
            return {
                "operator": str(operator),
                "operands": [condition_json(o) for o in operands],
                "version": version,
            }
        case Reference(id, version):
            return {"condition": id, "version": version}


def trace_json(trace: Trace) -> dict[str, Any]:
    return {
        "clauses": [
            {
                "path": clause.path,
                "candidates": [
                    {
                        "source": str(candidate.source),
                        "strategy": candidate.strategy,
                        "won": candidate.won,
                        "why": candidate.why,
                    }
                    for candidate in clause.candidates
                ],
                "severity": {
                    "words": list(clause.severity.words),
                    "said": str(clause.severity.said),
                    "shifts": dict(clause.severity.shifts),
                    "bias": clause.severity.bias,
                    "tier": str(clause.severity.tier),
                },
                "parameters": [
                    {
                        "name": chosen.name,
                        "value": _value_json(chosen.value),
                        "source": str(chosen.source),
                        "why": chosen.why,
                    }
                    for chosen in clause.parameters
                ],
                **_implied_json(clause.implied_by),
            }
            for clause in trace.clauses
        ],
        "reads": sorted(trace.reads),
        "words": trace.words,
    }


def _implied_json(implied_by: str | None) -> dict[str, Any]:
    """Nothing where the intent names what is watched: most do, and older definitions have none."""
    return {} if implied_by is None else {"implied_by": implied_by}


def _value_json(value: Value) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _params_json(params: Parameters) -> dict[str, Any]:
    return {name: _value_json(value) for name, value in params.items()}


# --- and back -------------------------------------------------------------------------------


def _definition(body: Mapping[str, Any]) -> Definition:
    return Definition(
        id=body["id"],
        version=body["version"],
        resolution=Resolution(
            intent=_intent(body["intent"]),
            condition=_condition(body["condition"]),
            trace=_trace(body["trace"]),
            guardrails=body["guardrails"],
        ),
        ir_hash=body["ir_hash"],
        binding_hash=body["binding_hash"],
    )


def _intent(body: Mapping[str, Any]) -> Intent:
    return Intent(
        text=body["text"],
        action=Action(body["action"]),
        points=tuple(map(Point, body["points"])),
        when=_expression(body["when"]),
    )


def _expression(body: Mapping[str, Any]) -> Expression:
    if "condition" in body:
        return Reference(body["condition"], body["version"])
    if "operator" in body:
        return Combined(Operator(body["operator"]), _each(_expression, body["operands"]))
    return Clause(
        primitive=body["primitive"],
        scope=Scope(body["scope"]),
        strategy=body["strategy"],
        params=_params(body["params"]),
        severity=tuple(body["severity"]),
        mapping=body["mapping"],
        term=body["term"],
        implied_by=body.get("implied_by"),
    )


def _condition(body: Mapping[str, Any]) -> Condition:
    if "condition" in body:
        return Reference(body["condition"], body["version"])
    if "operator" in body:
        operands = _each(_condition, body["operands"])
        return Composite(Operator(body["operator"]), operands, body["version"])
    return Leaf(
        primitive=body["primitive"],
        primitive_version=body["primitive_version"],
        scope=Scope(body["scope"]),
        strategy=body["strategy"],
        strategy_version=body["strategy_version"],
        params=_params(body["params"]),
    )


def _trace(body: Mapping[str, Any]) -> Trace:
    return Trace(
        clauses=_each(_clause_trace, body["clauses"]),
        reads=frozenset(body["reads"]),
        words=body["words"],
    )


def _clause_trace(body: Mapping[str, Any]) -> ClauseTrace:
    severity = body["severity"]
    return ClauseTrace(
        path=body["path"],
        candidates=tuple(
            Candidate(Source(c["source"]), c["strategy"], c["won"], c["why"])
            for c in body["candidates"]
        ),
        severity=Severity(
            words=tuple(severity["words"]),
            said=Tier(severity["said"]),
            shifts=severity["shifts"],
            bias=severity["bias"],
            tier=Tier(severity["tier"]),
        ),
        parameters=tuple(
            Chosen(p["name"], _value(p["value"]), Source(p["source"]), p["why"])
            for p in body["parameters"]
        ),
        implied_by=body.get("implied_by"),
    )


def _each(make: Callable[[Mapping[str, Any]], Made], bodies: list[Any]) -> tuple[Made, ...]:
    return tuple(make(body) for body in bodies)


def _value(value: Any) -> Value:
    if isinstance(value, int) and abs(value) > LARGEST:
        return float(value)  # JSON writes a whole double without a point
    return tuple(value) if isinstance(value, list) else value


def _params(body: Mapping[str, Any]) -> Parameters:
    return {name: _value(value) for name, value in body.items()}
