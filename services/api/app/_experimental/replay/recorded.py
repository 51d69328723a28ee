"""The days of a snapshot as a month: each hour's requests, spread over that hour.

When within its hour a request came is not known, so it is drawn; which hour, which model and how
many are as they were. Models that are no longer there are left out.
"""

from bisect import bisect_left
from typing import Final

from app._experimental.replay.dice import Dice
from app._experimental.replay.month import Asked, Month
from app.domain.advice.snapshot import Snapshot

_REQUESTS_DRAWN: Final = 1_000_000
"""About so many at most; each row keeps two or more, the others come right behind."""
_OF_A_ROW: Final = 1_000


def recorded(seed: int, snapshot: Snapshot) -> Month:
    """Raises ValueError where the snapshot holds no use to replay."""
    columns, names = snapshot.use.columns, snapshot.use.models
    hours, model, requests = columns["hour"], columns["model"], columns["requests"]
    at = [hour for hour in hours if hour is not None]
    if not at:
        raise ValueError(
            "no use was recorded yet: replay a generated month (office, rotation, none)"
        )
    first_hour, most = at[0] // 24 * 24, min(_OF_A_ROW, max(2, _REQUESTS_DRAWN // len(at)))
    needs = {one: facts.need_bytes for one, facts in snapshot.models.items() if one in set(names)}

    def rows(hour: int) -> list[tuple[str, int]]:
        low = bisect_left(at, first_hour + hour)
        high = bisect_left(at, first_hour + hour + 1)
        found = ((names[model[row] or 0], requests[row] or 0) for row in range(low, high))
        return [(name, count) for name, count in found if name in needs]

    def asked(hour: int) -> Asked:
        dice = Dice(f"recorded {seed} {hour}")
        return sorted(
            (second, name)
            for name, count in rows(hour)
            for second in dice.seconds(min(count, most))
        )

    return Month(
        name="recorded",
        seed=seed,
        first_hour=first_hour,
        hours=at[-1] - first_hour + 1,
        budget_bytes=snapshot.host.models_budget_bytes,
        needs=needs,
        asked=asked,
        more=lambda hour: sum(max(0, count - most) for _, count in rows(hour)),
    )
