"""What binding again under a document would change: shown before anybody is asked; nothing kept."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from app.authority.guardrails.binding import Bound, bind
from app.authority.guardrails.changing import Changing
from app.authority.guardrails.impact import impacts
from app.authority.guardrails.recompiling import Recompiled, delta
from app.authority.guardrails.records import from_bytes
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.showing import meaning
from app.authority.guardrails.standing import Now
from app.authority.guardrails.values import Definition
from app.authority.guardrails.watching.decision_store import DecisionStore

Json = dict[str, Any]

MOST: Final = 100_000
"""Decisions that are made again by the rules before and after, of all tasks together: some ten
seconds. Of many tasks, or over long windows, the impact is that of the newest decisions alone, and
says how many days those are."""
LONG_S: Final = 4 * 3600
"""A window of so many seconds is looked into in the time that deciding takes."""


def review(
    changing: Changing,
    decisions: DecisionStore,
    *,
    now: Now,
    version: int,
    tasks: Collection[str] | None,
    since_us: int,
) -> Json:
    """`tasks` None: those that the document concerns. `since_us`: where the history begins that
    the impact is computed from."""
    affected = changing.affected(now, version)
    under = {now.version, *now.compiled_under.values()} - {version}
    found = changing.recompiled(now, version, affected if tasks is None else tasks)
    told = _impacts(changing, decisions, found, since_us)
    return {
        "from": now.version if now.version != version else max(under, default=version),
        "to": version,
        "changed": sorted({key for each in under for key in changing.change(each, version).keys}),
        "affected": sorted(affected),
        "unaffected": sorted(now.definitions.keys() - affected),
        "tasks": [
            {
                "id": one.task,
                "result": str(one.result),
                "why": one.why,
                "before": _shown(one.before, now.compiled_under[one.task]),
                "after": None if one.after is None else _shown(one.after, version),
                "delta": [] if one.after is None else delta(one.before, one.after),
                "impact": told.get(one.task),
            }
            for one in found
        ],
    }


def _shown(definition: Definition, guardrails: int) -> Json:
    return meaning(definition) | {"version": definition.version, "guardrails": guardrails}


def _impacts(
    changing: Changing, decisions: DecisionStore, found: Collection[Recompiled], since_us: int
) -> dict[str, Json]:
    """By task; of one that would decide as before, or not at all, nothing."""
    known = changing.standing.known()
    changes = {
        one.task: (bind(one.before, known), bind(one.after, known))
        for one in found
        if one.after is not None
        and one.after.resolution.condition != one.before.resolution.condition
    }
    if not changes:
        return {}
    asked = sum(map(_weight, changes.values()))
    there = min(decisions.count(since_us), MOST)
    earlier = max(0, there - int(MOST / asked))
    told = impacts(_records(decisions, since_us, there), [*changes.values()], earlier=earlier)
    return {task: impact.as_dict() for task, impact in zip(changes, told, strict=True)}


def _weight(change: tuple[Bound, Bound]) -> float:
    """What deciding by both costs: a look into a long history is most of it."""
    windows = [Ruleset([rule]).windows(point) for rule in change for point in rule.points]
    return 1 + sum(seconds for each in windows for seconds in each.values()) / LONG_S


def _records(decisions: DecisionStore, since_us: int, newest: int) -> Iterator[Mapping[str, Any]]:
    """Decisions as they were recorded; one that was altered tells nothing."""
    for kept in decisions.each(since_us=since_us, newest=newest):
        if kept.intact:
            yield from_bytes(kept.record)
