"""Everything that is bound, prepared once so that deciding is quick. Pure.

For each point it keeps a plan; nothing in that depends on a reading.
"""

from collections.abc import Iterable
from typing import Any, Final

from app.authority.guardrails.binding import Bound
from app.authority.guardrails.plans import MICROS, Plan, hash_of, plan_of
from app.authority.guardrails.strategies.base import Summary
from app.authority.guardrails.values import Point, Scope

MOST_REMEMBERED: Final = 20_000
MOST_HISTORIES: Final = 16


class Ruleset:
    """Everything that is bound. It never changes, except for what it remembers of histories.

    `guardrails` is the hash of the active document, for the record.
    """

    def __init__(self, bounds: Iterable[Bound], guardrails: str = "") -> None:
        self.bounds = tuple(sorted(bounds, key=lambda b: (b.task, b.version, b.binding_hash)))
        self.guardrails = guardrails
        self.hash = hash_of(self.bounds)
        self._plans: dict[Point, Plan] = {}
        self._memory: dict[int, tuple[object, dict[Any, Any]]] = {}

    def at(self, point: Point) -> tuple[Bound, ...]:
        """Return what decides at a point, by task."""
        return tuple(rule.bound for rule in self.plan(point).rules)

    def reads(self, point: Point) -> frozenset[tuple[str, Scope]]:
        """Return what must be read before deciding at a point."""
        return frozenset((w.leaf.primitive, w.leaf.scope) for w in self.plan(point).watches)

    def windows(self, point: Point) -> dict[tuple[str, Scope], int]:
        """Return how many seconds of which histories are looked at, where any are."""
        longest: dict[tuple[str, Scope], int] = {}
        for watch in self.plan(point).watches:
            if watch.look is not None:
                key = (watch.leaf.primitive, watch.leaf.scope)
                longest[key] = max(longest.get(key, 0), watch.look.reach_us // MICROS)
        return longest

    def plan(self, point: Point) -> Plan:
        found = self._plans.get(point)
        if found is None:
            here = (bound for bound in self.bounds if point in bound.points)
            found = self._plans[point] = plan_of(here)
        return found

    def remembered(self, histories: object) -> dict[Any, tuple[Any, Summary]]:
        """Return what was found before in these histories: a dict to read and to add to."""
        held, memory = self._memory.get(id(histories), (None, {}))
        if held is not histories or len(memory) > MOST_REMEMBERED:
            memory = {}
            if len(self._memory) >= MOST_HISTORIES:
                self._memory = {}
            self._memory[id(histories)] = histories, memory
        return memory
