"""A definition given as structure, by a person or an advisor, as an intent. Pure.

    {"action": "block", "points": ["load"], "when": {"primitive": "model_format", "term": "..."}}

Strategy and parameters that are named are explicit. An unknown key is an error: nothing is passed
over.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar

from app.authority.guardrails.compiler.findings import echo, unclear
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.values import (
    Action,
    Clause,
    Combined,
    Expression,
    Intent,
    Operator,
    Parameters,
    Point,
    Reference,
    Scope,
    Value,
)

DEEPEST: Final = 8
MOST_PARTS: Final = 64
LONGEST_TEXT: Final = 200
LARGEST: Final = 10**18
_OPERATORS: Final = {"all": Operator.AND, "any": Operator.OR, "not": Operator.NOT}
_INTENT: Final = ("action", "points", "when")
_CLAUSE: Final = ("primitive", "strategy", "params", "scope", "severity", "term", "mapping")
_REFERENCE: Final = ("condition", "version")

Named = TypeVar("Named", Action, Point, Scope)


def intent_of(given: Mapping[str, Any], guardrails: Guardrails) -> Intent:
    """The intent that `given` says; what its names stand for is looked up when it is resolved.

    Raises:
        IntentUnclear: it is no definition: a key is unknown or missing, a value of another type.
    """
    _only(given, _INTENT, "the definition")
    action = _name(_required(given, "action", "action"), Action, "action")
    points = tuple(
        _name(each, Point, "points") for each in _list(given.get("points", ()), "points")
    )
    when = _Parts(guardrails).expression(_required(given, "when", "when"), "when", 0)
    return Intent(
        text="",
        action=action,
        points=tuple(point for point in Point if point in points),
        when=when,
    )


class _Parts:
    """Counts what it makes, so that no definition is endless."""

    def __init__(self, guardrails: Guardrails) -> None:
        self._names = sorted(guardrails.document.primitives)
        self._count = 0

    def expression(self, given: Any, where: str, depth: int) -> Expression:
        self._count += 1
        if depth > DEEPEST or self._count > MOST_PARTS:
            raise unclear(
                f"What is meant, with at most {MOST_PARTS} parts, {DEEPEST} deep?", where=where
            )
        if not isinstance(given, Mapping):
            raise _not_a("mapping", where)
        joined = [key for key in _OPERATORS if key in given]
        if joined:
            return self._combined(given, joined[0], where, depth)
        if "condition" in given:
            _only(given, _REFERENCE, where)
            version = _required(given, "version", where)
            if type(version) is not int or not 1 <= version <= LARGEST:
                raise _not_a("whole number of 1 or more", f"{where}.version")
            return Reference(_text(given["condition"], f"{where}.condition"), version)
        return self._clause(given, where)

    def _combined(self, given: Mapping[str, Any], key: str, where: str, depth: int) -> Combined:
        _only(given, (key,), where)
        operator = _OPERATORS[key]
        parts = (given[key],) if operator is Operator.NOT else _list(given[key], f"{where}.{key}")
        operands = tuple(
            self.expression(part, f"{where}.{place}", depth + 1) for place, part in enumerate(parts)
        )
        return Combined(operator, operands)

    def _clause(self, given: Mapping[str, Any], where: str) -> Clause:
        _only(given, _CLAUSE, where)
        primitive = _text(_required(given, "primitive", where, self._names), f"{where}.primitive")
        severity = _list(given.get("severity", ()), f"{where}.severity")
        return Clause(
            primitive=primitive,
            scope=_name(given.get("scope", "all"), Scope, f"{where}.scope"),
            strategy=_optional(given, "strategy", where),
            params=_params(given.get("params", {}), f"{where}.params"),
            severity=tuple(_phrase(each, f"{where}.severity") for each in severity),
            mapping=_lower(_optional(given, "mapping", where)),
            term=_lower(_optional(given, "term", where)),
        )


def _only(given: Any, allowed: tuple[str, ...], where: str) -> None:
    if not isinstance(given, Mapping):
        raise _not_a("mapping", where)
    for key in given:
        if key not in allowed:
            raise unclear(f"What is {echo(str(key))}?", where=where, choices=allowed)


def _required(given: Mapping[str, Any], key: str, where: str, choices: Sequence[str] = ()) -> Any:
    if key not in given:
        raise unclear(f"Which {key}? It is missing.", where=where, choices=choices)
    return given[key]


def _name(value: Any, kind: type[Named], where: str) -> Named:
    for member in kind:
        if value == member.value and isinstance(value, str):
            return member
    raise unclear(f"Which {kind.__name__.lower()}?", where=where, choices=[m.value for m in kind])


def _list(value: Any, where: str) -> Sequence[Any]:
    if isinstance(value, list | tuple) and len(value) <= MOST_PARTS:
        return value
    raise _not_a(f"list of at most {MOST_PARTS}", where)


def _text(value: Any, where: str) -> str:
    if isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT:
        return value
    raise _not_a(f"text of 1 to {LONGEST_TEXT} characters", where)


def _optional(given: Mapping[str, Any], key: str, where: str) -> str | None:
    return None if given.get(key) is None else _text(given[key], f"{where}.{key}")


def _phrase(value: Any, where: str) -> str:
    return " ".join(_text(value, where).lower().split())


def _lower(value: str | None) -> str | None:
    return None if value is None else " ".join(value.lower().split())


def _params(given: Any, where: str) -> Parameters:
    if not isinstance(given, Mapping) or len(given) > MOST_PARTS:
        raise _not_a("mapping", where)
    return {_text(key, where): _value(given[key], f"{where}.{key}") for key in given}


def _value(value: Any, where: str) -> Value:
    if isinstance(value, list | tuple):
        return tuple(_text(each, where) for each in _list(value, where))
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, where)
    if isinstance(value, int | float) and abs(value) <= LARGEST:  # which NaN is not
        return value
    raise _not_a("number, a text, true or false, or a list of texts", where)


def _not_a(wanted: str, where: str) -> Exception:
    return unclear(f"What is meant by {where}? It is to be a {wanted}.", where=where)
