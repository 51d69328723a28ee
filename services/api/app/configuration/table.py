"""Every setting as a row: what it means, what it may be, its default, and when a change counts."""

from dataclasses import dataclass
from typing import Any, Final

from app.configuration.reloading import is_reloaded
from app.configuration.schema import Schema, schema

RELOAD: Final = "reload"
RESTART: Final = "restart"


@dataclass(frozen=True, slots=True)
class Row:
    """`default` is a plain value; `may_be` says the kind in words, `bounds` how much of it."""

    name: str
    meaning: str
    may_be: str
    bounds: str
    default: Any
    counts_after: str


@dataclass(frozen=True, slots=True)
class Part:
    """A section of the file, or what stands outside of all (`name` is "")."""

    name: str
    about: str
    rows: tuple[Row, ...]


def parts() -> tuple[Part, ...]:
    """Sections and single settings in the order of the template."""
    made = schema()
    found: list[Part] = []
    for name, told in made["properties"].items():
        section = _section(told, made)
        if section is not None:
            rows = tuple(_row(f"{name}.{key}", of) for key, of in section["properties"].items())
            found.append(Part(name, section["description"], rows))
        else:
            found.append(Part("", "", (_row(name, told),)))
    return tuple(found)


def nested(of: str, definition: str) -> tuple[Row, ...]:
    """What an entry of the setting `of` holds, a list or mapping of sections."""
    made = schema()["$defs"][definition]
    return tuple(_row(name, told, within=of) for name, told in made["properties"].items())


def _section(told: Schema, made: Schema) -> Schema | None:
    at = told.get("$ref", "")
    return made["$defs"][at.rsplit("/", 1)[-1]] if at else None


def _row(name: str, told: Schema, *, within: str = "") -> Row:
    return Row(
        name=name,
        meaning=told["description"],
        may_be=_may_be(told),
        bounds=_bounds(told),
        default=told.get("default"),
        counts_after=RELOAD if is_reloaded(within or name) else RESTART,
    )


def _may_be(told: Schema) -> str:
    if "const" in told:
        return str(told["const"])
    if "enum" in told:
        return ", ".join(told["enum"])
    if "anyOf" in told:
        return " or ".join(_may_be(one) for one in told["anyOf"])
    words = {
        "integer": "whole number",
        "number": "number",
        "boolean": "true or false",
        "string": "path" if told.get("format") == "path" else "text",
        "array": "list",
        "object": "names with values",
        "null": "null",
    }
    return words[told.get("type", "object")]


def _bounds(told: Schema) -> str:
    least, most = told.get("minimum"), told.get("maximum")
    above = told.get("exclusiveMinimum")
    if above is not None:
        return f"more than {above:g}, at most {most:.10g}"
    if least is not None and most is not None:
        return f"{least:.10g} to {most:.10g}"
    if least is not None:
        return f"{least:.10g} or more"
    entries = told.get("maxItems", told.get("maxProperties"))
    return f"at most {entries}" if entries else ""
