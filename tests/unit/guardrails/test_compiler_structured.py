"""Definitions given as structure: what they say, and that nothing in them is passed over."""

from typing import Any

import pytest

from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.compiler.saying import sentence
from app.authority.guardrails.compiler.structured import intent_of
from app.authority.guardrails.values import (
    Action,
    Clause,
    Combined,
    Intent,
    Operator,
    Point,
    Reference,
    Scope,
)
from app.domain.refusals import IntentUnclear
from tests.unit.guardrails.documents import small, told

SIZE = {"primitive": "model_size", "strategy": "threshold", "params": {"value": 5}}


def intent(when: Any, **more: Any) -> Intent:
    return intent_of({"action": "block", "when": when, **more}, small())


def test_every_field_of_a_clause_is_taken_as_it_stands() -> None:
    given = {
        "primitive": "blocked_attempts",
        "strategy": "change",
        "params": {"value": 0.5, "window": 60, "direction": "any"},
        "scope": "actor",
        "severity": ["Very"],
        "mapping": "rises",
    }
    assert intent(given, points=["pull", "load"]) == Intent(
        text="",
        action=Action.BLOCK,
        points=(Point.LOAD, Point.PULL),
        when=Clause(
            primitive="blocked_attempts",
            strategy="change",
            params={"value": 0.5, "window": 60, "direction": "any"},
            scope=Scope.ACTOR,
            severity=("very",),
            mapping="rises",
        ),
    )


def test_conditions_nest_and_refer() -> None:
    size = Clause(primitive="model_size", strategy="threshold", params={"value": 5})
    assert intent({"all": [SIZE, {"not": {"condition": "slow", "version": 2}}]}).when == Combined(
        Operator.AND, (size, Combined(Operator.NOT, (Reference("slow", 2),)))
    )
    assert intent({"any": [SIZE, SIZE]}).when == Combined(Operator.OR, (size, size))


def test_a_structure_compiles_as_the_text_that_says_the_same() -> None:
    text = resolve("Block pulls from unknown sources unless size is below 5 GB", small())
    pulls = {"primitive": "model_publisher", "term": "unknown sources"}
    params = {"value": 5_000_000_000, "direction": "below"}
    small_one = {"primitive": "model_size", "strategy": "threshold", "params": params}
    given = intent({"all": [pulls, {"not": small_one}]}, points=["pull"])
    assert told(resolve(given, small())) == told(text)


def test_a_tiers_own_name_is_a_severity() -> None:
    given = intent({"primitive": "model_size", "severity": ["high"]})
    assert "above 100.0 GB" in sentence(resolve(given, small()))


WRONG: dict[str, tuple[Any, str]] = {
    "no action": ({"when": SIZE}, "Which action"),
    "another action": ({"action": "allow", "when": SIZE}, "alert, require_approval, block"),
    "no condition": ({"action": "block"}, "Which when"),
    "an unknown key": ({"action": "block", "when": SIZE, "then": 1}, '"then"'),
    "an unknown point": ({"action": "block", "points": ["start"], "when": SIZE}, "Which point"),
    "points that are no list": ({"action": "block", "points": "load", "when": SIZE}, "list"),
    "a condition that is a text": ({"action": "block", "when": "always"}, "mapping"),
    "no primitive": ({"action": "block", "when": {}}, "Which primitive"),
    "an unknown key of a clause": (
        {"action": "block", "when": {**SIZE, "threshold": 5}},
        '"threshold"',
    ),
    "a reference without a version": (
        {"action": "block", "when": {"condition": "slow"}},
        "Which version",
    ),
    "a version that is no number": (
        {"action": "block", "when": {"condition": "slow", "version": "2"}},
        "whole number",
    ),
    "two forms at once": ({"action": "block", "when": {"all": [], "any": []}}, '"any"'),
    "another scope": ({"action": "block", "when": {**SIZE, "scope": "host"}}, "all, model, actor"),
    "a number that is none": (
        {"action": "block", "when": {**SIZE, "params": {"value": float("nan")}}},
        "number",
    ),
    "a number beyond all": (
        {"action": "block", "when": {**SIZE, "params": {"value": 10**30}}},
        "n",
    ),
    "a null": ({"action": "block", "when": {**SIZE, "params": {"value": None}}}, "number"),
    "a phrase nobody knows": (
        {"action": "block", "when": {"primitive": "model_size", "severity": ["hugely"]}},
        "Which severity",
    ),
    "a mapping nobody knows": (
        {"action": "block", "when": {"primitive": "model_size", "mapping": "explodes"}},
        "Which mapping",
    ),
    "a term nobody knows": (
        {"action": "block", "when": {"primitive": "model_format", "term": "odd"}},
        "no such term",
    ),
    "nothing to compare a text with": (
        {"action": "block", "when": {"primitive": "model_licence", "strategy": "equals"}},
        "Which values",
    ),
}


@pytest.mark.parametrize("fault", WRONG)
def test_what_is_wrong_in_a_structure_is_asked_about(fault: str) -> None:
    given, expected = WRONG[fault]
    with pytest.raises(IntentUnclear) as caught:
        resolve(intent_of(given, small()), small())
    assert expected in caught.value.message
    assert caught.value.details["where"]


def nested(depth: int) -> Any:
    return SIZE if depth == 0 else {"not": nested(depth - 1)}


@pytest.mark.parametrize("when", [nested(200), {"all": [SIZE] * 100}], ids=["deep", "wide"])
def test_a_structure_without_end_is_refused(when: Any) -> None:
    with pytest.raises(IntentUnclear):
        intent(when)


SAID = {
    "Alert when latency per model spikes": (
        "Alert when latency per model is more than 3 standard deviations above the mean of 7 days."
    ),
    "Alert when blocked attempts rise by more than 20 % within 2 hours": (
        "Alert when blocked attempts rise by more than 20 % within 2 hours."
    ),
    "Ask before loading a model whose size is in the top 5 % over the last 7 days": (
        "Ask for approval before load when model size is in the top 5 % of 7 days."
    ),
    "Block loading or pulling a model whose format is unverified": (
        "Block load and pull when model format is none of gguf, safetensors."
    ),
    'Block pulls whose licence is "mit" and (size is above 1 GB or format is gguf)': (
        "Block pull when model licence is mit and (model size is above 1.0 GB or model format is "
        "gguf)."
    ),
    "Alert when latency is not above 5 seconds": ("Alert unless latency is above 5 seconds."),
    "Block pulls from unknown sources unless size is below 5 GB": (
        "Block pull when model publisher is none of lmx, mlx-community unless model size is below "
        "5.0 GB."
    ),
    "Alert when deleting a model whose size is above 5 GB": (
        "Alert at delete when model size is above 5.0 GB."
    ),
}


@pytest.mark.parametrize("text", SAID)
def test_a_rule_is_said_back_in_plain_words(text: str) -> None:
    guardrails = small({"points/delete/words": ["deleting"]})
    assert sentence(resolve(text, guardrails)) == SAID[text]


def test_many_values_of_a_set_are_said_by_its_name_and_those_of_an_intent_one_by_one() -> None:
    guardrails = small({"domain/sets/known": [f"publisher-{n}" for n in range(7)]})
    found = resolve("Block pulls from unknown sources", guardrails)
    assert sentence(found) == "Block pull when model publisher is none of the 7 known."
    listed = " or ".join(f'"p{n}"' for n in range(7))
    said = sentence(resolve(f"Block pulls whose licence is {listed}", guardrails))
    assert "one of p0, p1, p2, p3, p4, p5, p6." in said
