"""Readings as a decision takes them and as a record keeps them. Pure."""

from collections.abc import Callable
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
    value: object = given.value
    if value is None:
        return NULL if given.reason is None else given
    for kind, check in _CHECKS:
        if isinstance(value, kind):
            return check(given, value, series)
    return f"{series} was read as a {type(value).__name__}"


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


def _text(given: Reading, value: Any, _series: str) -> Reading:
    if value.isascii():
        return given
    return Reading(value.encode("utf-8", "backslashreplace").decode(), given.reason)


def _float(given: Reading, value: Any, _series: str) -> Reading:
    return given if isfinite(value) else NULL


def _whole(given: Reading, value: Any, series: str) -> Reading | str:
    if abs(value) > _LARGEST:
        return f"{series} is a number of more than 64 bits"
    return given


_CHECKS: Final[tuple[tuple[type, Callable[[Reading, Any, str], Reading | str]], ...]] = (
    (float, _float),
    (int, _whole),
    (str, _text),
)
