"""What advice would have been worth: a month, its advice always taken, against plain LRU.

Three servers are asked for the same requests: one that unloads the least recently used when it
needs room and never else (LRU), one that unloads what is idle too (as the settings have it), and
one like the first whose advisor is asked each hour. The advisor sees the hours that are over, never
those that come. What it loads costs memory, pushes others out as a request would, and is counted
as an advised load, not as a cold start. A request that cannot be answered, because what is pinned
leaves no room, is a cold start too.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Final

from app._experimental.replay.history import History
from app._experimental.replay.memory import Memory
from app._experimental.replay.month import Month
from app._experimental.replay.no_pattern import no_pattern
from app._experimental.replay.office import office
from app._experimental.replay.recorded import recorded
from app._experimental.replay.rotation import rotation
from app._experimental.replay.score import Taken
from app.domain.advice.frames import Advisor, Answer, Question
from app.domain.advice.proposals import Proposal
from app.domain.advice.snapshot import Snapshot

GENERATED: Final[Mapping[str, Callable[[int], Month]]] = {
    "office": office,
    "rotation": rotation,
    "none": no_pattern,
}
RECORDED: Final = "recorded"
IDLE_S: Final = 3_600
"""When the server unloads what is idle, unless its settings say another time."""


def replay(
    advisor: Advisor, *, month: str, seed: int, snapshot: Snapshot | None = None
) -> dict[str, object]:
    """Cold starts with the advice and without, and how often it was right. All numbers are whole.

    `month`: one of GENERATED, or `recorded`, which is the use in `snapshot`. Raises ValueError for
    another, and where nothing is recorded.
    """
    if month in GENERATED:
        return replayed(advisor, GENERATED[month](seed))
    if month != RECORDED:
        raise ValueError(f"no month {month!r}: it is {', '.join(GENERATED)} or {RECORDED}")
    if snapshot is None:
        raise ValueError("the recorded month is read from a snapshot, and none was given")
    idle_s = snapshot.host.idle_ttl_s
    return replayed(advisor, recorded(seed, snapshot), idle_s=idle_s)


def replayed(advisor: Advisor, month: Month, *, idle_s: int = IDLE_S) -> dict[str, object]:
    """The month, hour by hour."""
    plain = Memory(month.needs, month.budget_bytes)
    idle = Memory(month.needs, month.budget_bytes, idle_s=idle_s)
    memory = Memory(month.needs, month.budget_bytes)
    history, taken, known = History(month), Taken(memory), frozenset(month.needs)
    count: Counter[str] = Counter()
    for hour in range(month.hours):
        start_s = hour * 3_600
        taken.take(proposed(advisor, history.snapshot(hour, memory)), known, start_s)
        requests: Counter[str] = Counter()
        cold: Counter[str] = Counter()
        last: dict[str, int] = {}
        for second, model in month.asked(hour):
            at_s = start_s + second
            count["cold_starts_lru"] += not plain.use(model, at_s)
            count["cold_starts_idle"] += not idle.use(model, at_s)
            waits = not memory.use(model, at_s)
            taken.used(model, at_s, cold=waits)
            cold[model] += waits
            requests[model] += 1
            last[model] = at_s
        history.add(hour, requests, cold, last)
        count["requests"] += requests.total() + month.more(hour)
        count["cold_starts"] += cold.total()
    taken.end()
    return _report(month, count, taken.count)


def proposed(advisor: Advisor, snapshot: Snapshot) -> list[Proposal]:
    """What it proposes. A replay asks no model: a question gets no answer."""
    advice = advisor.advise(snapshot)
    found: list[Proposal] = []
    answer: Answer | None = None
    while True:
        try:
            said = advice.send(answer)
        except StopIteration:
            return found
        answer = None
        if isinstance(said, Question):
            answer = Answer(None, "a replay asks no model")
        else:
            found.append(said)


def _report(month: Month, count: Counter[str], taken: Counter[str]) -> dict[str, object]:
    without, loads = count["cold_starts_lru"], taken["advised_loads"]
    return {
        "month": month.name,
        "seed": month.seed,
        "requests": count["requests"],
        "cold_starts": count["cold_starts"],
        "cold_starts_lru": without,
        "cold_starts_idle": count["cold_starts_idle"],
        "avoided_percent": (without - count["cold_starts"]) * 100 // without if without else 0,
        "advised_loads": loads,
        "advised_unloads": taken["advised_unloads"],
        "hits": taken["hits"],
        "wrong": taken["wrong"],
        "hit_rate_percent": taken["hits"] * 100 // loads if loads else 0,
        "proposals": taken["proposals"],
    }
