"""Proposals that last: pin what is used through all hours, let go what is not used any more, and
keep in memory what is unloaded for being idle again and again just before it is used.

All three look at the last week alone, and say nothing before a week is known. A model is only
pinned, or kept for longer, where what was used within an hour mostly fitted together: else others
would wait for loads in its place.
"""

from collections.abc import Iterator
from typing import Final

from app._experimental.evidence import fact, of_host, of_model
from app._experimental.residency.hours import DAY, Hours
from app._experimental.residency.week import WEEK, Week, needed_at, weeks_of
from app._experimental.wording import counted, size, spell, visible
from app.domain.advice.proposals import DAY_S, Kind, Proposal
from app.domain.advice.snapshot import ModelFacts, Snapshot

DAY_US: Final = DAY_S * 1_000_000
ALL_HOURS_PERCENT: Final = 80
FITS_PERCENT: Final = 90
PIN_COLD: Final = 3
IDLE_COLD: Final = 5
IDLE_DAYS: Final = 3
KEPT_S: Final = 7_200
"""Of two requests in hours that follow each other, less than this lies between."""
UNUSED_DAYS: Final = 14
_MOST_PERCENT: Final = 95


def lasting(snapshot: Snapshot, hours: Hours) -> Iterator[Proposal]:
    weeks = weeks_of(snapshot, hours)
    asked = {model: week for model, week in weeks.items() if week.cold >= PIN_COLD}
    needed = needed_at(snapshot, weeks) if asked else []
    for model, week in asked.items():
        facts = snapshot.models[model]
        if facts.pinned or not _mostly_fits(snapshot, week, needed):
            continue
        if week.hours.bit_count() * 100 >= ALL_HOURS_PERCENT * WEEK:
            if _leaves_room(snapshot, model):
                yield _pin(snapshot, model, week)
        elif 0 < facts.terms_idle_s < KEPT_S and _is_dropped_too_soon(week):
            yield _keep(snapshot, model, week)
    if hours.now >= UNUSED_DAYS * DAY:
        for model, facts in snapshot.models.items():
            days = _unused_days(snapshot, facts)
            if days >= UNUSED_DAYS and (facts.pinned or facts.state == "ready"):
                yield from _let_go(snapshot, model, days)


def _mostly_fits(snapshot: Snapshot, week: Week, needed: list[int]) -> bool:
    budget, used = snapshot.host.models_budget_bytes, week.hours.bit_count()
    fits = sum(need <= budget for at, need in enumerate(needed) if week.hours >> at & 1)
    return fits * 100 >= FITS_PERCENT * used


def _leaves_room(snapshot: Snapshot, model: str) -> bool:
    """Whether every other model that was used still fits beside all that is pinned."""
    models, used = snapshot.models, set(snapshot.use.models)
    kept = {model} | {one for one, facts in models.items() if facts.pinned}
    room = snapshot.host.models_budget_bytes - sum(models[one].need_bytes for one in kept)
    return all(facts.need_bytes <= room for one, facts in models.items() if one in used - kept)


def _is_dropped_too_soon(week: Week) -> bool:
    return len(week.cold_hours) >= IDLE_COLD and len(_days(week.cold_hours)) >= IDLE_DAYS


def _days(hours: list[int]) -> set[int]:
    return {at // DAY for at in hours}


def _unused_days(snapshot: Snapshot, facts: ModelFacts) -> int:
    """0 where it was never asked for: then nothing is known of how it is used."""
    if facts.last_used_us is None:
        return 0
    return (snapshot.taken_us - facts.last_used_us) // DAY_US


def _pin(snapshot: Snapshot, model: str, week: Week) -> Proposal:
    used = week.hours.bit_count()
    return Proposal(
        kind=Kind.PIN,
        target=model,
        reason=visible(
            f"It was used in {used} of the last {WEEK} hours, and {counted(week.cold, 'request')} "
            f"of this week still waited for it to be loaded again. Pinned, its "
            f"{size(snapshot.models[model].need_bytes)} stay; every other model that is in use "
            "still fits beside it."
        ),
        assumes="It stays in use at all hours, and no larger model comes into use.",
        confidence=min(_MOST_PERCENT, 100 * (used + 1) // (WEEK + 2)),
        evidence=(
            *of_model(snapshot, model, ("pinned", "need_bytes", "requests", "cold", "evictions")),
            *of_host(snapshot, ("models_budget_bytes",)),
        ),
        predicts={"cold_starts_avoided": week.cold},
    )


def _keep(snapshot: Snapshot, model: str, week: Week) -> Proposal:
    facts = snapshot.models[model]
    often, days = len(week.cold_hours), len(_days(week.cold_hours))
    used_days = len(_days([at for at in range(WEEK) if week.hours >> at & 1]))
    return Proposal(
        kind=Kind.TERMS,
        target=model,
        change={"idle_s": KEPT_S},
        reason=visible(
            f"On {days} of the {used_days} days of this week on which it was used, it had to be "
            f"loaded again within an hour or so of its last use, {often} times in all, while there "
            f"was room for it. It is unloaded after {spell(facts.terms_idle_s)} without use; "
            f"after {spell(KEPT_S)} it would have been there."
        ),
        assumes="It left for being idle: nobody unloaded it by hand. Its memory is not needed "
        "elsewhere in these hours.",
        confidence=min(_MOST_PERCENT, 100 * (days + 1) // (used_days + 2)),
        evidence=(
            *of_model(snapshot, model, ("terms_idle_s", "cold", "requests", "loads", "evictions")),
            *of_host(snapshot, ("models_budget_bytes",)),
        ),
        predicts={"cold_starts_avoided": often},
    )


def _let_go(snapshot: Snapshot, model: str, days: int) -> Iterator[Proposal]:
    """Sure by Laplace's rule: unused on so many days in a row, it is unused on the next."""
    facts, sure = snapshot.models[model], min(_MOST_PERCENT, 100 * (days + 1) // (days + 2))
    held = facts.resident_bytes if facts.state == "ready" else 0
    if facts.pinned:
        yield Proposal(
            kind=Kind.UNPIN,
            target=model,
            reason=f"It is pinned and was not used for {days} days, so that others cannot have its "
            f"room{f', {size(held)}' if held else ''}.",
            assumes="It is not kept for something that has yet to come.",
            confidence=sure,
            evidence=of_model(snapshot, model, ("pinned", "state", "last_used_us")),
            predicts={},
        )
    elif held and not facts.terms_idle_s:
        yield Proposal(
            kind=Kind.UNLOAD,
            target=model,
            reason=f"It was not used for {days} days, holds {size(held)}, and is never unloaded "
            "for being idle.",
            assumes="It was not loaded just now for something that has yet to come.",
            confidence=sure,
            evidence=(
                *of_model(snapshot, model, ("state", "resident_bytes", "last_used_us")),
                fact(snapshot, "models", model, "terms_idle_s"),
            ),
            predicts={"memory_freed_bytes": held},
        )
