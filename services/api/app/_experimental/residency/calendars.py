"""Calendars: ways in which the days before could tell today's hours. Which of them do, is counted.

A calendar looks, for each day of the week, at a few earlier days, and expects a model in an hour
where it was used at that hour on enough of them. None is believed for itself: each is tried on
every hour that is over, with what was known before that hour, and counts only by how much more
often it was right than the model's own rate would have been.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from app._experimental.residency.hours import DAY, Hours

AHEAD: Final = DAY
"""Hours that can be foretold: the nearest day that a calendar looks at is the one before."""


@dataclass(frozen=True, slots=True)
class Calendar:
    """`lags`: for Monday and each day after it, how many days back it looks. `enough`: of these,
    on how many the model must have been used. `words`: for a person."""

    words: str
    lags: tuple[tuple[int, ...], ...]
    enough: int


_WEEKEND: Final = (5, 6)


def _counted(*steps: int) -> tuple[tuple[int, ...], ...]:
    """Days are counted as they come."""
    return (steps,) * 7


def _working(*steps: int) -> tuple[tuple[int, ...], ...]:
    """Days are counted as they come; nothing is said of a weekend."""
    return tuple(() if day in _WEEKEND else steps for day in range(7))


def _of_its_kind(*steps: int) -> tuple[tuple[int, ...], ...]:
    """Working days are counted among working days, days of the weekend among those."""

    def back(day: int, step: int) -> int:
        kind, lag = day in _WEEKEND, 0
        while step:
            lag += 1
            step -= ((day - lag) % 7 in _WEEKEND) == kind
        return lag

    return tuple(tuple(back(day, step) for step in steps) for day in range(7))


_COUNTS: Final = (
    ("", _counted, range(1, 8)),
    (" (working days only)", _working, range(1, 8)),
    (" of its kind (working days, weekend)", _of_its_kind, range(1, 5)),
)


def _ago(days: int) -> str:
    return "the day before" if days == 1 else f"{days} days before"


def _apart(days: int) -> str:
    return "" if days == 1 else f", {days} days apart"


CALENDARS: Final = tuple(
    Calendar(words, count(*(days * step for step in steps)), enough)
    for kind, count, every in _COUNTS
    for days in every
    for steps, enough, words in (
        ((1,), 1, f"{_ago(days)}{kind}"),
        ((1, 2), 1, f"on one of the two days before{_apart(days)}{kind}"),
        ((1, 2, 3), 2, f"on two of the three days before{_apart(days)}{kind}"),
    )
)


def expected(calendar: Calendar, hours: Hours, used: int) -> int:
    """The hours in which the calendar expects the model, those to come among them."""
    found = 0
    for lags, days in _days_by_lags(calendar, hours.weekday(0), hours.now + AHEAD):
        found |= _at_least(calendar.enough, [used << DAY * lag for lag in lags]) & days
    return found


def _at_least(enough: int, votes: Sequence[int]) -> int:
    """The bits that are set in so many of the votes."""
    reached = [0] * enough
    for vote in votes:
        for level in range(enough - 1, 0, -1):
            reached[level] |= reached[level - 1] & vote
        reached[0] |= vote
    return reached[-1]


@lru_cache(maxsize=256)
def _days_by_lags(
    calendar: Calendar, first_weekday: int, length: int
) -> tuple[tuple[tuple[int, ...], int], ...]:
    """For each different lags: the hours of the days that have them."""
    days: dict[tuple[int, ...], int] = {}
    whole_day = (1 << DAY) - 1
    for day in range(-(-length // DAY)):
        lags = calendar.lags[(first_weekday + day) % 7]
        days[lags] = days.get(lags, 0) | whole_day << DAY * day
    return tuple((lags, bits & (1 << length) - 1) for lags, bits in days.items())
