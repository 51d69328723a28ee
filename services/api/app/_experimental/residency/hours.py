"""When each model was used, one bit an hour: a month of a model is one number of 744 bits.

Bit n is the nth hour since midnight (UTC) of the first day with any use. So the same hour of the
day before is a shift by 24, and counting is counting bits.
"""

from dataclasses import dataclass
from typing import Final

from app.domain.advice.snapshot import Snapshot

HOUR_US: Final = 3_600_000_000
DAY: Final = 24
_HALF_AN_HOUR_US: Final = HOUR_US // 2


@dataclass(frozen=True, slots=True)
class Hours:
    """`used`: by model. `now`: the number of the first hour that is still to come; the hour that
    has begun counts as coming while less than half of it is over. `origin`: since 1970."""

    origin: int
    now: int
    used: dict[str, int]

    @property
    def past(self) -> int:
        """The hours that are over."""
        return (1 << self.now) - 1

    def weekday(self, hour: int) -> int:
        """0 is Monday. 1970 began on a Thursday."""
        return ((self.origin + hour) // DAY + 3) % 7


def hours_of(snapshot: Snapshot) -> Hours:
    """Of models that are in the snapshot; requests that were refused are demand too."""
    columns = snapshot.use.columns
    coming = (snapshot.taken_us + _HALF_AN_HOUR_US) // HOUR_US
    first = columns["hour"][0] if columns["hour"] else None
    origin = (coming if first is None else first) // DAY * DAY
    now = max(0, coming - origin)
    used = [bytearray(now) for _ in snapshot.use.models]
    for hour, model in zip(columns["hour"], columns["model"], strict=True):
        if hour is not None and model is not None and hour < coming:
            used[model][hour - origin] = 1
    known = snapshot.models
    return Hours(
        origin,
        now,
        {
            model: _number(bits)
            for model, bits in zip(snapshot.use.models, used, strict=True)
            if model in known
        },
    )


def _number(bits: bytearray) -> int:
    """The first byte is the lowest bit."""
    digits = bits[::-1].translate(_DIGITS)
    return int(digits or b"0", 2)


_DIGITS: Final = bytes((48, 49)) + bytes(254)
