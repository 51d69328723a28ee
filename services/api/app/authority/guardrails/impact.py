"""What a change of a rule would have meant: both decided over what was recorded. Pure.

Decisions are taken in the order of time. Each is decided by the rule before and the rule after,
from the readings it recorded and the history that the decisions before it make up: facts about an
act's subject at the same point, numbers of the whole system on the tick. A summary that the record
holds is taken as it is. What has no reading or too little history counts as not met, and is said.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.authority.guardrails.binding import Bound
from app.authority.guardrails.cases import Case
from app.authority.guardrails.looking import taken
from app.authority.guardrails.plans import Look
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.readings import NULL, again
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.series import series_parts
from app.authority.guardrails.strategies.base import DATA_QUALITY, Observation, Reading, Summary
from app.authority.guardrails.strategies.wording import spoken
from app.authority.guardrails.values import Point, Scope
from app.authority.guardrails.verdicts import Asked, Verdict

DAY_US: Final = 86_400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """`before` and `after`: how often the rule was met; on the tick, how often it became so.

    `days` are what the records cover, and at least one, so that an hour is no day. `per_day` is the
    difference with its sign. `notes` are sentences about what could not be told.
    """

    days: float
    evaluations: int
    before: int
    after: int
    per_day: str
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "days": self.days,
            "evaluations": self.evaluations,
            "before": self.before,
            "after": self.after,
            "per_day": self.per_day,
            "notes": list(self.notes),
        }


Change = tuple[Bound | None, Bound | None]
"""A rule as it is and as it would be; None: no rule at all."""


def impact(
    records: Iterable[Mapping[str, Any]], before: Bound | None, after: Bound | None
) -> Impact:
    """As `impacts`, of one change."""
    return impacts(records, [(before, after)])[0]


def impacts(
    records: Iterable[Mapping[str, Any]], changes: Sequence[Change], *, earlier: int = 0
) -> list[Impact]:
    """Return what each change would have changed by itself; records are gone over once for all.

    The first `earlier` records are history for what follows, and not decided themselves.
    `records` are parsed (`records.from_bytes`), the oldest first. Raises ValueError, KeyError where
    one is malformed.
    """
    past = _Past()
    sides = [(_Side(before), _Side(after)) for before, after in changes]
    asked = [0] * len(sides)
    first_us, last_us = None, 0
    for number, body in enumerate(records):
        point = Point(body["point"])
        if number < earlier:
            past.add(body, point)
            continue
        last_us = body["at_us"]
        first_us = last_us if first_us is None else first_us
        seen = past.as_of(body, point)
        for at, (was, now) in enumerate(sides):
            heard = [side.ask(body, point, seen) for side in (was, now)]
            asked[at] += any(heard)
        past.add(body, point)
    covered = (last_us - (first_us or last_us)) / DAY_US
    return [_impact(*pair, times, covered) for pair, times in zip(sides, asked, strict=True)]


def _impact(before: "_Side", after: "_Side", asked: int, covered: float) -> Impact:
    days = max(covered, 1.0)
    return Impact(
        days=round(days, 2),
        evaluations=asked,
        before=before.met,
        after=after.met,
        per_day=f"{round((after.met - before.met) / days, 1) + 0.0:+.1f}",
        notes=tuple(_notes(after, asked, covered)),
    )


def _notes(side: "_Side", asked: int, covered: float) -> Iterator[str]:
    if not asked:
        yield "Nothing was recorded where this rule is asked: no estimate can be made."
    elif covered < 1:
        yield "Less than a day was recorded: the estimate says little."
    for reason, times in sorted(side.unknown.items()):
        words = spoken(reason)
        yield f"{times} of {side.asked} evaluations had no data to decide with ({words})."
    if side.failed:
        yield f"{side.failed} of {side.asked} evaluations would have been errors."


class _Side:
    """One of the two rules, and what came of it."""

    def __init__(self, bound: Bound | None) -> None:
        self.met = self.asked = self.failed = 0
        self.unknown: Counter[str] = Counter()
        self._points = () if bound is None else bound.points
        self._rules = Ruleset([] if bound is None else [bound])
        self._true: frozenset[str] = frozenset()

    def ask(self, body: Mapping[str, Any], point: Point, seen: "_AsOf") -> bool:
        """Decide one record by this rule; False where it is not asked there."""
        if point not in self._points:
            return False
        asked = Asked(
            at_us=body["at_us"], point=point, subject=body["subject"], actor=body["actor"]
        )
        case = Case(self._rules.plan(point), self._readings(body, point), seen)
        case.ask(asked)
        self._count(case.verdicts, point)
        self.asked += max(1, len(case.verdicts) + len(case.failures))
        self.failed += len(case.failures)
        return True

    def _readings(self, body: Mapping[str, Any], point: Point) -> dict[str, Any]:
        """What was read then; nothing read is no data here and not an error: nobody asked."""
        wanted = self._rules.reads(point)
        readings: dict[str, Any] = {name: NULL for name, of in wanted if of is Scope.ALL}
        for series, said in body["readings"].items():
            if series_parts(series)[:2] in wanted:
                readings[series] = again(said)
        return readings

    def _count(self, verdicts: Sequence[Verdict], point: Point) -> None:
        true = frozenset(verdict.key for verdict in verdicts if verdict.triggered)
        if point is Point.TICK:
            self.met += len(true - self._true)
            self._true = true
        else:
            self.met += len(true)
        for verdict in verdicts:
            if not verdict.triggered and verdict.reason in DATA_QUALITY:
                self.unknown[str(verdict.reason)] += 1


class _Past:
    """The history that records make up."""

    def __init__(self) -> None:
        self._series: dict[str, list[Observation]] = {}

    def add(self, body: Mapping[str, Any], point: Point) -> None:
        """Take in what one record read."""
        for series, said in body["readings"].items():
            reading = again(said)
            known = PRIMITIVES.get(series_parts(series)[0])
            about_subject = known is not None and known.about_subject
            if not isinstance(reading, Reading) or about_subject is (point is Point.TICK):
                continue
            value = reading.value
            if isinstance(value, int | float) and not isinstance(value, bool):
                held = self._series.setdefault(_kept_as(series, point), [])
                held.append(Observation(body["at_us"], value))

    def window(self, series: str, point: Point, since_us: int, before_us: int) -> Any:
        held: list[Any] = self._series.get(_kept_as(series, point), [])
        return held[bisect_left(held, (since_us,)) : bisect_left(held, (before_us,))]

    def as_of(self, body: Mapping[str, Any], point: Point) -> "_AsOf":
        return _AsOf(self, body, point)


class _AsOf:
    """Summaries as of one record: its own where it has them."""

    def __init__(self, past: _Past, body: Mapping[str, Any], point: Point) -> None:
        self._past = past
        self._at_us: int = body["at_us"]
        self._point = point
        self._rows: Sequence[Any] = body["summaries"]

    def of(self, look: Look, series: str) -> Summary:
        for named, name, params, summary in self._rows:
            same = (named, name) == (series, look.name) and "error" not in summary
            if same and orjson.dumps(params, option=orjson.OPT_SORT_KEYS) == look.key[1]:
                found: Summary = summary
                return found
        since_us = self._at_us - look.reach_us
        window = self._past.window(series, self._point, since_us, self._at_us)
        return taken(look, window, self._at_us)


def _kept_as(series: str, point: Point) -> str:
    known = PRIMITIVES.get(series_parts(series)[0])
    return f"{point}/{series}" if known is not None and known.about_subject else series
