"""Conditions that can never be met, because two of their parts exclude each other. Pure."""

from collections.abc import Iterator
from itertools import combinations

from app.authority.guardrails.compiler.findings import Findings, unclear
from app.authority.guardrails.strategies.wording import spoken
from app.authority.guardrails.values import Composite, Condition, Leaf, Operator


def look_for_contradictions(condition: Condition, findings: Findings, where: str) -> None:
    """Ask about every two operands of an AND that no value can meet together."""
    if not isinstance(condition, Composite):
        return
    if condition.operator is Operator.AND:
        leaves = list(_all_needed(condition))
        for one, other in combinations(leaves, 2):
            if _exclude(one, other) or _exclude(other, one):
                findings.asks(
                    unclear(
                        f"When is this to be met? {spoken(one.primitive)} cannot be both "
                        f"{_said(one)} and {_said(other)}; alternatives are joined with or.",
                        where=where,
                        choices=(_said(one), _said(other)),
                    )
                )
    for place, operand in enumerate(condition.operands):
        look_for_contradictions(operand, findings, f"{where}.{place}")


def _all_needed(condition: Composite) -> Iterator[Leaf]:
    for operand in condition.operands:
        if isinstance(operand, Leaf):
            yield operand
        elif isinstance(operand, Composite) and operand.operator is Operator.AND:
            yield from _all_needed(operand)


def _exclude(one: Leaf, other: Leaf) -> bool:
    if (one.primitive, one.scope, one.strategy) != (other.primitive, other.scope, other.strategy):
        return False
    mine, theirs = one.params, other.params
    if one.strategy == "threshold":
        low, high = mine["value"], theirs["value"]
        opposed = (mine["direction"], theirs["direction"]) == ("above", "below")
        return (
            opposed
            and isinstance(low, int | float)
            and isinstance(high, int | float)
            and high <= low
        )
    if one.strategy == "equals":
        return _no_text(mine["values"], theirs["values"], mine["negate"], theirs["negate"])
    return False


def _no_text(mine: object, theirs: object, negate: object, others_negate: object) -> bool:
    if not isinstance(mine, tuple) or not isinstance(theirs, tuple) or negate is True:
        return False
    if others_negate is True:
        return set(mine) <= set(theirs)
    return not set(mine) & set(theirs)


def _said(leaf: Leaf) -> str:
    if leaf.strategy == "threshold":
        return f"{leaf.params['direction']} {leaf.params['value']}"
    values = leaf.params["values"]
    listed = ", ".join(values) if isinstance(values, tuple) else str(values)
    return f"{'none' if leaf.params['negate'] else 'one'} of {listed}"
