"""A month of teams that take turns, each with models of its own: by the day or by the week."""

from collections.abc import Callable
from typing import Final

from app._experimental.replay.dice import Dice
from app._experimental.replay.month import (
    A_MONDAY,
    GIB,
    HOURS,
    Asked,
    Month,
    drawn,
    listed,
    weekday,
)

TEAMS: Final = ("red", "green", "blue", "black")
SHARED: Final = "shared/embed"

# Each team's models: name, GiB from and to, requests per hour.
_MODELS: Final = (("main", 16, 22, 12.0), ("side", 7, 10, 6.0), ("check", 3, 5, 3.0))
_SHIFTS: Final = ((7, 12), (12, 17), (17, 21))
_SHIFTS_MISSED: Final = 0.06
_HOURS_MISSING: Final = 0.05
_STRAYS_AN_HOUR: Final = 0.08

Turn = Callable[[int, int], str]
"""Whose turn it is, by the day of the month and the shift."""


def rotation(seed: int) -> Month:
    dice = Dice(f"rotation {seed}")
    teams = dice.shuffled(TEAMS)[: dice.between(3, 4)]
    turn = dice.pick((_by_day, _by_weekday, _by_week))(dice, teams)
    works_weekends = dice.chance(0.5)
    needs = {SHARED: GIB}
    mean = {SHARED: 4.0}
    for owner in teams:
        for model, low, high, each_hour in _MODELS:
            needs[f"{owner}/{model}"] = dice.between(low * 4, high * 4) * GIB // 4
            mean[f"{owner}/{model}"] = each_hour * (0.5 + dice.fraction())
    hours: list[Asked] = []
    team: str | None = None
    for hour in range(HOURS):
        now = _shift_of(hour % 24)
        if now is None or (weekday(A_MONDAY + hour) >= 5 and not works_weekends):
            team = None
        elif hour % 24 == _SHIFTS[now][0]:
            team = None if dice.chance(_SHIFTS_MISSED) else turn(hour // 24, now)
        busy = [SHARED, *(f"{team}/{model}" for model, *_ in _MODELS)] if team else []
        if dice.chance(_HOURS_MISSING):
            busy = []
        asked = drawn(dice, busy, mean)
        if dice.chance(_STRAYS_AN_HOUR):
            asked += [(second, dice.pick(sorted(needs))) for second in dice.seconds(1)]
        hours.append(sorted(asked))
    return Month(
        name="rotation",
        seed=seed,
        first_hour=A_MONDAY,
        hours=HOURS,
        budget_bytes=dice.between(40, 48) * GIB,
        needs=needs,
        asked=listed(hours),
    )


def _shift_of(at: int) -> int | None:
    return next((n for n, (start, end) in enumerate(_SHIFTS) if start <= at < end), None)


def _by_day(dice: Dice, teams: list[str]) -> Turn:
    """The next team each shift, round and round, so that a day is like the one `teams` ago."""
    first = dice.between(0, len(teams) - 1)
    return lambda day, shift: teams[(first + day + shift) % len(teams)]


def _by_weekday(dice: Dice, teams: list[str]) -> Turn:
    """The same timetable every week."""
    table = [dice.shuffled(teams)[:3] for _ in range(7)]
    return lambda day, shift: table[day % 7][shift]


def _by_week(dice: Dice, teams: list[str]) -> Turn:
    """Who has the mornings has them for a week, then the next team has."""
    first = dice.between(0, len(teams) - 1)
    return lambda day, shift: teams[(first + day // 7 + shift) % len(teams)]
