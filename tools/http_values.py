"""A JSON Schema of the OpenAPI in a few words: its type, limits, choices, default and meaning."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

_LIMITS = (
    ("minimum", "from {}"),
    ("exclusiveMinimum", "above {}"),
    ("maximum", "to {}"),
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {}"),
    ("maxItems", "at most {}"),
    ("pattern", "matches `{}`"),
)
_BOUNDLESS = frozenset({2**63 - 1})
"""What a number of the database can hold is no limit that a reader meets."""


def type_of(schema: Mapping[str, Any]) -> str:
    told = ", ".join([_type(schema), *_limits(schema)])
    if schema.get("default") is not None:
        told += f"; default `{_literal(schema['default'])}`"
    if schema.get("description"):
        told += f". {' '.join(str(schema['description']).split())}"
    return told


def _type(schema: Mapping[str, Any]) -> str:
    choices = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if choices:
        said = " or ".join(", ".join([_type(one), *_limits(one)]) for one in choices)
        return said if len(choices) == len(schema["anyOf"]) else f"{said}, or null"
    if "enum" in schema:
        return " or ".join(f"`{_literal(one)}`" for one in schema["enum"])
    if "const" in schema:
        return f"`{_literal(schema['const'])}`"
    if "$ref" in schema:
        return "object"
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return str(kind)


def _limits(schema: Mapping[str, Any]) -> Iterator[str]:
    for name, form in _LIMITS:
        if name in schema and schema[name] not in _BOUNDLESS:
            limit = schema[name]
            whole = isinstance(limit, float) and limit.is_integer()
            yield form.format(int(limit) if whole else limit)


def _literal(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
