"""What a text says, word by word; and that whatever is not understood is asked about."""

from typing import Any

import pytest

from app.authority.guardrails.compiler.reading import read
from app.authority.guardrails.values import (
    Action,
    Clause,
    Combined,
    Expression,
    Intent,
    Operator,
    Point,
    Scope,
)
from app.domain.refusals import IntentUnclear
from tests.unit.guardrails.documents import small

GUARDRAILS = small()


def reading(text: str) -> Intent:
    return read(text, GUARDRAILS)


def said(condition: str) -> Expression:
    return reading(f"Alert when {condition}").when


def above(primitive: str, value: float, direction: str = "above", **more: Any) -> Clause:
    params = {"direction": direction, "value": value}
    return Clause(primitive=primitive, strategy="threshold", params=params, **more)


def equal(primitive: str, *values: str, negate: bool = False) -> Clause:
    params = {"values": values, "negate": negate}
    return Clause(primitive=primitive, strategy="equals", params=params)


NUMBERS = {
    "size is above 20 GB": above("model_size", 20_000_000_000),
    "size is over 20GiB": above("model_size", 20 * 2**30),
    "size > 1.5 MB": above("model_size", 1_500_000),
    "the size of a model is smaller than 500 kB": above("model_size", 500_000, "below"),
    "memory pressure exceeds 90 %": above("memory_pressure", 0.9),
    "memory pressure is above 0.9": above("memory_pressure", 0.9),
    "memory pressure is above 90 percent": above("memory_pressure", 0.9),
    "latency is above 250 ms": above("latency", 0.25),
    "latency is longer than 2 minutes": above("latency", 120),
    "days since verified is above 36 hours": above("days_since_verified", 1.5),
    "blocked attempts are more than 10 per hour": above("blocked_attempts", 10),
    "headroom is under 4 GB": above("memory_headroom", 4_000_000_000, "below"),
}


@pytest.mark.parametrize("condition", NUMBERS)
def test_a_number_that_is_said_is_explicit_in_the_primitives_unit(condition: str) -> None:
    assert said(condition) == NUMBERS[condition]


STRATEGIES = {
    "latency is more than 3 standard deviations above the mean": Clause(
        primitive="latency", strategy="z_score", params={"threshold": 3, "direction": "above"}
    ),
    "latency is above average by more than 3": None,
    "latency is more than 2.5 sigma from the mean": Clause(
        primitive="latency", strategy="z_score", params={"threshold": 2.5, "direction": "any"}
    ),
    "latency is above the 95th percentile": Clause(
        primitive="latency", strategy="percentile", params={"direction": "top", "value": 5}
    ),
    "latency is below the 10th percentile": Clause(
        primitive="latency", strategy="percentile", params={"direction": "bottom", "value": 10}
    ),
    "size is in the top 5 %": Clause(
        primitive="model_size", strategy="percentile", params={"direction": "top", "value": 5}
    ),
    "blocked attempts rise by more than 50 % within 2 hours": Clause(
        primitive="blocked_attempts",
        strategy="change",
        params={"value": 0.5, "window": 7200},
        mapping="rise",
    ),
    "blocked attempts rise sharply in the last day": Clause(
        primitive="blocked_attempts",
        params={"window": 86_400},
        severity=("sharply",),
        mapping="rise",
    ),
    "blocked attempts per key rise": Clause(
        primitive="blocked_attempts", scope=Scope.ACTOR, mapping="rise"
    ),
    "latency is large using z-score": Clause(
        primitive="latency", strategy="z_score", mapping="large"
    ),
}


@pytest.mark.parametrize("condition", [each for each, clause in STRATEGIES.items() if clause])
def test_what_is_said_of_a_strategy_is_kept(condition: str) -> None:
    assert said(condition) == STRATEGIES[condition]


VALUES = {
    "format is gguf": equal("model_format", "gguf"),
    "format is gguf or safetensors": equal("model_format", "gguf", "safetensors"),
    "format is none of gguf, safetensors": equal(
        "model_format", "gguf", "safetensors", negate=True
    ),
    'licence is not "MIT"': equal("model_licence", "MIT", negate=True),
    'licence is one of "mit", "isc" or "0bsd"': equal("model_licence", "mit", "isc", "0bsd"),
    "licence equals “mit”": equal("model_licence", "mit"),
    "on demand": equal("on_demand", "true"),
    "not on demand": equal("on_demand", "false"),
    "format is unverified": Clause(primitive="model_format", term="unverified"),
    "from unknown sources": Clause(primitive="model_publisher", term="unknown sources"),
    "format is not unverified": Combined(
        Operator.NOT, (Clause(primitive="model_format", term="unverified"),)
    ),
}


@pytest.mark.parametrize("condition", VALUES)
def test_values_are_kept_and_terms_stand_for_sets(condition: str) -> None:
    assert said(condition) == VALUES[condition]


RISE = Clause(primitive="blocked_attempts", mapping="rise")
JOINED = {
    "blocked attempts rise and are above 10": Combined(
        Operator.AND, (RISE, above("blocked_attempts", 10))
    ),
    "blocked attempts rise or size is above 1 GB": Combined(
        Operator.OR, (RISE, above("model_size", 10**9))
    ),
    "blocked attempts rise unless latency is above 2 seconds": Combined(
        Operator.AND, (RISE, Combined(Operator.NOT, (above("latency", 2),)))
    ),
    "(blocked attempts rise or latency is above 2 seconds) and size is above 1 GB": Combined(
        Operator.AND,
        (
            Combined(Operator.OR, (RISE, above("latency", 2))),
            above("model_size", 10**9),
        ),
    ),
    'licence is "mit" or "isc" and size is above 1 GB': Combined(
        Operator.AND, (equal("model_licence", "mit", "isc"), above("model_size", 10**9))
    ),
    "blocked attempts per key rise and are above 10": Combined(
        Operator.AND,
        (
            Clause(primitive="blocked_attempts", mapping="rise", scope=Scope.ACTOR),
            above("blocked_attempts", 10, scope=Scope.ACTOR),
        ),
    ),
}


@pytest.mark.parametrize("condition", JOINED)
def test_conditions_join_and_inherit_what_they_watch(condition: str) -> None:
    assert said(condition) == JOINED[condition]


def test_the_head_says_action_and_points_in_one_order() -> None:
    text = "Ask for approval before pulling, deleting or loading a model whose size is large"
    intent = read(text, small({"points/delete/words": ["deleting"]}))
    assert intent.action is Action.REQUIRE_APPROVAL
    assert intent.points == (Point.LOAD, Point.PULL, Point.DELETE)
    assert intent.text == text


def test_what_is_urgent_is_urgent_for_every_clause() -> None:
    intent = reading("Urgently alert when latency rises or blocked attempts rise")
    assert isinstance(intent.when, Combined)
    severities = [each.severity for each in intent.when.operands if isinstance(each, Clause)]
    assert severities == [("urgently",), ("urgently",)]


def test_the_longest_phrase_wins() -> None:
    longer = small({"primitives/error_rate/words": ["blocked attempts rate"]})
    found = read("Alert when blocked attempts rate rises", longer).when
    assert isinstance(found, Clause)
    assert found.primitive == "error_rate"


UNCLEAR = {
    "": "An intent begins with an action",
    "   ...": "An intent begins with an action",
    "When size is above 5 GB": "An intent begins with an action",
    "Alert": "When?",
    "Block loading": "When?",
    "Alert when latency": "What about latency",
    "Alert when latency within 1 hour": "What about latency",
    "Alert when latency wobbles": '"wobbles"',
    "Alert when latancy rises": "Choices: latency",
    "Alert when latency is at least 5 seconds": "strict",
    "Alert when latency is >= 5 seconds": "strict",
    "Alert when latency is above": "which number",
    "Alert when latency is above 5 GB": "seconds",
    "Alert when latency is above 5": "seconds",
    "Alert when memory pressure is above 90": "90 %",
    "Alert when latency is over 5 seconds": "limit or a window",
    "Alert when latency rises above 5 seconds": "Which of them",
    "Alert when latency rises and": "When?",
    "Alert when latency rises or drops and error rate rises": "parentheses",
    "Alert when latency rises or error rate rises unless size is large": "parentheses",
    "Alert when latency rises unless size is large or size is large": "parentheses",
    "Alert when (latency rises": "parenthesis end",
    "Alert when latency rises)": '")"',
    "Alert when latency rises drops": "second",
    "Alert when latency is above 5 seconds above 6 seconds": "second",
    "Alert when latency and size rise": "What about latency",
    "Alert when latency size rises": "What is watched",
    "Alert when latency rises by more than 5": "percent",
    "Alert when latency by more than 5 %": "how it moves",
    "Alert when latency spikes by more than 5 %": "Which of them",
    "Alert when latency is above average": "How many standard deviations",
    "Alert when latency is less than 3 standard deviations": "too many",
    "Alert when latency is 5 seconds": "Say how it is compared",
    "Alert when latency rises within 5": "which time",
    "Alert when latency rises within 0.5 seconds": "which time",
    "Alert when blocked attempts rise and are above 10 per key": "Is all of",
    "Alert when not latency is not above 5 seconds": "double not",
    "Alert when latency rises. Block pulls": '"block"',
    "Alert when licence is mit": '"mit"',
    'Alert when licence is "mit': "quotation",
    "Alert when format is onnx": "safetensors, gguf, other",
    "Alert when format is above 5": "which values",
    "Alert when format is one of": "Which values",
    "Alert when format is verified and source is nowhere": "shipped",
    "Alert when format is unverified above 5": "which values",
    "Alert when size is large, above 5 GB": '","',
    "Alert when size is above 12345678901234567890 GB": "too many digits",
    "Alert when latency rises;": '";"',
    "Alert when " + "(" * 20 + "latency rises" + ")" * 20: "fewer parentheses",
}


@pytest.mark.parametrize("text", UNCLEAR)
def test_whatever_is_left_open_is_asked_about(text: str) -> None:
    with pytest.raises(IntentUnclear) as caught:
        reading(text)
    assert UNCLEAR[text] in caught.value.message
    assert set(caught.value.details) == {"question", "choices", "where"}


def test_two_primitives_of_the_same_words_are_a_question_with_both_as_choices() -> None:
    both = small(
        {"primitives/error_rate/words": ["errors"], "primitives/latency/words": ["errors"]}
    )
    with pytest.raises(IntentUnclear) as caught:
        read("Alert when errors are above 10", both)
    assert caught.value.details["choices"] == ["error_rate", "latency"]


def test_a_question_says_where_it_is_about() -> None:
    with pytest.raises(IntentUnclear) as caught:
        reading("Alert when latency wobbles")
    assert caught.value.details["where"] == "character 20"


def test_ten_thousand_words_are_refused_before_any_is_looked_at() -> None:
    with pytest.raises(IntentUnclear, match="at most 2000 characters"):
        reading("Alert when latency rises and " * 10_000)
