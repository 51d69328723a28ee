"""What a point asks: equal conditions once, and equal looks into a history once. Pure."""

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import orjson

from app.authority.guardrails.binding import Bound
from app.authority.guardrails.strategies.base import Reading, Reason, Result, Strategy, Summary
from app.authority.guardrails.strategies.registry import strategy
from app.authority.guardrails.values import (
    Action,
    Composite,
    Condition,
    Leaf,
    Operator,
    Parameters,
    Reference,
    Scope,
)
from app.authority.guardrails.verdicts import ROW, Verdict

MICROS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Look:
    """One look into a history: whatever asks for an equal one gets the same answer."""

    number: int
    strategy: Strategy
    params: Parameters
    """Those that its summary depends on; they are all that the record needs."""
    name: str
    key: tuple[str, bytes]
    reach_us: int
    steady: bool


class Summaries(Protocol):
    """What conditions need of histories, as of one time."""

    def of(self, look: Look, series: str) -> Summary:
        """Raises whatever makes it impossible."""


@dataclass(frozen=True, slots=True)
class Watch:
    """One condition over one primitive: asked once for all rules that have it."""

    leaf: Leaf
    primitive: str
    scope: Scope
    params: Parameters
    look: Look | None
    decide: Callable[[Reading, Summary, Parameters], Result]


Numbered = tuple[int, Watch]

Tree = int | tuple[Operator, tuple[Any, ...]]
"""A condition over numbers of watches."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A bound condition over the watches of its plan.

    `leaves`: in the order they are written. `scopes`: those of which it is asked one by one.
    `single`: it is one condition and no composite. `unmet` and its row in a record: what it says
    where that is not met, which is by far the most of what is said; None where it depends on more.
    """

    bound: Bound
    named: tuple[str, int, str]
    action: Action
    tree: Tree
    leaves: tuple[int, ...]
    scopes: tuple[Scope, ...]
    single: bool
    unmet: tuple[Verdict, orjson.Fragment] | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a point asks. `groups`: numbers and watches by what they read: it is read once.

    `hash`: that of a ruleset of these rules alone.
    """

    watches: tuple[Watch, ...]
    rules: tuple[Rule, ...]
    groups: tuple[tuple[str, Scope, tuple[Numbered, ...]], ...]
    hash: str


class _Planning:
    def __init__(self) -> None:
        self.watches: dict[Any, tuple[int, Watch]] = {}
        self.looks: dict[Any, Look] = {}

    def rule(self, bound: Bound) -> Rule:
        leaves: list[int] = []
        scopes: set[Scope] = set()
        tree = self._tree(bound.condition, leaves, scopes)
        of_each = tuple(scope for scope in Scope if scope in scopes and scope is not Scope.ALL)
        named = (bound.task, bound.version, bound.binding_hash)
        single = isinstance(tree, int)
        unmet = None
        if single and not of_each:
            verdict = Verdict(*named, "", bound.action, False, Reason.NO_MATCH, (None,), "")
            unmet = verdict, orjson.Fragment(orjson.dumps(verdict[:ROW]))
        return Rule(bound, named, bound.action, tree, tuple(leaves), of_each, single, unmet)

    def _tree(self, condition: Condition, leaves: list[int], scopes: set[Scope]) -> Tree:
        if isinstance(condition, Composite):
            operands = tuple(self._tree(o, leaves, scopes) for o in condition.operands)
            return condition.operator, operands
        if isinstance(condition, Reference):
            raise TypeError(f"{condition} was not expanded: make a Bound with bind")
        leaves.append(self._watch(condition))
        scopes.add(condition.scope)
        return leaves[-1]

    def _watch(self, leaf: Leaf) -> int:
        made = strategy(leaf.strategy, leaf.strategy_version)
        name = f"{leaf.strategy}@{leaf.strategy_version}"
        key = (leaf.primitive, leaf.primitive_version, leaf.scope, name, _key(leaf.params))
        found = self.watches.get(key)
        if found is None:
            look = self._look(leaf, made, name)
            watch = Watch(leaf, leaf.primitive, leaf.scope, leaf.params, look, made.decide)
            found = self.watches[key] = len(self.watches), watch
        return found[0]

    def _look(self, leaf: Leaf, made: Strategy, name: str) -> Look | None:
        signature = made.signature
        params = {each: leaf.params[each] for each in signature.summary_of if each in leaf.params}
        if not signature.summary_of:
            return None
        key = (name, _key(params))
        found = self.looks.get(key)
        if found is None:
            reach = made.reach(leaf.params) * MICROS
            number = len(self.looks)
            found = Look(number, made, params, name, key, reach, signature.steady)
            self.looks[key] = found
        return found


def plan_of(bounds: Iterable[Bound]) -> Plan:
    """Return what is asked where these are all that decides."""
    planning = _Planning()
    rules = tuple(planning.rule(bound) for bound in bounds)
    watches = tuple(watch for _, watch in planning.watches.values())
    return Plan(watches, rules, _grouped(watches), hash_of(rule.bound for rule in rules))


def hash_of(bounds: Iterable[Bound]) -> str:
    lines = sorted(f"{bound.task}@{bound.version} {bound.binding_hash}" for bound in bounds)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _grouped(watches: tuple[Watch, ...]) -> tuple[tuple[str, Scope, tuple[Numbered, ...]], ...]:
    by_read: dict[tuple[str, Scope], list[Numbered]] = {}
    for number, watch in enumerate(watches):
        by_read.setdefault((watch.primitive, watch.scope), []).append((number, watch))
    return tuple((*read, tuple(found)) for read, found in by_read.items())


def _key(params: Parameters) -> bytes:
    return orjson.dumps(params, option=orjson.OPT_SORT_KEYS)
