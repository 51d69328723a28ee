"""Readings as a decision takes them and as a record keeps them. Pure."""

from math import isfinite
from typing import Any, Final

from app.authority.guardrails.strategies.base import Reading, Reason
from app.authority.guardrails.verdicts import CannotRead, why

NULL: Final = Reading(None, Reason.NULL_INPUT)
_LARGEST: Final = 2**63 - 1


def usable(given: object, series: str) -> Reading | str:
    """Return what was read as a record can hold it, or why it cannot be decided with.

    A number that is none (NaN, an infinity) is null; None is nothing read at all.
    """
    if not isinstance(given, Reading):
        return _unread(given, series)
    value = given.value
    if value is None:
        return given if given.reason is not None else NULL
    if isinstance(value, str):
        return given if value.isascii() else Reading(_utf8(value), given.reason)
    if isinstance(value, float) and not isfinite(value):
        return NULL
    if not isinstance(value, bool | int | float):
        return f"{series} was read as a {type(value).__name__}"
    if abs(value) > _LARGEST and isinstance(value, int):
        return f"{series} is a number of more than 64 bits"
    return given


def kept(reading: Reading | str) -> Any:
    """Return what a record keeps of a reading, or of why there is none."""
    if isinstance(reading, str):
        return {"error": reading}
    return reading.value if reading.reason is None else [reading.value, reading.reason]


def again(said: Any) -> Reading | CannotRead:
    """Return the reading that a record kept. Raises ValueError, KeyError for what is none."""
    match said:
        case {"error": str(text)}:
            return CannotRead(text)
        case [value, reason]:
            return Reading(value, Reason(reason))
        case dict() | list():
            raise ValueError(f"{said} is no reading")
    return Reading(said)


def _unread(given: object, series: str) -> str:
    if isinstance(given, Exception):
        return why(given)
    if given is None:
        return f"nothing was read of {series}"
    return f"what was read of {series} is a {type(given).__name__} and no reading"


def _utf8(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
