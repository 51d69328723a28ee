"""config/guardrails.schema.json: what editors know of guardrails documents, from the model's types.

Names come from the registries, sentences from the docstrings: a field is described by what its
class says after the field's name in backquotes and a colon.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from app.authority.guardrails.document.shape import ADAPTER
from app.authority.guardrails.primitives import PRIMITIVES, Primitive
from app.authority.guardrails.strategies.base import Signature
from app.authority.guardrails.strategies.registry import COMPATIBLE, STRATEGIES
from app.authority.guardrails.values import ValueType

Schema = dict[str, Any]

_TITLE = "LMX Authority: guardrails"
_WINDOW = {
    "type": "string",
    "pattern": "^[1-9][0-9]{0,6}[smhd]$",
    "examples": ["15m", "24h", "30d"],
}
_PHRASE = {"maxLength": 80, "pattern": "^[^\\s_/]+( [^\\s_/]+)*$"}


def page() -> str:
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> Schema:
    made = _without_titles(ADAPTER.json_schema())
    sections: dict[str, Schema] = {**made["$defs"], "Document": made}
    for section in sections.values():
        _describe(section)
    _name_things(sections)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": _TITLE,
        **made,
    }


def _without_titles(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {
            key: each for key, each in value.items() if key != "title" or isinstance(each, dict)
        }
        return {key: _without_titles(each) for key, each in kept.items()}
    return [_without_titles(each) for each in value] if isinstance(value, list) else value


def _describe(section: Schema) -> None:
    said = " ".join(section.get("description", "").split())
    section["description"] = said
    for name, field in section.get("properties", {}).items():
        found = re.search(rf"`{name}`: (.*?)(?= `\w+`: |$)", said)
        if found:
            field["description"] = found[1]


def _name_things(sections: Mapping[str, Schema]) -> None:
    names = {"enum": sorted(STRATEGIES)}
    single = {"enum": sorted(set(STRATEGIES) - COMPATIBLE[ValueType.DECISION])}
    strategies = {name: each.signature for name, each in sorted(STRATEGIES.items())}
    document = sections["Document"]["properties"]
    setting = document["strategies"].pop("additionalProperties")
    document["strategies"] |= _closed(
        {name: setting | {"description": each.meaning} for name, each in strategies.items()}
    )
    document["type_compatibility"] |= _closed(
        {kind.value: _names(sorted(COMPATIBLE[kind])) for kind in ValueType if COMPATIBLE[kind]}
    )
    document["parameters"] |= _closed(
        {name: _bounds(each) for name, each in strategies.items() if _numbers(each)}
    )
    guide = document["primitives"].pop("additionalProperties")
    document["primitives"] |= _closed(
        {name: guide | {"description": _about(each)} for name, each in PRIMITIVES.items()}
    )
    document["bias_rules"] |= {
        "propertyNames": _PHRASE,
        "additionalProperties": {"type": "integer", "minimum": -2, "maximum": 2},
    }
    document["mappings"]["propertyNames"] = _PHRASE
    for section in ("PrimitiveGuide", "ApplicationContext", "Preferences"):
        for field in {"preferred", "discouraged"} & sections[section]["properties"].keys():
            sections[section]["properties"][field] |= _names(single["enum"])
    for section in ("PrimitiveGuide", "Defaults"):
        fields = sections[section]["properties"]
        for field in {"bounds", "priors", "windows"} & fields.keys():
            fields[field]["propertyNames"] = names
        fields["windows"]["additionalProperties"] = _WINDOW
    sections["PrimitiveGuide"]["properties"]["terms"]["propertyNames"] = _PHRASE
    sections["PrimitiveGuide"]["properties"]["words"] |= {"minItems": 1, "uniqueItems": True}
    sections["Words"]["properties"]["words"] |= {"minItems": 1, "uniqueItems": True}
    sections["Mapped"]["properties"]["strategy"] |= single
    sections["Mapped"]["properties"]["primitive"] |= {"enum": [*sorted(PRIMITIVES), None]}
    sections["Preferences"]["properties"]["default"] |= single
    limits = sections["Constraints"]["properties"]
    limits["disallowed_strategies"] |= _names(names["enum"])
    limits["disallowed_primitives"] |= _names(sorted(PRIMITIVES))
    limits["minimum_versions"]["propertyNames"] = names
    limits["max_conditions"] |= {"minimum": 1, "maximum": 100}
    sections["Domain"]["properties"]["sets"]["propertyNames"] = {
        "pattern": "^[a-z][a-z0-9_]{0,63}$"
    }


def _closed(properties: Mapping[str, Schema]) -> Schema:
    return {"properties": dict(properties), "additionalProperties": False}


def _names(allowed: Iterable[str]) -> Schema:
    return {
        "type": "array",
        "items": {"type": "string", "enum": list(allowed)},
        "uniqueItems": True,
    }


def _numbers(signature: Signature) -> list[str]:
    return [n for n, each in signature.parameters.items() if each.type in {"number", "duration"}]


def _bounds(signature: Signature) -> Schema:
    bounds = {
        name: {"$ref": "#/$defs/Bounds", "description": signature.parameters[name].meaning}
        for name in _numbers(signature)
    }
    return {"type": "object", **_closed(bounds)}


def _about(primitive: Primitive) -> str:
    unit = f", {primitive.unit}" if primitive.unit else ""
    points = ", ".join(point.value for point in primitive.points)
    return f"{primitive.meaning} {primitive.type.value}{unit}; read at: {points}."
