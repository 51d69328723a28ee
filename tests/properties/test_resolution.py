"""Compiling holds whatever the document and the intent: it is a function, it only tightens, what is
said stands, and a change of what it did not read changes nothing.
"""

import random
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from app.authority.guardrails.affected import (
    Affected,
    Change,
    Watched,
    changed_phrases,
    vocabulary,
)
from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.compiler.structured import intent_of
from app.authority.guardrails.compiler.words import LONGEST_TEXT
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.document.normal_form import changed_keys
from app.authority.guardrails.primitives import PRIMITIVES
from app.authority.guardrails.strategies.registry import strategy
from app.authority.guardrails.values import Composite, Condition, Intent, Operator, Resolution
from app.domain.refusals import GuardrailViolated, IntentUnclear
from tests.unit.guardrails.documents import SMALL, changed, guardrails_of, leaves_of
from tests.unit.guardrails.generated import (
    LEAVES,
    SIZED,
    bounds,
    change,
    changes,
    levels,
    primitives,
    structures,
    texts,
)

Outcome = tuple[str, Any]
quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


def documents(changed_to: Mapping[str, Any]) -> Guardrails:
    """Whatever is changed: the compiler has to hold under documents that nobody would load, too."""
    plain = changed(SMALL, {})
    for path, value in changed_to.items():
        name = path.split("/")[1] if path.startswith("primitives/") else None
        if name is None or name in plain["primitives"]:
            plain = changed(plain, {path: value})
    return guardrails_of(plain)


def outcome(intent: str | Mapping[str, Any] | Intent, guardrails: Guardrails) -> Outcome:
    """What came out: a resolution, or the refusal with all that it says."""
    try:
        if isinstance(intent, Mapping):
            intent = intent_of(intent, guardrails)
        return "resolved", resolve(intent, guardrails)
    except (IntentUnclear, GuardrailViolated) as refusal:
        return refusal.code, (refusal.message, refusal.details)


def shuffled(plain: Any, order: random.Random) -> Any:
    if not isinstance(plain, dict):
        return plain
    keys = list(plain)
    order.shuffle(keys)
    return {key: shuffled(plain[key], order) for key in keys}


@quick
@given(changes, st.one_of(structures, texts), st.randoms(use_true_random=False))
def test_the_order_of_the_documents_keys_changes_nothing(
    changed_to: dict[str, Any], intent: Any, order: random.Random
) -> None:
    plain = changed(SMALL, changed_to)
    assume(all("words" in guide for guide in plain["primitives"].values()))
    one, other = guardrails_of(plain), guardrails_of(shuffled(plain, order))
    assert outcome(intent, one) == outcome(intent, other)


@quick
@given(changes, st.one_of(structures, texts))
def test_the_same_intent_twice_gives_equal_resolutions(
    changed_to: dict[str, Any], intent: Any
) -> None:
    guardrails = documents(changed_to)
    assert outcome(intent, guardrails) == outcome(intent, documents(changed_to))


@quick
@given(changes, st.one_of(structures, texts))
def test_every_parameter_is_inside_all_bounds(changed_to: dict[str, Any], intent: Any) -> None:
    guardrails = documents(changed_to)
    kind, resolution = outcome(intent, guardrails)
    if kind != "resolved":
        return
    document = guardrails.document
    for _, leaf in leaves_of(resolution.condition, "when"):
        signature = strategy(leaf.strategy, leaf.strategy_version).signature
        assert set(leaf.params) == set(signature.parameters)
        for name, value in leaf.params.items():
            parameter = signature.parameters[name]
            places = [document.parameters.get(leaf.strategy, {}).get(name)]
            if name == signature.level:
                places.append(document.primitives[leaf.primitive].bounds.get(leaf.strategy))
            if parameter.type in {"number", "duration"}:
                assert parameter.minimum is None or value >= parameter.minimum
                assert parameter.maximum is None or value <= parameter.maximum
                low = parameter.exclusive_minimum
                assert low is None or value > low
                for limit in filter(None, places):
                    assert limit.min is None or value >= limit.min
                    assert limit.max is None or value <= limit.max


@quick
@given(changes, primitives, st.sampled_from(sorted(SIZED)), levels, st.data())
def test_an_explicit_number_is_never_changed(
    changed_to: dict[str, Any], primitive: str, named: str, level: float, data: st.DataObject
) -> None:
    when: dict[str, Any] = {"primitive": primitive, "params": {SIZED[named]: level}}
    if data.draw(st.booleans()):
        when["strategy"] = named
    when["severity"] = data.draw(st.lists(st.sampled_from(["very", "urgently"]), max_size=1))
    kind, resolution = outcome({"action": "alert", "when": when}, documents(changed_to))
    if kind == "resolved":
        [(_, leaf)] = leaves_of(resolution.condition, "when")
        assert leaf.params[SIZED[leaf.strategy]] == level


@quick
@given(changes, st.one_of(structures, texts), primitives, st.sampled_from(LEAVES[:4]), bounds)
def test_tightening_a_bound_never_makes_a_rule_more_permissive(
    changed_to: dict[str, Any], intent: Any, primitive: str, named: str, bound: dict[str, float]
) -> None:
    before = documents(changed_to)
    guide = before.document.primitives.get(primitive)
    if guide is None:
        return
    path = f"primitives/{primitive}/bounds/{named}"
    old = guide.bounds.get(named)
    tight = dict(bound)
    if old is not None:
        lows = [each for each in (old.min, bound.get("min")) if each is not None]
        highs = [each for each in (old.max, bound.get("max")) if each is not None]
        tight = {"min": max(lows, default=None), "max": min(highs, default=None)}
    kind, resolution = outcome(intent, before)
    after = outcome(intent, documents({**changed_to, path: tight}))
    if kind == "resolved" and after[0] == "resolved":
        assert at_least_as_strict(resolution, after[1])


def at_least_as_strict(before: Resolution, after: Resolution) -> bool:
    """Leaf by leaf: the same strategy, and a level on the side where the rule is met more often."""
    inverted_paths = set(under_not(before.condition, "when", inverted=False))
    pairs = zip(
        leaves_of(before.condition, "when"), leaves_of(after.condition, "when"), strict=True
    )
    for (path, old), (_, new) in pairs:
        if old == new:
            continue
        inverted = path in inverted_paths
        level = SIZED[old.strategy]
        if replace(old, params={**old.params, level: new.params[level]}) != new:
            return False
        side = strategy(old.strategy, old.strategy_version).stricter(old.params)
        lower = new.params[level] < old.params[level]  # type: ignore[operator]
        met_more = lower is (side == "lower")
        if met_more is inverted:
            return False
    return True


def under_not(condition: Condition, path: str, *, inverted: bool) -> Iterator[str]:
    """Where a condition that is met more often makes the rule be met less often."""
    if isinstance(condition, Composite):
        turned = inverted is not (condition.operator is Operator.NOT)
        for place, operand in enumerate(condition.operands):
            yield from under_not(operand, f"{path}.{place}", inverted=turned)
    elif inverted:
        yield path


@settings(quick, max_examples=150)
@given(changes, st.one_of(structures, texts), change)
def test_what_was_neither_read_nor_said_changes_nothing(
    changed_to: dict[str, Any], intent: Any, later: tuple[str, Any]
) -> None:
    """What finding affected tasks rests on."""
    before, after = documents(changed_to), documents(dict([*changed_to.items(), later]))
    kind, resolution = outcome(intent, before)
    if kind != "resolved":
        return
    trace = resolution.trace
    tasks = Affected([Watched("task", trace.reads, trace.words)])
    difference = Change(
        changed_keys(before.document, after.document),
        changed_phrases(vocabulary(before.document), vocabulary(after.document)),
    )
    if tasks.by(difference):
        return
    again = intent if isinstance(intent, str) else resolution.intent
    kind, compiled = outcome(again, after)
    assert kind == "resolved", compiled
    assert replace(compiled, guardrails="") == replace(resolution, guardrails="")


@settings(quick, max_examples=120)
@given(st.one_of(st.text(max_size=200), texts, st.text('alert when (")<>=,.% 10', max_size=80)))
def test_no_text_raises_anything_but_a_refusal(text: str) -> None:
    kind, _ = outcome(f"Alert when {text}", documents({}))
    assert kind in {"resolved", "intent_unclear", "guardrail_violated"}
    assert outcome(text, documents({}))[0] in {"resolved", "intent_unclear", "guardrail_violated"}


@quick
@given(st.text(min_size=LONGEST_TEXT + 1, max_size=LONGEST_TEXT + 50))
def test_a_text_that_is_too_long_is_refused(text: str) -> None:
    with pytest.raises(IntentUnclear, match="at most"):
        resolve(text, documents({}))


json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["all", "any", "not", "primitive", "params", "when", "condition"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=8,
)


@settings(quick, max_examples=100)
@given(
    st.one_of(
        json_values.map(lambda value: {"action": "alert", "when": value}),
        st.dictionaries(st.sampled_from(["action", "points", "when", "x"]), json_values),
    )
)
def test_no_structure_raises_anything_but_a_refusal(given_as: dict[str, Any]) -> None:
    kind, _ = outcome(given_as, documents({}))
    assert kind in {"resolved", "intent_unclear", "guardrail_violated"}


def test_the_primitives_of_these_properties_are_real() -> None:
    assert set(SMALL["primitives"]) <= set(PRIMITIVES)
