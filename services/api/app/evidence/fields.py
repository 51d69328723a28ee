"""What a field of an event's data can be: a name, a JSON type and a meaning. Pure.

`schemas` is the table that is made of these.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Final

from app.evidence.vocabulary import Kind


class Type(StrEnum):
    """The JSON types that data uses."""

    TEXT = "text"
    INTEGER = "integer"
    BOOLEAN = "boolean"
    TEXTS = "list of texts"
    OBJECT = "object"


_ACCEPTS: Final[Mapping[Type, tuple[type, ...]]] = {
    Type.TEXT: (str,),
    Type.INTEGER: (int,),
    Type.BOOLEAN: (bool,),
    Type.TEXTS: (list, tuple),
    Type.OBJECT: (Mapping,),
}


class _Never:
    """The type of no value."""


_USUAL: Final[Mapping[Type, type]] = {
    Type.TEXT: str,
    Type.INTEGER: int,
    Type.BOOLEAN: bool,
    Type.TEXTS: _Never,  # its items have to be looked at
    Type.OBJECT: dict,
}


@dataclass(frozen=True, slots=True)
class Field:
    """One name in `data`. `retired`: old events have it, and no new one may."""

    name: str
    type: Type
    meaning: str
    required: bool = True
    retired: bool = False

    def takes(self, value: object) -> bool:
        """Whether `value` has this field's type; a boolean is no integer."""
        if isinstance(value, bool):
            return self.type is Type.BOOLEAN
        if not isinstance(value, _ACCEPTS[self.type]):
            return False
        return self.type is not Type.TEXTS or all(isinstance(item, str) for item in value)  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Schema:
    """What an event of one kind says. `outcomes` is the closed set; empty: it has none."""

    kind: Kind
    meaning: str
    subject: str
    outcomes: tuple[str, ...] = ()
    fields: tuple[Field, ...] = ()
    by_name: Mapping[str, Field] = field(init=False, repr=False, compare=False)
    exact: Mapping[str, type] = field(init=False, repr=False, compare=False)
    required: frozenset[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        living = {known.name: known for known in self.fields if not known.retired}
        required = frozenset(known.name for known in living.values() if known.required)
        object.__setattr__(self, "by_name", living)
        object.__setattr__(self, "exact", {name: _USUAL[f.type] for name, f in living.items()})
        object.__setattr__(self, "required", required)


class InvalidData(ValueError):
    """An event's data or outcome that its kind does not have: a bug where it was made."""


def text(name: str, meaning: str) -> Field:
    return Field(name, Type.TEXT, meaning)


def integer(name: str, meaning: str) -> Field:
    return Field(name, Type.INTEGER, meaning)


def boolean(name: str, meaning: str) -> Field:
    return Field(name, Type.BOOLEAN, meaning)


def texts(name: str, meaning: str) -> Field:
    return Field(name, Type.TEXTS, meaning)


def obj(name: str, meaning: str) -> Field:
    return Field(name, Type.OBJECT, meaning)


def maybe(known: Field) -> Field:
    return replace(known, required=False)


def retired(known: Field) -> Field:
    return replace(known, required=False, retired=True)


def schema(
    kind: Kind, meaning: str, subject: str, *fields: Field, outcomes: tuple[str, ...] = ()
) -> Schema:
    return Schema(kind, meaning, subject, outcomes, fields)


def by_kind(schemas: Iterable[Schema]) -> Mapping[Kind, Schema]:
    return {schema.kind: schema for schema in schemas}


def check(schema: Schema, data: Mapping[str, Any]) -> None:
    """Raise InvalidData for a field that is unknown, missing or of another type."""
    exact = schema.exact
    for name, value in data.items():  # on the path of every append: one look-up a field
        if type(value) is not exact.get(name):
            _look_closer(schema, name, value)
    if not schema.required <= data.keys():
        missing = ", ".join(sorted(schema.required - data.keys()))
        raise InvalidData(f"a {schema.kind} event needs also: {missing}")


def _look_closer(schema: Schema, name: str, value: object) -> None:
    found = schema.by_name.get(name)
    if found is None:
        raise InvalidData(_unknown(schema, name))
    if not found.takes(value):
        raise InvalidData(
            f"{schema.kind}.{name} is a {type(value).__name__}; it has to be: {found.type}"
        )


def _unknown(schema: Schema, name: object) -> str:
    if any(known.name == name for known in schema.fields):
        return f"{schema.kind}.{name} is retired: only events of earlier releases have it"
    names = ", ".join(sorted(schema.by_name)) or "no field"
    return f"a {schema.kind} event has no field {name!r}; it has {names}"
