"""Which calendars to believe, and how often each was right of each model.

What is counted are starts: the first hour of each run of hours in which a calendar expected a
model that was not in use, as that is where a load is needed; a day off is one start that did not
come, not eight. For each calendar: how many of the starts came (`right`), and how many would have
by each model's own rate. A calendar is believed once that surplus, over all models, is as good as
impossible by chance (Chernoff's bound below e^-NATS), which months without a pattern do not reach.
The surest is taken first; each further one counts only in hours that those before it leave open.
Then each model's own record counts, drawn towards that of all models while the model has few.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from app._experimental.residency.calendars import CALENDARS, Calendar, expected
from app._experimental.residency.hours import Hours

NATS: Final = 20.0
WORTH: Final = 0.25
"""A calendar by which fewer starts than this come, at the least, is of no use."""
DRAWN: Final = 3.0
"""So many starts of all models' record are added to each model's own."""
MOST: Final = 0.97


@dataclass(frozen=True, slots=True)
class Expectation:
    """Of one model by one calendar: `right` of `tried` starts came; `chance`: what follows for the
    next one. `hours`: all hours that no surer calendar expected."""

    calendar: Calendar
    right: int
    tried: int
    chance: float
    hours: int


def believed(hours: Hours, known: int) -> dict[str, list[Expectation]]:
    """By model, the surest first. `known`: the hours that count."""
    pasts = {model: _past(used, known) for model, used in hours.used.items()}
    left = {
        calendar: {model: expected(calendar, hours, used) for model, used in hours.used.items()}
        for calendar in CALENDARS
    }
    of: dict[str, list[Expectation]] = {model: [] for model in hours.used}
    while left:
        records = (_record(calendar, found, pasts) for calendar, found in left.items())
        best = max(records, key=lambda record: record.sure)
        if best.sure < WORTH:
            break
        for model, found in left.pop(best.calendar).items():
            right, tried = best.of[model]
            chance = (right + DRAWN * best.right / best.tried) / (tried + DRAWN)
            past = pasts[model]
            open_hours = found & ~past.covered
            past.covered |= found
            of[model].append(
                Expectation(best.calendar, right, tried, min(chance, MOST), open_hours)
            )
    return of


@dataclass(slots=True)
class _Past:
    """Of one model. `idle`: known hours after one without use; `rate`: how many of them had use.
    `covered`: what a calendar that is believed expected already."""

    used: int
    idle: int
    rate: float
    covered: int = 0


def _past(used: int, known: int) -> _Past:
    idle = ~(used << 1) & known
    return _Past(used, idle, rate((used & idle).bit_count(), idle.bit_count()))


@dataclass(frozen=True, slots=True)
class _Record:
    """`sure`: what share of starts will come at least; 0 where the calendar is not believed."""

    calendar: Calendar
    of: Mapping[str, tuple[int, int]]
    right: int
    tried: int
    sure: float


def _record(calendar: Calendar, found: Mapping[str, int], pasts: Mapping[str, _Past]) -> _Record:
    of: dict[str, tuple[int, int]] = {}
    right = tried = 0
    by_chance = 0.0
    for model, hours in found.items():
        past = pasts[model]
        starts = hours & ~past.covered & ~((hours | past.covered) << 1) & past.idle
        came, count = (starts & past.used).bit_count(), starts.bit_count()
        of[model] = came, count
        right, tried, by_chance = right + came, tried + count, by_chance + count * past.rate
    is_believed = surplus(right, by_chance) >= NATS
    return _Record(calendar, of, right, tried, _at_least(right, tried) if is_believed else 0.0)


def rate(right: int, tried: int) -> float:
    """With half a one added to either side."""
    return (right + 0.5) / (tried + 1)


def _at_least(right: int, tried: int) -> float:
    """Wilson's lower bound of a rate, two deviations down."""
    square = 4.0
    spread = 2 * math.sqrt(right * (tried - right) / tried + square / 4)
    return (right + square / 2 - spread) / (tried + square)


def surplus(right: int, by_chance: float) -> float:
    """How unlikely so many would be by chance, as -ln of an upper bound of the probability."""
    if right <= by_chance or not by_chance:
        return 0.0
    return right * math.log(right / by_chance) - (right - by_chance)
