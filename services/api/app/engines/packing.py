"""Frozen values to plain JSON and back, by their type hints; what does not fit them is refused.

A dataclass becomes ``[its name, field, ...]``, bytes base64, an enum its value, a tuple a list.
"""

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

Check = Callable[[Any], Any]


class Unfit(ValueError):
    """A value that is not of the kind that was expected."""


def pack(value: Any) -> Any:
    """`value` as JSON can carry it."""
    kind = type(value)
    if kind in (str, int, float, bool, NoneType):
        return value
    if kind is bytes:
        return base64.b64encode(value).decode()
    if isinstance(value, StrEnum):
        return value.value
    if is_dataclass(value):
        return [kind.__name__, *(pack(getattr(value, name)) for name in _names(kind))]
    if isinstance(value, tuple | list):
        return [pack(item) for item in value]
    if isinstance(value, Mapping):
        return {name: pack(item) for name, item in value.items()}
    raise Unfit(f"{kind.__name__} cannot be sent")


def checker(hint: Any) -> Check:
    """What turns plain JSON into a value of type `hint`, or raises `Unfit`."""
    if hint in _SIMPLE:
        return _SIMPLE[hint]
    if is_dataclass(hint):
        return _dataclasses([hint])
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return _enum(hint)
    made = _GENERIC.get(get_origin(hint))
    if made is None:
        raise TypeError(f"no check for {hint}")
    return made(get_args(hint))


def checks_of(kind: type[Any]) -> dict[str, Check]:
    """A check for every field of the dataclass `kind`."""
    return {name: checker(hint) for name, hint in get_type_hints(kind).items()}


def _names(kind: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind))


def _union(parts: tuple[Any, ...]) -> Check:
    rest = [part for part in parts if part is not NoneType]
    check = checker(rest[0]) if len(rest) == 1 else _dataclasses(rest)
    if NoneType not in parts:
        return check
    return lambda value: None if value is None else check(value)


def _dataclasses(kinds: list[Any]) -> Check:
    known = {kind.__name__: (kind, list(checks_of(kind).values())) for kind in kinds}

    def check(value: Any) -> Any:
        if type(value) is not list or not value or type(value[0]) is not str:
            raise Unfit("a named list was expected")
        kind, checks = known.get(value[0], (None, []))
        if kind is None or len(value) != len(checks) + 1:
            raise Unfit(f"one of {', '.join(known)} was expected")
        return kind(*(one(item) for one, item in zip(checks, value[1:], strict=True)))

    return check


def _tuple(parts: tuple[Any, ...]) -> Check:
    if len(parts) == 2 and parts[1] is Ellipsis:
        every = checker(parts[0])
        return lambda value: tuple(every(item) for item in _list(value))
    checks = [checker(part) for part in parts]

    def check(value: Any) -> Any:
        if len(_list(value)) != len(checks):
            raise Unfit(f"{len(checks)} items were expected")
        return tuple(one(item) for one, item in zip(checks, value, strict=True))

    return check


def _enum(kind: type[StrEnum]) -> Check:
    def check(value: Any) -> Any:
        try:
            return kind(_text(value))
        except ValueError as error:
            raise Unfit(f"no {kind.__name__}") from error

    return check


def _whole(value: Any) -> int:
    if type(value) is not int:
        raise Unfit("a whole number was expected")
    return value


def _number(value: Any) -> float:
    if type(value) not in (int, float):
        raise Unfit("a number was expected")
    try:
        number = float(value)
    except OverflowError as error:
        raise Unfit("a finite number was expected") from error
    if not math.isfinite(number):
        raise Unfit("a finite number was expected")
    return number


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise Unfit("true or false was expected")
    return value


def _text(value: Any) -> str:
    if type(value) is not str:
        raise Unfit("text was expected")
    return value


def _bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_text(value), validate=True)
    except (binascii.Error, ValueError) as error:
        raise Unfit("base64 was expected") from error


def _list(value: Any) -> list[Any]:
    if type(value) is not list:
        raise Unfit("a list was expected")
    return value


def _mapping(value: Any) -> dict[str, Any]:
    if type(value) is not dict:
        raise Unfit("an object was expected")
    return value


_GENERIC: Mapping[Any, Callable[[tuple[Any, ...]], Check]] = {
    Union: _union,
    UnionType: _union,
    tuple: _tuple,
    Mapping: lambda _: _mapping,
}
_SIMPLE: Mapping[Any, Check] = {
    int: _whole,
    float: _number,
    bool: _flag,
    str: _text,
    bytes: _bytes,
    Any: lambda value: value,
}
