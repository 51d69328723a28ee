"""What tests of deciding are made of: conditions, bound rules, histories, questions."""

import hashlib
from collections.abc import Hashable, Mapping, Sequence
from typing import Any, Final

from app.authority.guardrails.binding import Bound
from app.authority.guardrails.ir import define
from app.authority.guardrails.strategies.base import Observation, Reading
from app.authority.guardrails.values import (
    Action,
    Candidate,
    Chosen,
    Clause,
    ClauseTrace,
    Composite,
    Condition,
    Definition,
    Intent,
    Leaf,
    Operator,
    Point,
    Resolution,
    Scope,
    Severity,
    Source,
    Tier,
    Trace,
)
from app.authority.guardrails.verdicts import Asked

AT_US: Final = 1_700_000_000_000_000
MINUTE_US: Final = 60_000_000
HOUR: Final = 3600
DOCUMENT: Final = "d" * 64


def leaf(primitive: str, strategy: str, scope: Scope = Scope.ALL, **params: Any) -> Leaf:
    return Leaf(
        primitive=primitive,
        primitive_version=1,
        scope=scope,
        strategy=strategy,
        strategy_version=1,
        params=params,
    )


def above(primitive: str, value: float, scope: Scope = Scope.ALL) -> Leaf:
    return leaf(primitive, "threshold", scope, direction="above", value=value)


def rises(primitive: str, value: float, scope: Scope = Scope.ALL) -> Leaf:
    return leaf(primitive, "change", scope, direction="increase", value=value, window=HOUR)


def one_of(primitive: str, *values: str, negate: bool = False) -> Leaf:
    return leaf(primitive, "equals", values=values, negate=negate)


def both(*operands: Condition) -> Composite:
    return Composite(Operator.AND, operands)


def either(*operands: Condition) -> Composite:
    return Composite(Operator.OR, operands)


def no(operand: Condition) -> Composite:
    return Composite(Operator.NOT, (operand,))


def bound(
    task: str,
    condition: Condition,
    action: Action = Action.BLOCK,
    points: tuple[Point, ...] = (Point.LOAD,),
    version: int = 1,
) -> Bound:
    said = f"{task} {version} {condition} {action} {points}"
    return Bound(
        task=task,
        version=version,
        action=action,
        points=points,
        condition=condition,
        binding_hash=hashlib.sha256(said.encode()).hexdigest(),
    )


def by_hash(*bounds: Bound) -> dict[str, Bound]:
    return {each.binding_hash: each for each in bounds}


def resolution(
    condition: Condition,
    action: Action = Action.BLOCK,
    points: tuple[Point, ...] = (Point.LOAD,),
    guardrails: str = DOCUMENT,
) -> Resolution:
    return Resolution(
        intent=Intent(
            text="block something",
            action=action,
            points=points,
            when=Clause(primitive="model_size", params={"value": 1.0}, severity=("very",)),
        ),
        condition=condition,
        trace=Trace(
            clauses=(
                ClauseTrace(
                    path="when",
                    candidates=(
                        Candidate(Source.USER_EXPLICIT, "threshold", True, "it was said"),
                        Candidate(Source.GLOBAL_DEFAULT, None, False, "nothing to say"),
                    ),
                    severity=Severity(
                        words=("very",),
                        said=Tier.HIGH,
                        shifts={"careful": -1},
                        bias="shifted",
                        tier=Tier.MEDIUM,
                    ),
                    parameters=(Chosen("values", ("a", "b"), Source.USER_EXPLICIT, "said"),),
                ),
            ),
            reads=frozenset({"primitives/model_size", "defaults"}),
            words="block something",
        ),
        guardrails=guardrails,
    )


def defined(task: str, condition: Condition, version: int = 1, **said: Any) -> Definition:
    return define(task, version, resolution(condition, **said))


def asked(point: Point = Point.LOAD, at_us: int = AT_US) -> Asked:
    subject, actor = ("", "") if point is Point.TICK else ("lmx/starter", "key:ab12")
    return Asked(at_us=at_us, point=point, subject=subject, actor=actor)


def read(**values: Any) -> dict[str, Reading | Exception]:
    """Readings by primitive; scoped series are added by their names."""
    return {
        name: value if isinstance(value, Reading | Exception) else Reading(value)
        for name, value in values.items()
    }


class Observed:
    """Histories as lists; counts how often each is asked for."""

    def __init__(self, **series: Sequence[float]) -> None:
        self.series: dict[str, list[Observation]] = {}
        self.asked: list[str] = []
        for name, values in series.items():
            self.add(name, values)

    def add(self, name: str, values: Sequence[float], last_us: int = AT_US - MINUTE_US) -> None:
        """One value a minute, the last at `last_us`."""
        first_us = last_us - (len(values) - 1) * MINUTE_US
        self.series.setdefault(name, []).extend(
            Observation(first_us + i * MINUTE_US, value) for i, value in enumerate(values)
        )

    def of(self, series: str, since_us: int, before_us: int) -> Sequence[Observation]:
        self.asked.append(series)
        return self._within(series, since_us, before_us)

    def mark(self, series: str, since_us: int, before_us: int) -> Hashable:
        return tuple(self._within(series, since_us, before_us))

    def _within(self, series: str, since_us: int, before_us: int) -> list[Observation]:
        held = self.series.get(series, [])
        return [each for each in held if since_us <= each.at_us < before_us]


NOTHING: Final = Observed()


def rows(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record's verdicts by task."""
    return {row[0]: row for row in record["verdicts"]}
