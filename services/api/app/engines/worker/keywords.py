"""The keywords of JSON Schema that hold a plain value: what each may say."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from app.engines.worker.patterns import NotExact, of_schema

MAX_PROPERTIES = 500
MAX_COUNT = 1_000_000
MAX_NUMBER = 2**53
TYPES = frozenset(("null", "boolean", "integer", "number", "string", "array", "object"))
FORMATS = frozenset("date-time time date duration email hostname ipv4 ipv6 uuid uri".split())


def _type(value: Any, place: str) -> Any:
    types = value if isinstance(value, list | tuple) else [value]
    if not types or not all(isinstance(one, str) and one in TYPES for one in types):
        raise NotExact(f"{place}: must be one or several of {', '.join(sorted(TYPES))}")
    return list(types) if types is value else value


def _count(value: Any, place: str) -> int:
    if not is_number(value) or value != int(value) or not 0 <= value <= MAX_COUNT:
        raise NotExact(f"{place}: must be a whole number from 0 to {MAX_COUNT}")
    return int(value)


def _bound(value: Any, place: str) -> Any:
    if not is_number(value) or abs(value) > MAX_NUMBER:
        raise NotExact(f"{place}: must be a number between -(2^53) and 2^53")
    return value


def _names(value: Any, place: str) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise NotExact(f"{place}: must be a list of names")
    if len(value) > MAX_PROPERTIES:
        raise NotExact(f"{place}: holds more than {MAX_PROPERTIES} names")
    return list(value)


def pattern_of(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise NotExact(f"{place}: must be a pattern")
    try:
        return of_schema(value)
    except NotExact as error:
        raise NotExact(f"{place}: {error}") from error


def _format(value: Any, place: str) -> str:
    if not isinstance(value, str) or value not in FORMATS:
        raise NotExact(f"{place}: must be one of {', '.join(sorted(FORMATS))}")
    return value


def _draft(value: Any, place: str) -> None:
    if not isinstance(value, str) or "://json-schema.org/" not in value:
        raise NotExact(f"{place}: must be a draft of json-schema.org")


def _at_root(_value: Any, place: str) -> None:
    if place.count("/") > 1:
        raise NotExact(f"{place}: only the whole schema may have an id")


def is_number(value: Any) -> bool:
    if isinstance(value, int):
        return not isinstance(value, bool)
    return isinstance(value, float) and math.isfinite(value)


BOUNDS = frozenset(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"))
SAID_ABOUT: Mapping[str, Callable[[Any, str], None]] = {
    "$schema": _draft,
    "$id": _at_root,
    "id": _at_root,
}
PLAIN: Mapping[str, Callable[[Any, str], Any]] = {
    "type": _type,
    "required": _names,
    "pattern": pattern_of,
    "format": _format,
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _count),
    **dict.fromkeys(("minProperties", "maxProperties"), _count),
    **dict.fromkeys(BOUNDS, _bound),
}
