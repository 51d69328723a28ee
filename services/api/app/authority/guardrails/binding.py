"""A definition that decides: its references were replaced by what they stand for. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from app.authority.guardrails.normal import normal
from app.authority.guardrails.strategies.base import Strategy
from app.authority.guardrails.strategies.registry import strategy
from app.authority.guardrails.values import (
    Action,
    Composite,
    Condition,
    Definition,
    Leaf,
    Point,
    Reference,
)
from app.domain.refusals import GuardrailViolated

Known = Mapping[tuple[str, int], Definition]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A definition that decides. `condition` holds no `Reference`. It may be a key."""

    task: str
    version: int
    action: Action
    points: tuple[Point, ...]
    condition: Condition = field(hash=False)
    binding_hash: str


def bind(definition: Definition, known: Known) -> Bound:
    """Return what decides for `definition`; `known` has every definition that it refers to.

    Raises GuardrailViolated where one is missing, refers to itself or needs a strategy that this
    installation does not have.
    """
    intent = definition.resolution.intent
    here = (definition.pinned,)
    return Bound(
        task=definition.id,
        version=definition.version,
        action=intent.action,
        points=intent.points,
        condition=_expanded(definition.resolution.condition, known, here),
        binding_hash=definition.binding_hash,
    )


def _expanded(condition: Condition, known: Known, within: tuple[Reference, ...]) -> Condition:
    match condition:
        case Leaf():
            return _prepared(condition, within[0])
        case Composite(operator, operands, version):
            _strategy("composite", version, within[0])
            return Composite(
                operator, tuple(_expanded(o, known, within) for o in operands), version
            )
        case Reference(id, version):
            if condition in within:
                path = " -> ".join(f"{r.id} {r.version}" for r in (*within, condition))
                raise _violated("circular_reference", f"{path} is a circle.", within[0])
            found = known.get((id, version))
            if found is None:
                said = f"There is no version {version} of {id}. Name one that there is."
                raise _violated("unknown_reference", said, within[0])
            return _expanded(found.resolution.condition, known, (*within, condition))


def _prepared(leaf: Leaf, of: Reference) -> Leaf:
    """The leaf with its numbers as they are when they come back from storage."""
    _strategy(leaf.strategy, leaf.strategy_version, of)
    params = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in normal(leaf.params).items()
    }
    return Leaf(
        primitive=leaf.primitive,
        primitive_version=leaf.primitive_version,
        scope=leaf.scope,
        strategy=leaf.strategy,
        strategy_version=leaf.strategy_version,
        params=params,
    )


def _strategy(name: str, version: int, of: Reference) -> Strategy:
    try:
        return strategy(name, version)
    except LookupError as error:
        raise _violated("unknown_strategy", f"{of.id} cannot decide: {error}.", of) from error


def _violated(rule: str, message: str, of: Reference) -> GuardrailViolated:
    return GuardrailViolated(
        message, details={"violations": [{"rule": rule, "message": message, "where": of.id}]}
    )
