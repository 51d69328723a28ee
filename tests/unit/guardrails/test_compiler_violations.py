"""Every no of the compiler, once: hard constraints, points, references, contradictions."""

from typing import Any

import pytest

from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.compiler.structured import intent_of
from app.authority.guardrails.values import (
    Action,
    Combined,
    Definition,
    Intent,
    Operator,
    Point,
    Reference,
    Resolution,
)
from app.domain.refusals import GuardrailViolated, IntentUnclear
from tests.unit.guardrails.documents import compiled, small

Changes = dict[str, Any]


def clause_of(text: str, changes: Changes | None = None) -> dict[str, Any]:
    [clause] = compiled(text, small(changes))["clauses"]
    found: dict[str, Any] = clause
    return found


def rules(intent: str | dict[str, Any], changes: Changes | None = None) -> list[str]:
    """The rules that the intent violates."""
    guardrails = small(changes)
    with pytest.raises(GuardrailViolated) as caught:
        resolve(intent if isinstance(intent, str) else intent_of(intent, guardrails), guardrails)
    assert all(set(each) == {"rule", "message", "where"} for each in violations(caught.value))
    return [each["rule"] for each in violations(caught.value)]


def violations(refusal: GuardrailViolated) -> list[dict[str, str]]:
    found: list[dict[str, str]] = refusal.details["violations"]
    return found


def question(intent: str | dict[str, Any], changes: Changes | None = None) -> IntentUnclear:
    guardrails = small(changes)
    with pytest.raises(IntentUnclear) as caught:
        resolve(intent if isinstance(intent, str) else intent_of(intent, guardrails), guardrails)
    return caught.value


# --- every hard constraint, violated once ---------------------------------------------------

ALERT: Changes = {"action": "alert"}
VIOLATED: dict[str, tuple[str | dict[str, Any], Changes]] = {
    "strategy.unknown": (
        {"action": "alert", "when": {"primitive": "latency", "strategy": "vibes"}},
        {},
    ),
    "strategy.disabled": (
        "Alert when latency is above 5 seconds",
        {"strategies/threshold/enabled": False},
    ),
    "strategy.disallowed": (
        "Alert when latency is above 5 seconds",
        {"constraints/disallowed_strategies": ["threshold"]},
    ),
    "strategy.version": (
        "Alert when latency is above 5 seconds",
        {"constraints/minimum_versions": {"threshold": 2}},
    ),
    "strategy.type": (
        {"action": "block", "when": {"primitive": "model_format", "strategy": "threshold"}},
        {},
    ),
    "primitive.unknown": ({"action": "alert", "when": {"primitive": "mood"}}, {}),
    "primitive.disallowed": (
        "Alert when latency rises",
        {"constraints/disallowed_primitives": ["latency"]},
    ),
    "scope": (
        {"action": "alert", "when": {"primitive": "latency", "scope": "actor", "mapping": "rises"}},
        {},
    ),
    "parameter.bounds": ("Block loading a model whose size is above 20 TB", {}),
    "parameter.unknown": (
        {
            "action": "alert",
            "when": {"primitive": "latency", "strategy": "threshold", "params": {"percent": 5}},
        },
        {},
    ),
    "parameter.type": (
        {
            "action": "alert",
            "when": {"primitive": "latency", "strategy": "threshold", "params": {"value": True}},
        },
        {},
    ),
    "parameter.label": (
        {
            "action": "block",
            "when": {
                "primitive": "model_format",
                "strategy": "equals",
                "params": {"values": ["onnx"]},
            },
        },
        {},
    ),
    "conditions": (
        "Alert when latency rises and error rate rises and blocked attempts rise",
        {"constraints/max_conditions": 2},
    ),
    "operands": ({"action": "alert", "when": {"all": [{"primitive": "latency"}]}}, {}),
    "operand.unknown": ({"action": "alert", "when": {"condition": "nobody", "version": 1}}, {}),
    "point.tick": (
        {
            "action": "block",
            "points": ["tick"],
            "when": {"primitive": "latency", "mapping": "rises"},
        },
        {},
    ),
    "point.unreadable": ("Block deletes whose format is unverified", {}),
}


@pytest.mark.parametrize("rule", VIOLATED)
def test_a_hard_constraint_that_is_violated_is_named(rule: str) -> None:
    intent, changes = VIOLATED[rule]
    assert rule in rules(intent, changes)


def test_a_version_that_this_installation_lacks_is_no_strategy() -> None:
    newer = {"strategies/threshold": {"version": 9}}
    assert rules("Alert when latency is above 5 seconds", newer) == ["strategy.version"]


def test_a_document_may_narrow_what_a_type_allows() -> None:
    narrowed = {"type_compatibility/time_series<float>": ["change"]}
    assert rules("Alert when latency is above 5 seconds", narrowed) == ["strategy.type"]


def test_composites_are_a_strategy_too() -> None:
    off = {"strategies/composite/enabled": False}
    assert rules("Alert when latency rises and error rate rises", off) == ["strategy.disabled"]


def test_all_violations_are_told_at_once_and_before_any_question() -> None:
    changes = {"constraints/disallowed_strategies": ["threshold"]}
    text = (
        "Block deletes whose latency is above 5 seconds and format is unverified and size is large"
    )
    found = rules(text, {**changes, "defaults/priors": {}, "constraints/max_conditions": 1})
    assert {"strategy.disallowed"} <= set(found)
    two = "Alert when latency is above 5 seconds or error rate is above 5 %"
    assert rules(two, changes) == ["strategy.disallowed", "strategy.disallowed"]


# --- points ---------------------------------------------------------------------------------


def points(text: str) -> list[str]:
    found: list[str] = compiled(text, small())["points"]
    return found


def test_points_that_are_not_said_follow_from_what_is_watched() -> None:
    assert points("Alert when latency rises") == ["tick"]
    assert points("Alert when size is large") == ["load", "pull", "delete"]
    assert points("Block when size is large and format is unverified") == ["load", "pull"]
    assert points("Block when size is large and latency rises") == ["load", "pull", "delete"]


def test_what_is_about_the_whole_system_is_asked_which_acts_it_stops() -> None:
    asked = question("Block when memory pressure is above 90 %")
    assert asked.details["choices"] == ["load", "pull", "delete", "purge", "rebind"]


# --- conditions of other definitions --------------------------------------------------------


def definition(name: str, version: int, when: Any) -> Definition:
    resolution = resolve("Alert when latency rises", small())
    composed = Resolution(
        intent=resolution.intent,
        condition=when if when is not None else resolution.condition,
        trace=resolution.trace,
        guardrails=resolution.guardrails,
    )
    return Definition(id=name, version=version, resolution=composed, ir_hash="", binding_hash="")


def referring(name: str, version: int) -> Intent:
    return Intent(text="", action=Action.ALERT, points=(), when=Reference(name, version))


def test_a_condition_may_refer_to_a_definition_by_its_version() -> None:
    known = {("slow", 1): definition("slow", 1, None)}
    resolution = resolve(referring("slow", 1), small(), known)
    assert resolution.condition == Reference("slow", 1)
    assert resolution.intent.points == (Point.TICK,)


def test_an_operand_of_another_version_is_refused_with_those_there_are() -> None:
    known = {("slow", 1): definition("slow", 1, None), ("slow", 3): definition("slow", 3, None)}
    with pytest.raises(GuardrailViolated) as caught:
        resolve(referring("slow", 2), small(), known)
    [found] = violations(caught.value)
    assert found["rule"] == "operand.version"
    assert "1, 3" in found["message"]


def test_a_condition_that_contains_itself_is_refused() -> None:
    known = {
        ("one", 1): definition("one", 1, Reference("two", 1)),
        ("two", 1): definition("two", 1, Reference("one", 1)),
    }
    with pytest.raises(GuardrailViolated) as caught:
        resolve(referring("one", 1), small(), known)
    assert [each["rule"] for each in violations(caught.value)] == ["operand.circular"]


def test_conditions_count_with_all_that_they_refer_to() -> None:
    two = resolve("Alert when latency rises and error rate rises", small()).condition
    known = {("two", 1): definition("two", 1, two)}
    when = Combined(Operator.OR, (Reference("two", 1), Reference("two", 1)))
    intent = Intent(text="", action=Action.ALERT, points=(), when=when)
    with pytest.raises(GuardrailViolated, match="there are 4 conditions"):
        resolve(intent, small({"constraints/max_conditions": 3}), known)


# --- contradictions -------------------------------------------------------------------------

CONTRADICTIONS = (
    "Alert when latency is above 10 seconds and below 5 seconds",
    "Block loading when format is gguf and format is safetensors",
    "Block loading when format is gguf and format is not gguf",
)


@pytest.mark.parametrize("text", CONTRADICTIONS)
def test_what_can_never_be_met_is_asked_about(text: str) -> None:
    assert "cannot be both" in question(text).message


def test_what_can_be_met_is_no_contradiction() -> None:
    between = compiled("Alert when latency is above 5 seconds and below 10 seconds", small())
    assert between["joined"] == "AND(when.0, when.1)"
    either = "Alert when latency is above 10 seconds or below 5 seconds"
    assert compiled(either, small())["joined"] == "OR(when.0, when.1)"
