"""What to load for the coming hours, and what to unload for it: arithmetic of chances.

A model is worth loading where it is likelier to be used than everything together that would have
to leave for it. Further ahead than the coming hour, only into room that nobody uses.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from app._experimental.residency.chances import BELIEVED, Chances
from app.domain.advice.snapshot import Snapshot

LOOK: Final = 2
"""Hours ahead in which a use is looked for."""
KEEP: Final = 2
"""Hours beyond those for which a model that might leave is looked at."""
GAIN: Final = 0.15
CHOSEN: Final = 0.05
"""It is worth a person's while to choose who leaves where that saves so much."""


@dataclass(frozen=True, slots=True)
class Swap:
    """Load `model`, which is used `ahead` hours from now with this chance. `leaving`: who has to go
    for it, with the chance that it is missed. `chosen`: the server would choose worse."""

    model: str
    ahead: int
    chance: float
    leaving: tuple[tuple[str, float], ...]
    chosen: bool


def swaps(snapshot: Snapshot, chances: Mapping[str, Chances]) -> list[Swap]:
    """Those needed soonest first; each counts on those before it having been done."""
    models = snapshot.models
    held = {
        model: facts.resident_bytes
        for model, facts in models.items()
        if facts.state == "ready" and facts.resident_bytes
    }
    free = snapshot.host.models_budget_bytes - sum(held.values())
    stays = {model for model in held if models[model].pinned}
    found: list[Swap] = []
    for ahead, chance, model in _wanted(snapshot, chances):
        need = models[model].need_bytes
        missed = {
            other: chances[other].within(ahead + KEEP) if other in chances else 0.0
            for other in held
            if other not in stays
        }
        by_worth = sorted(missed, key=lambda other: (missed[other] / held[other], other))
        leaving = _first_of(need - free, held, by_worth)
        if leaving is None or (ahead and leaving):
            continue
        loses = sum(missed[other] for other in leaving)
        if chance < loses + GAIN:
            continue
        by_use = sorted(missed, key=lambda other: (models[other].last_used_us or 0, other))
        by_server = sum(missed[other] for other in _first_of(need - free, held, by_use) or ())
        pairs = tuple((other, missed[other]) for other in leaving)
        found.append(Swap(model, ahead, chance, pairs, by_server > loses + CHOSEN))
        free += sum(held.pop(other) for other in leaving) - need
        held[model] = need
        stays.add(model)
    return found


def _wanted(snapshot: Snapshot, chances: Mapping[str, Chances]) -> Iterable[tuple[int, float, str]]:
    """What is foretold and not in memory: how soon, how likely."""
    found = []
    for model, one in chances.items():
        facts = snapshot.models[model]
        if facts.state == "absent" and facts.trust != "quarantined":
            ahead = next((ahead for ahead in range(LOOK) if one.why(ahead)), None)
            if ahead is not None and one.at(ahead) >= BELIEVED:
                found.append((ahead, one.at(ahead), model))
    return sorted(found, key=lambda one: (one[0], -one[1], one[2]))


def _first_of(
    short_bytes: int, held: Mapping[str, int], order: Iterable[str]
) -> tuple[str, ...] | None:
    """The first of these that together free so much, without those that are not in the way."""
    going: list[str] = []
    for other in order:
        if short_bytes <= 0:
            break
        going.append(other)
        short_bytes -= held[other]
    if short_bytes > 0:
        return None
    for other in tuple(reversed(going)):
        if short_bytes + held[other] <= 0:
            going.remove(other)
            short_bytes += held[other]
    return tuple(going)
