"""The only place that puts what strategies found into words: numbers with units, windows. Pure."""

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from app.authority.guardrails.strategies.base import Reading, Reason, Result
from app.authority.guardrails.values import Scalar, Value

LONGEST: Final = 80
MOST_LISTED: Final = 6
_POWERS: Final = ((10**15, "PB"), (10**12, "TB"), (10**9, "GB"), (10**6, "MB"), (10**3, "kB"))
_PERIODS: Final = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))
_DECIMALS: Final = (1, 3, 6, 9)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/:@+-]*", re.ASCII)


def amount(value: Scalar | None, unit: str, decimals: int = 1) -> str:
    """One value with its unit: ``20.0 GB``, ``41.5 %``, ``3 per hour``, ``0.25 seconds``."""
    if value is None:
        return "not known"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return quoted(value)
    if unit == "bytes":
        return _bytes(value, decimals)
    if unit == "ratio":
        return f"{plain(value * 100, decimals)} %"
    return counted(plain(value, max(decimals, 2)), unit)


def apart(value: Scalar, limit: Scalar, unit: str) -> tuple[str, str]:
    """Both in words, with as many decimals as it takes to tell them apart.

    ``90.04 %, above 90 %``: never "90 %, above 90 %".
    """
    for decimals in _DECIMALS if value != limit else ():
        pair = amount(value, unit, decimals), amount(limit, unit, decimals)
        if pair[0] != pair[1]:
            return pair
    equal = amount(value, unit), amount(limit, unit)
    return equal if value == limit else (_exact(value, unit), _exact(limit, unit))


def plain(value: float, decimals: int = 2) -> str:
    """A number for people: ``1,234``, ``0.25``, ``1e+30``; no needless zeros."""
    if value and not 1e-4 <= abs(value) < 10**18:
        return f"{Decimal(value):.{decimals + 2}g}"
    if isinstance(value, int) or value.is_integer():
        return f"{int(value):,}"
    places = decimals if abs(value) >= 1 else decimals + 2
    return f"{value:,.{places}f}".rstrip("0").rstrip(".")


def counted(number: str, unit: str) -> str:
    """``1 request``, ``2 requests``, ``1 token per second``, ``3 per hour``, ``7``."""
    first, _, rest = spoken(unit).partition(" ")
    if number == "1" and first.endswith("s"):
        first = first[:-1]
    return " ".join(part for part in (number, first, rest) if part)


def period(seconds: Value) -> str:
    """A number of seconds: ``1 hour``, ``7 days``, ``90 seconds``: the largest whole unit."""
    count = int(seconds) if isinstance(seconds, int | float) else 0
    size, word = next(p for p in _PERIODS if count % p[0] == 0)
    return counted(f"{count // size:,}", f"{word}s")


def text(value: str) -> str:
    """Text that somebody else wrote, in printable ASCII and cut: it cannot forge a line."""
    shown = ascii(value)[1:-1]
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}..."


def quoted(value: str) -> str:
    """A value between our own words: in quotation marks, unless it is one plain name.

    So a value that reads like the rest of a sentence cannot be taken for it.
    """
    shown = text(value)
    if _NAME.fullmatch(value):
        return shown
    return f'"{shown.replace(chr(34), chr(92) + chr(34))}"'


def some(values: Sequence[str]) -> str:
    """``a, b, c``; of many, the first of them and how many more there are."""
    left = len(values) - MOST_LISTED
    shown = values[:MOST_LISTED] if left > 1 else values
    more = f" and {left} more" if left > 1 else ""
    return f"{', '.join(map(quoted, shown))}{more}"


def spoken(name: str) -> str:
    """A name of the code as people say it: ``model size``."""
    return name.replace("_", " ")


def stands(subject: str) -> str:
    """The subject with its verb: ``load failures are``, ``error rate is``."""
    plural = any(
        word.endswith("s") and not word.endswith(("ss", "us", "'s")) for word in subject.split()
    )
    return f"{subject} {'are' if plural else 'is'}"


def no_data(subject: str, reading: Reading, result: Result, window: Value = 0) -> str | None:
    """The sentence where data says neither yes nor no; None where it says one of them."""
    match result.reason:
        case Reason.NULL_INPUT:
            return f"{stands(subject)} not known"
        case Reason.UNKNOWN_LABEL:
            return f"{stands(subject)} {amount(reading.value, '')}, which is no known label"
        case Reason.INSUFFICIENT_HISTORY:
            return f"there is too little history of {subject} in {period(window)}"
        case Reason.ZERO_VARIANCE:
            return f"{subject} did not vary in {period(window)}"
        case _:
            return None


def _bytes(value: float, decimals: int) -> str:
    for size, word in _POWERS:
        if size <= abs(value) < 10**18:
            return f"{value / size:,.{decimals}f} {word}"
    return counted(plain(value), "bytes")


def _exact(value: Scalar, unit: str) -> str:
    number = f"{value:,}" if type(value) is int else repr(value)
    return f"{number} (ratio)" if unit == "ratio" else counted(number, unit)
