"""The only place that reads numbers out of readings and histories. Pure.

Nothing but IEEE operations, `math.fsum` and `math.sqrt` touches them, which every machine rounds
alike. What is not a finite number was not read.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import copysign, isfinite
from sys import float_info
from typing import Any, Final

from app.authority.guardrails.strategies.base import (
    NO_SUMMARY,
    Observation,
    Reading,
    Reason,
    Result,
    Summary,
)
from app.authority.guardrails.values import Parameters, Value

MICROS: Final = 1_000_000
MINIMUM_HISTORY: Final = 20
"""Fewer observations say nothing about what is usual."""

MET: Final = Result(triggered=True)
NO_MATCH: Final = Result(triggered=False, reason=Reason.NO_MATCH)
_new: Final = tuple.__new__
_NOT_READ: Final = {reason: Result(triggered=False, reason=reason) for reason in Reason}


class Timeless:
    """A strategy that looks at what was read alone, and at no history."""

    def reach(self, _params: Parameters, /) -> int:
        return 0

    def summary(self, _history: Sequence[Observation], _params: Parameters, _: int, /) -> Summary:
        return NO_SUMMARY


def not_met(reason: Reason) -> Result:
    return _NOT_READ[reason]


def measured(triggered: bool, measure: float) -> Result:
    """A result with what was found beside the value. Made for every condition at every act."""
    return _new(Result, (triggered, None if triggered else Reason.NO_MATCH, measure))


def number_in(reading: Reading) -> int | float | None:
    """The number that was read; None where there is none. Raises TypeError for anything else.

    Whole numbers stay whole, however large: comparing them with a fraction is exact.
    """
    value, reason = reading
    if reason is not None or value is None:
        return None
    if type(value) is float:
        return value if isfinite(value) else None
    if type(value) is int:
        return value
    raise TypeError(f"{type(value).__name__} is not a number: read a number for this condition")


def float_in(reading: Reading) -> float | None:
    """As `number_in`, for what is added and divided; None where a float cannot hold it."""
    if type(reading.value) is float and reading.reason is None:
        return reading.value if isfinite(reading.value) else None
    value = number_in(reading)
    try:
        return None if value is None else float(value)
    except OverflowError:
        return None


def not_read(reading: Reading) -> Result:
    """What every strategy says of a reading without a value."""
    return _NOT_READ[reading.reason or Reason.NULL_INPUT]


def seconds(window: Value) -> int:
    if type(window) is not int:
        raise TypeError(f"a window is a whole number of seconds, not {window!r}")
    return window


def between(history: Sequence[Observation], since_us: int, before_us: int) -> list[float]:
    """The finite numbers with ``since_us <= at_us < before_us``; `history` is oldest first."""
    first, end = _at(history, since_us), _at(history, before_us)
    return [float(value) for _, value in history[first:end] if isfinite(value)]


def newest(history: Sequence[Observation], since_us: int, until_us: int) -> float | None:
    """The last finite number with ``since_us <= at_us <= until_us``."""
    first, end = _at(history, since_us), _at(history, until_us + 1)
    for index in range(end - 1, first - 1, -1):
        value = history[index].value
        if isfinite(value):
            return float(value)
    return None


def _at(history: Sequence[Any], at_us: int) -> int:
    """Where the first observation at or after `at_us` stands: a 1-tuple sorts before its pairs."""
    return bisect_left(history, (at_us,))


def finite(measure: float) -> float:
    """A measure that JSON can hold: what is beyond every float is the largest one."""
    return measure if isfinite(measure) else copysign(float_info.max, measure)
