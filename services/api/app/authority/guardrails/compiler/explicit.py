"""What the intent itself says of a parameter: it stands as it is, or is refused. Pure."""

from math import isfinite
from typing import Final

from app.authority.guardrails.compiler.asked import Asked, out_of_bounds, texts_of
from app.authority.guardrails.compiler.bounds import limits_of
from app.authority.guardrails.strategies.base import Parameter
from app.authority.guardrails.values import Chosen, Source, Value

LONGEST_WINDOW_S: Final = 366 * 86_400


def explicit(asked: Asked, name: str, parameter: Parameter) -> Chosen | None:
    value = asked.clause.params[name]
    wrong = _wrong_type(value, parameter)
    if wrong is not None:
        asked.findings.violated("parameter.type", f"{name} {wrong}", asked.at(name))
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        limits = limits_of(asked.primitive.name, asked.signature, name, asked.lookup)
        if not limits.allow(value):
            out_of_bounds(asked, name, value, limits)
            return None
    if isinstance(value, tuple):
        value = texts_of(asked, name, value)
    return Chosen(name, value, Source.USER_EXPLICIT, "the intent says so")


def _wrong_type(value: Value, parameter: Parameter) -> str | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    match parameter.type:
        case "number":
            fits = is_number and isfinite(value)  # type: ignore[arg-type]
            return None if fits else "is a number"
        case "duration":
            fits = isinstance(value, int) and is_number and 0 < value <= LONGEST_WINDOW_S
            return None if fits else "is a whole number of seconds, from 1 to a year"
        case "boolean":
            return None if isinstance(value, bool) else "is true or false"
        case "choice":
            return None if value in parameter.choices else f"is {' or '.join(parameter.choices)}"
        case "text":
            return None if isinstance(value, str) else "is a text"
        case "texts":
            fits = isinstance(value, tuple) and bool(value)
            return None if fits else "is a list of at least one text"
