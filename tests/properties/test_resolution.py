"""Compiling holds whatever the document and the intent: it is a function, it only tightens, what is
said stands, and a change of what it did not read changes nothing.
"""

import random
from collections.abc import Callable, Iterator, Mapping
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
from app.authority.guardrails.strategies.registry import STRATEGIES, strategy
from app.authority.guardrails.values import Composite, Condition, Intent, Operator, Resolution
from app.domain.refusals import GuardrailViolated, IntentUnclear
from tests.unit.guardrails.documents import REMOVED, SMALL, changed, guardrails_of, leaves_of

NAMES = sorted(STRATEGIES)
LEAVES = ("threshold", "percentile", "z_score", "change", "equals")
TIERS = ("low", "medium", "high")
SIZED = {"threshold": "value", "percentile": "value", "z_score": "threshold", "change": "value"}

names = st.sampled_from(NAMES)
some_names = st.lists(st.sampled_from(LEAVES), unique=True, max_size=3)
levels = st.sampled_from([0, 0.05, 0.5, 1, 3, 5, 10, 20, 40, 50, 99, 1e9, 4e9, 4e10, 1e12])
primitives = st.sampled_from(sorted(SMALL["primitives"]))
tiers = st.sampled_from(TIERS)


def at(path: Callable[..., str], *parts: Any, to: Any) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.builds(path, *parts), to)


bounds = st.one_of(
    st.builds(lambda low: {"min": low}, levels),
    st.builds(lambda high: {"max": high}, levels),
    st.builds(lambda a, b: {"min": min(a, b), "max": max(a, b)}, levels, levels),
)
change = st.one_of(
    st.tuples(st.just("severity/default"), tiers),
    st.tuples(st.just("severity/urgent"), st.sampled_from([[], ["urgently"], ["sharply now"]])),
    st.tuples(st.just("severity/words/high"), st.sampled_from([["very"], ["sharply", "clearly"]])),
    st.tuples(st.just("preferences/preferred"), some_names),
    st.tuples(st.just("preferences/discouraged"), some_names),
    st.tuples(st.just("preferences/default"), st.sampled_from(LEAVES)),
    st.tuples(st.just("application_context/preferred"), some_names),
    st.tuples(
        st.just("application_context/instructions"),
        st.lists(
            st.sampled_from(["Give early warning.", "We want few alerts.", "Quiet, and cautious."]),
            unique=True,
        ),
    ),
    at(
        "bias_rules/{}".format,
        st.sampled_from(["early warning", "cautious", "few alerts", "want"]),
        to=st.one_of(st.integers(-2, 2), st.just(REMOVED)),
    ),
    st.tuples(st.just("constraints/on_bounds_exceeded"), st.sampled_from(["clamp", "reject"])),
    st.tuples(st.just("constraints/max_conditions"), st.integers(1, 4)),
    st.tuples(st.just("constraints/disallowed_strategies"), some_names),
    st.tuples(st.just("constraints/disallowed_primitives"), st.lists(primitives, max_size=1)),
    at("constraints/minimum_versions/{}".format, names, to=st.integers(1, 2)),
    at("strategies/{}/enabled".format, names, to=st.booleans()),
    at(
        "type_compatibility/{}".format,
        st.sampled_from(sorted(SMALL["type_compatibility"])),
        to=st.lists(names, unique=True, max_size=4),
    ),
    at(
        "parameters/{}/{}".format,
        st.sampled_from(LEAVES[:4]),
        st.sampled_from(["value", "threshold", "window"]),
        to=bounds,
    ),
    at("primitives/{}/bounds/{}".format, primitives, st.sampled_from(LEAVES[:4]), to=bounds),
    at(
        "primitives/{}/priors/{}/{}".format,
        primitives,
        st.sampled_from(LEAVES[:4]),
        tiers,
        to=st.one_of(levels, st.none(), st.just(REMOVED)),
    ),
    at(
        "defaults/priors/{}/{}".format,
        st.sampled_from(LEAVES[:4]),
        tiers,
        to=st.one_of(levels, st.none(), st.just(REMOVED)),
    ),
    at(
        "primitives/{}/windows/{}".format,
        primitives,
        st.sampled_from(LEAVES[1:4]),
        to=st.sampled_from(["90s", "2h", "14d", REMOVED]),
    ),
    at(
        "defaults/windows/{}".format,
        st.sampled_from(LEAVES[1:4]),
        to=st.sampled_from(["5m", "2h", REMOVED]),
    ),
    at("primitives/{}/worse".format, primitives, to=st.sampled_from(["above", "below"])),
    at("primitives/{}/preferred".format, primitives, to=some_names),
    at("primitives/{}/discouraged".format, primitives, to=some_names),
    at("primitives/{}/words".format, primitives, to=st.sampled_from([["thing"], ["rather"]])),
    at("primitives/{}".format, primitives, to=st.just(REMOVED)),
    st.tuples(
        st.just("primitives/model_publisher/terms"),
        st.sampled_from([{}, {"unknown sources": {"one_of": "safe"}}]),
    ),
    at(
        "domain/sets/{}".format,
        st.sampled_from(["safe", "known"]),
        to=st.sampled_from([["gguf"], ["other", "gguf"]]),
    ),
    at(
        "mappings/{}".format,
        st.sampled_from(["rise", "rises", "drops", "spikes", "above", "is", "sharply"]),
        to=st.sampled_from(
            [
                {"strategy": "change", "direction": "any"},
                {"strategy": "percentile", "direction": "bottom"},
                {"strategy": "z_score"},
                REMOVED,
            ]
        ),
    ),
)
changes = st.lists(change, max_size=6).map(dict)


def clauses() -> st.SearchStrategy[dict[str, Any]]:
    optional = {
        "strategy": st.sampled_from(LEAVES),
        "severity": st.lists(st.sampled_from(["very", "slightly", "urgently", "high"]), max_size=2),
        "mapping": st.sampled_from(["rises", "drops", "spikes", "large"]),
        "term": st.sampled_from(["unverified", "unknown sources"]),
        "scope": st.sampled_from(["all", "model", "actor"]),
        "params": st.dictionaries(
            st.sampled_from(["value", "threshold", "direction", "window", "values", "negate"]),
            st.one_of(levels, st.sampled_from(["above", "any"]), st.just(["gguf"]), st.booleans()),
            max_size=2,
        ),
    }
    return st.fixed_dictionaries({"primitive": primitives}, optional=optional)


expressions = st.recursive(
    clauses(),
    lambda inner: st.one_of(
        st.builds(lambda parts: {"all": parts}, st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda parts: {"any": parts}, st.lists(inner, min_size=2, max_size=3)),
        st.builds(lambda part: {"not": part}, inner),
    ),
    max_leaves=3,
)
structures = st.fixed_dictionaries(
    {"action": st.sampled_from(["alert", "block", "require_approval"]), "when": expressions},
    optional={"points": st.lists(st.sampled_from(["load", "pull", "tick"]), max_size=2)},
)
VOCABULARY = (
    "alert block ask when unless and or not is is above below more than by more than at least in "
    "the top 5 % 95th percentile 10 0.5 20 gb 3 standard deviations within 1 hour per key per "
    "model ( ) , loading pulls size format licence publisher memory pressure latency blocked "
    'attempts rises sharply very unverified unknown sources "mit" critical percentile'
).split(" ")
texts = st.one_of(
    st.sampled_from(
        [
            "Alert when blocked attempts rise sharply and are above 10",
            "Block loading or pulling a model whose format is unverified",
            "Block pulls from unknown sources unless size is below 5 GB",
            "Ask for approval before loading a model whose size is very large",
            "Alert when memory pressure rises by more than 20 % within 1 hour",
            "Alert when latency per model spikes or error rate is unusual",
            "Alert when headroom drops slightly",
            "Alert when latency is critical",
            "Block loading when memory pressure is above 90 %",
            'Block loading a model whose licence is "mit" or "isc" and size is in the top 5 %',
        ]
    ),
    st.lists(st.sampled_from(VOCABULARY), max_size=14).map(lambda words: " ".join(words)),
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


@settings(quick, max_examples=400)
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


@settings(quick, max_examples=300)
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


@settings(quick, max_examples=200)
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
