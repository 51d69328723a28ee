"""Conditions of other definitions inside a condition: that they exist, and end somewhere. Pure."""

from collections.abc import Mapping
from typing import NamedTuple

from app.authority.guardrails.compiler.findings import Findings
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.values import (
    Clause,
    Combined,
    Composite,
    Condition,
    Definition,
    Expression,
    Leaf,
    Reference,
)

Known = Mapping[tuple[str, int], Definition]
Trail = tuple[tuple[str, int], ...]


class Contents(NamedTuple):
    """How many conditions there are in the end, and what they watch."""

    conditions: int
    watched: frozenset[str]


_NOTHING = Contents(0, frozenset())


def contents_of(
    condition: Condition | Expression, known: Known, findings: Findings, where: str
) -> Contents:
    """With every reference followed; what cannot be followed is a violation.

    Asked of what was said, not of what it became: so that all is found wrong at once.
    """
    return _Walk(known, findings, where).of(condition, ())


class _Walk:
    def __init__(self, known: Known, findings: Findings, where: str) -> None:
        self._known = known
        self._findings = findings
        self._where = where
        self._seen: dict[tuple[str, int], Contents] = {}

    def of(self, condition: Condition | Expression, trail: Trail) -> Contents:
        match condition:
            case Leaf() | Clause():
                return Contents(1, frozenset({condition.primitive} & PRIMITIVES.keys()))
            case Composite() | Combined():
                parts = [self.of(operand, trail) for operand in condition.operands]
                watched = frozenset[str]().union(*(part.watched for part in parts))
                return Contents(sum(part.conditions for part in parts), watched)
            case Reference():
                return self._followed((condition.id, condition.version), trail)

    def _followed(self, key: tuple[str, int], trail: Trail) -> Contents:
        if key in trail:
            circle = " -> ".join(f"{name} {number}" for name, number in (*trail, key))
            self._findings.violated(
                "operand.circular", f"a condition contains itself: {circle}", self._where
            )
            return _NOTHING
        if key not in self._seen:
            definition = self._known.get(key)
            if definition is None:
                self._missing(*key)
                return _NOTHING
            self._seen[key] = self.of(definition.resolution.condition, (*trail, key))
        return self._seen[key]

    def _missing(self, id: str, version: int) -> None:  # noqa: A002 - a definition's field
        versions = sorted(found for name, found in self._known if name == id)
        if versions:
            self._findings.violated(
                "operand.version",
                f"condition {id} has no version {version}: it has "
                f"{', '.join(str(found) for found in versions)}",
                self._where,
            )
        else:
            self._findings.violated("operand.unknown", f"there is no condition {id}", self._where)
