"""Durations counted in buckets of a quarter of an octave, so that hours can be added up. Pure.

A percentile is the upper bound of its bucket: never less than it was, and at most 19 % more.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from typing import Final

import orjson

OCTAVES: Final = 32
"""Beyond 2^32 ms, 49 days, everything is in the last bucket."""
BOUNDS: Final = (0, *(int(2 ** (quarter / 4)) for quarter in range(4 * OCTAVES + 1)))
"""The most milliseconds of each bucket; those that hold no whole number are never used."""

Histogram = dict[int, int]
"""How many requests were in a bucket, by its number."""


def bucket(ms: int) -> int:
    """The number of the first bucket that reaches so far."""
    return min(bisect_left(BOUNDS, ms), len(BOUNDS) - 1)


def count(to: Histogram, ms: int | None, times: int = 1) -> None:
    """So many requests more that took as long; None: it was not measured."""
    if ms is not None:
        number = bucket(ms)
        to[number] = to.get(number, 0) + times


def added(to: Histogram, more: Mapping[int, int]) -> None:
    for number, times in more.items():
        to[number] = to.get(number, 0) + times


def percentile(of: Mapping[int, int], share: int) -> int | None:
    """Milliseconds that `share` of a hundred took at most; None where nothing was measured."""
    over = sum(of.values()) * (100 - share) // 100
    for number in sorted(of, reverse=True):
        over -= of[number]
        if over < 0:
            return BOUNDS[number]
    return None


def as_text(of: Mapping[int, int]) -> str:
    """A JSON object, in the order of the buckets."""
    return orjson.dumps({str(number): of[number] for number in sorted(of)}).decode()


def from_text(text: str) -> Histogram:
    """As it was; what was damaged in the database was never measured."""
    try:
        return {_number(name): _times(times) for name, times in orjson.loads(text).items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def from_texts(joined: str) -> Histogram:
    """Many of them, one after the other with commas between, added up.

    Equal parts are counted before any is read: a month has a million, and few are different.
    """
    found: Histogram = {}
    parts = Counter(joined.replace("{", "").replace("}", "").split(","))
    for part, times in parts.items():
        name, _, count = part.partition(":")
        try:
            number = _number(name.strip().strip('"'))
            found[number] = found.get(number, 0) + _times(int(count)) * times
        except ValueError:  # of an empty one, or damaged
            continue
    return found


def _number(name: str) -> int:
    number = int(name)
    if not 0 <= number < len(BOUNDS):
        raise ValueError("no bucket has this number")
    return number


def _times(value: object) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("not a number of requests")
    return value
