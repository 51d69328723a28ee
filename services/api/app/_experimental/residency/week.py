"""The last seven days of each model: what was asked, and which requests waited for a load."""

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

from app._experimental.residency.hours import DAY, Hours
from app.domain.advice.snapshot import Snapshot

WEEK: Final = 7 * DAY


@dataclass(slots=True)
class Week:
    """`hours`: in which it was used, a bit each, the first of the week lowest. `cold_hours`: in
    which a request waited for a load although it had been used in the hour before."""

    hours: int = 0
    cold: int = 0
    cold_hours: list[int] = field(default_factory=list)


def weeks_of(snapshot: Snapshot, hours: Hours) -> dict[str, Week]:
    """Of models with any use in these days; empty before seven days are over."""
    start = hours.now - WEEK
    if start < 0:
        return {}
    mask = (1 << WEEK) - 1
    found = {
        model: Week(used >> start & mask)
        for model, used in hours.used.items()
        if used >> start & mask
    }
    columns, names = snapshot.use.columns, snapshot.use.models
    low = bisect_left(columns["hour"], hours.origin + start, key=lambda hour: hour or 0)
    for hour, model, cold in zip(
        *(columns[name][low:] for name in ("hour", "model", "cold")), strict=True
    ):
        if cold and model is not None and hour is not None and names[model] in found:
            at, week = hour - hours.origin - start, found[names[model]]
            week.cold += cold
            if 0 < at < WEEK and week.hours >> at - 1 & 1 and at not in week.cold_hours:
                week.cold_hours.append(at)
    return found


def needed_at(snapshot: Snapshot, weeks: dict[str, Week]) -> list[int]:
    """For each hour of the week, the bytes of everything that was used in it."""
    needed = [0] * WEEK
    for model, week in weeks.items():
        need = snapshot.models[model].need_bytes
        for at in range(WEEK):
            if week.hours >> at & 1:
                needed[at] += need
    return needed
