"""A month to replay: which models there are, what fits, and who asked for what, and when."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from app._experimental.replay.dice import Dice

GIB: Final = 1 << 30
DAYS: Final = 30
HOURS: Final = DAYS * 24
A_MONDAY: Final = 20_605 * 24
"""Hours since 1970 at midnight (UTC) of Monday, the 1st of June 2026."""

Asked = list[tuple[int, str]]
"""The second of the hour and the model, of every request of one hour, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """`needs`: the bytes each model takes. `asked(n)`: the requests of the month's nth hour, the
    same ones each time it is called; `more(n)`: requests of that hour that are counted with them
    and come right behind another of the same model, so that they never wait for a load."""

    name: str
    seed: int
    first_hour: int
    hours: int
    budget_bytes: int
    needs: Mapping[str, int]
    asked: Callable[[int], Asked]
    more: Callable[[int], int] = lambda _: 0


def listed(hours: Sequence[Asked]) -> Callable[[int], Asked]:
    """For a month that is drawn at once: `asked` of its hours."""
    return lambda hour: hours[hour]


def drawn(dice: Dice, busy: Iterable[str], mean: Mapping[str, float]) -> Asked:
    """Requests of one hour to the models that are in use, `mean` of each on average."""
    return [(second, model) for model in busy for second in dice.seconds(dice.count(mean[model]))]


def weekday(hour: int) -> int:
    """0 is Monday. 1970 began on a Thursday."""
    return (hour // 24 + 3) % 7
