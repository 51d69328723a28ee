"""The normal form of values before they are hashed: one value, one spelling. Pure.

JSON as RFC 8785 writes it. A number is what it is worth, however it was written: 1, 1.0 and
Decimal("1.00") are `1`; -0.0 is `0`; any other is the shortest text that reads back as the same
double. True is no number. Refused are NaN, infinities, whole numbers that a double does not hold
(beyond 2**53 - 1), text that is no Unicode, and whatever is no JSON.
"""

import hashlib
from collections.abc import Mapping
from decimal import Decimal
from math import isfinite
from typing import Any, Final

import orjson
import rfc8785

from app.domain.refusals import GuardrailsInvalid

LARGEST: Final = 2**53 - 1
"""Every whole number up to here is a double of its own."""

_SMALLEST: Final = 1e-4
_LARGE: Final = 1e15
"""Fractions between these are written without an exponent by everybody."""


def normal(value: object, path: str = "") -> Any:
    """Return `value` as JSON with one spelling for each value; lists become lists, keys stay.

    Raises GuardrailsInvalid, naming `path`, for what has no such spelling.
    """
    match value:
        case None | bool():
            return value
        case str():
            return _text(str(value), path)
        case int():
            return _whole(int(value), path)
        case float() | Decimal():
            return _number(value, path)
        case Mapping():
            return {_key(k, path): normal(v, f"{path}/{k}") for k, v in value.items()}
        case list() | tuple():
            return [normal(item, f"{path}/{i}") for i, item in enumerate(value)]
    raise _refused(path, f"a {type(value).__name__} is no JSON", "Use a list, a text or a number.")


def in_order(value: Any) -> Any:
    """Return the normal `value` with every list in it sorted, at any depth.

    Order: null, false, true, numbers by worth, texts by code point, lists and objects by their
    JSON.
    """
    match value:
        case dict():
            return {key: in_order(item) for key, item in value.items()}
        case list():
            return sorted((in_order(item) for item in value), key=_rank)
    return value


def to_json(value: Any) -> bytes:
    """Return the RFC 8785 form of a normal value: keys sorted, nothing between tokens."""
    if _is_plain(value):
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)  # the same bytes, much sooner
    return rfc8785.dumps(value)


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _is_plain(value: Any) -> bool:
    """Whether both writers spell it alike: they differ in long fractions and in other keys."""
    match value:
        case None | bool() | str():
            return True
        case int():
            return abs(value) <= LARGEST
        case float():
            return _SMALLEST <= abs(value) < _LARGE
        case list():
            return all(map(_is_plain, value))
        case dict():
            keys = all(isinstance(key, str) and key.isascii() for key in value)
            return keys and all(map(_is_plain, value.values()))
    return False


def _rank(value: Any) -> tuple[int, Any]:
    match value:
        case None:
            return (0, 0)
        case bool():
            return (1, value)
        case int() | float():
            return (2, value)
        case str():
            return (3, value)
    return (4, to_json(value))


def _number(value: float | Decimal, path: str) -> int | float:
    if not (value.is_finite() if isinstance(value, Decimal) else isfinite(value)):
        raise _refused(path, f"{value} is no number to decide with", "Write a finite one.")
    whole = value == value.to_integral_value() if isinstance(value, Decimal) else value % 1 == 0
    if isinstance(value, Decimal) and whole and abs(value) > LARGEST:
        return _whole(int(value), path)
    found = float(value)
    if not isfinite(found):
        raise _refused(path, f"{value} is beyond every double", "Write a smaller one.")
    return int(found) if found % 1 == 0 and abs(found) <= LARGEST else found


def _whole(value: int, path: str) -> int:
    if abs(value) > LARGEST:
        raise _refused(
            path,
            "a whole number beyond 2**53 - 1 is not the same on every machine",
            "Write a smaller one, or a text.",
        )
    return value


def _text(value: str, path: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise _refused(path, "a text has half a character", "Write it as UTF-8.") from None
    return value


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise _refused(path, f"the key {key!r} is no text", "Put it in quotes.")
    return _text(str(key), path)


def _refused(path: str, why: str, instead: str) -> GuardrailsInvalid:
    where = path or "/"
    message = f"At {where}, {why}. {instead}"
    return GuardrailsInvalid(
        message, details={"errors": [{"line": 0, "column": 0, "path": where, "message": message}]}
    )
