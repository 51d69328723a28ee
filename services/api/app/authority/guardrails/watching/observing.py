"""Reads what the bound rules ask for, has it decided, and keeps what was decided.

Every evaluation is kept before anybody goes by it; what was read for it is history for the next.
Looking keeps nothing.
"""

import threading
from collections.abc import Hashable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.records import from_bytes
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.series import series_parts
from app.authority.guardrails.strategies.base import Observation, Reading
from app.authority.guardrails.values import Point, Scope
from app.authority.guardrails.verdicts import Asked, Evaluation
from app.authority.guardrails.watching.decision_store import Decided, DecisionStore, Kept
from app.authority.guardrails.watching.histories import LEAST_S, S_US, Histories
from app.authority.guardrails.watching.readings import (
    EVERY_SERIES,
    Read,
    Sources,
    at_point,
    on_tick,
)
from app.authority.policy.decisions import Question

FORGET_EVERY: Final = 1_000
"""Evaluations after which what nobody looks back to is let go of."""


class Seen(NamedTuple):
    """An evaluation with what was read for it."""

    evaluation: Evaluation
    read: Read


class AtPoint:
    """Histories as one point sees them: of what an act is about, what was read at this point."""

    __slots__ = ("_histories", "_point")

    def __init__(self, histories: Histories, point: Point) -> None:
        self._histories = histories
        self._point = point

    def of(self, series: str, since_us: int, before_us: int) -> Sequence[Observation]:
        return self._histories.of(_kept_as(series, self._point), since_us, before_us)

    def mark(self, series: str, since_us: int, before_us: int) -> Hashable:
        return self._histories.mark(_kept_as(series, self._point), since_us, before_us)


class Observing:
    """Every method may be called from any thread. Raises AuditUnavailable where a store does."""

    def __init__(self, sources: Sources, decisions: DecisionStore) -> None:
        self._sources = sources
        self._decisions = decisions
        self._histories = Histories()
        self._views = {point: AtPoint(self._histories, point) for point in Point}
        self._one = threading.Lock()
        self._from_us: int | None = None
        self._read_for: Ruleset | None = None
        self._reads: tuple[Ruleset | None, dict[Point, frozenset[tuple[str, Scope]]]] = (None, {})
        self._kept = 0

    def at(self, rules: Ruleset, question: Question, point: Point) -> Seen:
        """What the rules say of an act, now."""
        now_us = self._sources.clock.utc_us()
        self._remember(rules, now_us)
        read = at_point(self._sources, question, point, self._wanted(rules, point), now_us)
        asked = Asked(at_us=now_us, point=point, subject=question.subject, actor=question.actor.id)
        return Seen(evaluate(rules, asked, read, self._views[point]), read)

    def tick(self, rules: Ruleset) -> Seen:
        """What the rules say of what happened over time; every series is read, asked for or not."""
        now_us = self._sources.clock.utc_us()
        self._remember(rules, now_us)
        wanted = {*EVERY_SERIES, *self._series(rules)}
        read = on_tick(self._sources, wanted, now_us)
        asked = Asked(at_us=now_us, point=Point.TICK)
        return Seen(evaluate(rules, asked, read, self._views[Point.TICK]), read)

    def keep(self, seen: Seen, rules: Ruleset) -> int:
        """Make an evaluation durable; the number of its row."""
        done = seen.evaluation
        asked = done.asked
        seq = self._decisions.add(
            Decided(
                asked.at_us,
                str(asked.point),
                asked.subject,
                asked.actor,
                done.outcome,
                done.digest,
                done.record,
            )
        )
        values = ((s, r.value) for s, r in seen.read.items() if isinstance(r, Reading))
        self._histories.add(asked.at_us, _observed(values, asked.point))
        self._kept += 1
        if self._kept % FORGET_EVERY == 0:
            self._forget(asked.at_us - _reach_us(rules))
        return seq

    def _forget(self, before_us: int) -> None:
        """What is let go of is read back when rules that look further are bound."""
        with self._one:
            self._histories.forget(before_us)
            if self._from_us is not None:
                self._from_us = max(self._from_us, before_us)

    def _wanted(self, rules: Ruleset, point: Point) -> frozenset[tuple[str, Scope]]:
        """What rules read at a point, found once for each set of rules."""
        of, found = self._reads
        if of is not rules:
            found = {}
            self._reads = (rules, found)
        if point not in found:
            found[point] = rules.reads(point)
        return found[point]

    def _series(self, rules: Ruleset) -> Iterator[tuple[str, Any]]:
        """What rules read at any point of the whole system: their histories come from the tick."""
        for point in Point:
            for name, scope in rules.reads(point):
                if not PRIMITIVES[name].about_subject:
                    yield name, scope

    def _remember(self, rules: Ruleset, now_us: int) -> None:
        """Read back what was recorded, as far as any rule looks and nothing was read back yet."""
        if self._read_for is rules:
            return
        since_us = now_us - _reach_us(rules)
        with self._one:
            if self._from_us is not None and self._from_us <= since_us:
                self._read_for = rules
                return
            until_us = now_us if self._from_us is None else self._from_us
            since_us = min(since_us - LEAST_S * S_US, until_us)
            for kept in self._decisions.each(since_us=since_us, until_us=until_us):
                self._histories.add(kept.at_us, _observed(_read_then(kept), Point(kept.point)))
            self._from_us, self._read_for = since_us, rules


def _reach_us(rules: Ruleset) -> int:
    longest = max((s for point in Point for s in rules.windows(point).values()), default=0)
    return max(longest, LEAST_S) * S_US


@lru_cache(maxsize=10_000)
def _kept_as(series: str, point: Point) -> str:
    """The name of a history: facts about an act's subject are apart for each point."""
    return f"{point}/{series}" if _is_about_subject(series) else series


def _is_about_subject(series: str) -> bool:
    known = PRIMITIVES.get(series_parts(series)[0])
    return known is not None and known.about_subject


def _observed(read: Iterable[tuple[str, object]], point: Point) -> Iterator[tuple[str, float]]:
    """Numbers that are history from now on: of the whole system, what the tick sampled alone."""
    for series, value in read:
        if not isinstance(value, int | float) or isinstance(value, bool):
            continue
        if point is Point.TICK or _is_about_subject(series):
            yield _kept_as(series, point), float(value)


def _read_then(kept: Kept) -> Iterator[tuple[str, object]]:
    """What a recorded decision had read; of a record that was damaged nothing."""
    try:
        found = from_bytes(kept.record)["readings"].items() if kept.intact else ()
    except (ValueError, LookupError, AttributeError):
        return
    yield from found
