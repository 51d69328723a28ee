"""What is bound, prepared once so that deciding is quick: nothing here depends on a reading. Pure.

A `Bound` decides: a definition whose references were replaced by what they stand for. A `Ruleset`
is all of them; for each point it keeps a `Plan` in which equal conditions are asked once and equal
looks into a history are taken once.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

import orjson

from app.authority.guardrails.normal import normal
from app.authority.guardrails.strategies.base import Reading, Reason, Result, Strategy, Summary
from app.authority.guardrails.strategies.registry import strategy
from app.authority.guardrails.values import (
    Action,
    Composite,
    Condition,
    Definition,
    Leaf,
    Operator,
    Parameters,
    Point,
    Reference,
    Scope,
)
from app.authority.guardrails.verdicts import ROW, Verdict
from app.domain.refusals import GuardrailViolated

MICROS: Final = 1_000_000
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


# --- series ---------------------------------------------------------------------------------


def series_key(primitive: str, scope: Scope = Scope.ALL, key: str = "") -> str:
    """Return the name of a series: ``latency``, ``latency@model:lmx/starter``."""
    return primitive if scope is Scope.ALL else f"{primitive}@{scope}:{key}"


def series_parts(series: str) -> tuple[str, Scope, str]:
    """Return the primitive, the scope and the key of a series' name."""
    primitive, scoped, rest = series.partition("@")
    if not scoped:
        return primitive, Scope.ALL, ""
    scope, _, key = rest.partition(":")
    return primitive, Scope(scope), key


# --- plans ----------------------------------------------------------------------------------


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
    groups: tuple[tuple[str, Scope, tuple[tuple[int, Watch], ...]], ...]
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


def _hash_of(bounds: Iterable[Bound]) -> str:
    lines = sorted(f"{bound.task}@{bound.version} {bound.binding_hash}" for bound in bounds)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _grouped(
    watches: tuple[Watch, ...],
) -> tuple[tuple[str, Scope, tuple[tuple[int, Watch], ...]], ...]:
    by_read: dict[tuple[str, Scope], list[tuple[int, Watch]]] = {}
    for number, watch in enumerate(watches):
        by_read.setdefault((watch.primitive, watch.scope), []).append((number, watch))
    return tuple((*read, tuple(found)) for read, found in by_read.items())


def _key(params: Parameters) -> bytes:
    return orjson.dumps(params, option=orjson.OPT_SORT_KEYS)


# --- rulesets -------------------------------------------------------------------------------

MOST_REMEMBERED: Final = 20_000
MOST_HISTORIES: Final = 16


class Ruleset:
    """Everything that is bound. It never changes, except for what it remembers of histories.

    `guardrails` is the hash of the active document, for the record.
    """

    def __init__(self, bounds: Iterable[Bound], guardrails: str = "") -> None:
        self.bounds = tuple(sorted(bounds, key=lambda b: (b.task, b.version, b.binding_hash)))
        self.guardrails = guardrails
        self.hash = _hash_of(self.bounds)
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
            planning = _Planning()
            rules = tuple(planning.rule(b) for b in self.bounds if point in b.points)
            watches = tuple(watch for _, watch in planning.watches.values())
            hashed = _hash_of([rule.bound for rule in rules])
            found = self._plans[point] = Plan(watches, rules, _grouped(watches), hashed)
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
