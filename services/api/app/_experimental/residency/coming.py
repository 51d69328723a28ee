"""Proposals for the coming hours: load what is foretold, unload what is in its way."""

from collections.abc import Iterator, Mapping
from math import prod
from typing import Final

from app._experimental.evidence import of_host, of_model
from app._experimental.residency.calendars import AHEAD
from app._experimental.residency.chances import Chances
from app._experimental.residency.hours import DAY, HOUR_US, Hours
from app._experimental.residency.records import Expectation
from app._experimental.residency.room import KEEP, Swap, swaps
from app._experimental.wording import counted, named, size, visible
from app.domain.advice.proposals import Kind, Proposal
from app.domain.advice.snapshot import Snapshot

_LEAST_S: Final = 3_600
_MOST_PERCENT: Final = 95


def for_the_coming_hours(
    snapshot: Snapshot, hours: Hours, chances: Mapping[str, Chances]
) -> Iterator[Proposal]:
    """A model that is to leave comes right before the one that needs its room."""
    left = set[str]()
    for swap in swaps(snapshot, chances):
        until = swap.ahead
        while until < AHEAD and chances[swap.model].why(until):
            until += 1
        ends_us = (hours.origin + hours.now + until) * HOUR_US
        expires_s = max(_LEAST_S, (ends_us - snapshot.taken_us) // 1_000_000)
        for other, missed in swap.leaving if swap.chosen else ():
            if other not in left:
                left.add(other)
                yield _unload(snapshot, swap, other, missed, expires_s)
        span = ((hours.now + swap.ahead) % DAY, (hours.now + until) % DAY)
        why = chances[swap.model].why(swap.ahead)
        assert why is not None, "a swap is of what is foretold"
        yield _load(snapshot, swap, why, span, expires_s)


def _load(
    snapshot: Snapshot, swap: Swap, why: Expectation, span: tuple[int, int], expires_s: int
) -> Proposal:
    need = snapshot.models[swap.model].need_bytes
    first, last = span
    record = f"{why.right} of {why.tried} times" if why.tried else "for other models"
    room = f"There is room for its {size(need)}."
    if swap.leaving:
        missed = 100 - int(100 * prod(1 - each for _, each in swap.leaving))
        room = (
            f"For its {size(need)}, {counted(len(swap.leaving), 'model')} would leave that will be "
            f"missed with a chance of {missed} percent."
        )
    return Proposal(
        kind=Kind.LOAD,
        target=swap.model,
        reason=visible(
            f"Its next use is expected from {first:02}:00 to {last:02}:00 UTC, because it was used "
            f"at that hour {why.calendar.words}; that was right {record} before. It is not in "
            f"memory. {room}"
        ),
        assumes="Whoever used it at these hours before does so again, and nothing larger is "
        "loaded in between.",
        confidence=min(_MOST_PERCENT, int(100 * swap.chance)),
        evidence=(
            *of_model(snapshot, swap.model, ("state", "need_bytes", "last_used_us", "requests")),
            *of_host(snapshot, ("models_budget_bytes",)),
        ),
        predicts={"cold_starts_avoided": 1},
        expires_in_s=expires_s,
    )


def _unload(snapshot: Snapshot, swap: Swap, other: str, missed: float, expires_s: int) -> Proposal:
    facts = snapshot.models[other]
    return Proposal(
        kind=Kind.UNLOAD,
        target=other,
        reason=visible(
            f"{named(swap.model)} is about to be used and needs room. This model is the one to "
            f"spare: it is used within {swap.ahead + KEEP} hours with a chance of "
            f"{int(100 * missed)} percent, and the server itself would unload one that is likelier "
            f"to be used. It frees {size(facts.resident_bytes)}."
        ),
        assumes=f"{visible(swap.model, 200)} is loaded next, and use goes on as in the days "
        "before.",
        confidence=max(0, min(_MOST_PERCENT, int(100 * swap.chance * (1 - missed)))),
        evidence=of_model(snapshot, other, ("state", "resident_bytes", "pinned", "last_used_us")),
        predicts={"memory_freed_bytes": facts.resident_bytes},
        expires_in_s=expires_s,
    )
