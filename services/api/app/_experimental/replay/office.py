"""A month of office hours: chat models by time of day, a nightly batch, a forgotten model."""

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

BATCH: Final = "office/batch-70b"
FORGOTTEN: Final = "office/forgotten-13b"

# Model, GiB from and to, hours of the day in which it is asked, requests per hour.
_DAY: Final = (
    ("office/chat-8b", 5, 7, ((8, 18),), 14),
    ("office/embed", 1, 2, ((8, 18),), 6),
    ("office/code-32b", 17, 21, ((9, 12), (14, 17)), 9),
    ("office/write-14b", 8, 11, ((8, 9), (16, 18)), 7),
    ("office/translate-9b", 6, 8, ((11, 13), (15, 16)), 5),
    ("office/vision-24b", 13, 16, ((12, 14),), 6),
    ("office/reason-30b", 16, 20, ((17, 19),), 4),
)
_DAYS_OFF: Final = 0.06
_HOURS_MISSING: Final = 0.04
_STRAYS_AN_HOUR: Final = 0.08


def office(seed: int) -> Month:
    dice = Dice(f"office {seed}")
    left_out = dice.pick([model for model, *_ in _DAY[2:]])
    shift, night = dice.between(-2, 2), dice.between(0, 3)
    nights = dice.between(2, 3)
    asked_by: dict[str, tuple[tuple[int, int], ...]] = {}
    mean: dict[str, float] = {BATCH: 25.0}
    needs = {BATCH: dice.between(34, 40) * GIB, FORGOTTEN: dice.between(7, 9) * GIB}
    for model, low, high, spans, each_hour in _DAY:
        needs[model] = dice.between(low * 4, high * 4) * GIB // 4
        if model != left_out:
            late = dice.between(0, 1)
            asked_by[model] = tuple((a + shift + late, b + shift) for a, b in spans)
            mean[model] = each_hour * (0.5 + dice.fraction())
    hours: list[Asked] = []
    off = False
    for hour in range(HOURS):
        at = hour % 24
        if at == 0:
            off = weekday(A_MONDAY + hour) >= 5 or dice.chance(_DAYS_OFF)
        busy = [] if off else _in_use(asked_by, at)
        if night <= at < night + nights:
            busy = [BATCH]
        if dice.chance(_HOURS_MISSING):
            busy = []
        asked = drawn(dice, busy, mean)
        if dice.chance(_STRAYS_AN_HOUR):
            stray = dice.pick(sorted(mean))
            asked += [(second, stray) for second in dice.seconds(dice.between(1, 2))]
        hours.append(sorted(asked))
    hours[dice.between(8, 30)].append((3_599, FORGOTTEN))
    return Month(
        name="office",
        seed=seed,
        first_hour=A_MONDAY,
        hours=HOURS,
        budget_bytes=dice.between(42, 50) * GIB,
        needs=needs,
        asked=listed(hours),
    )


def _in_use(asked_by: dict[str, tuple[tuple[int, int], ...]], at: int) -> list[str]:
    return [
        model for model, spans in asked_by.items() if any(start <= at < end for start, end in spans)
    ]
