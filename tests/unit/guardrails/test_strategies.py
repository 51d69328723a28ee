"""What strategies declare, and what follows from it."""

import dataclasses
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from app.authority.guardrails.strategies import base, registry
from app.authority.guardrails.strategies.base import (
    DATA_QUALITY,
    NO_SUMMARY,
    Observation,
    Reading,
    Reason,
)
from app.authority.guardrails.strategies.registry import (
    COMPATIBLE,
    STRATEGIES,
    VERSIONS,
    strategy,
)
from app.authority.guardrails.values import ValueType

NUMBERS: Final = {"threshold", "percentile"}
SERIES: Final = {"threshold", "percentile", "z_score", "change"}
HOUR_US: Final = 3_600_000_000
AT_US: Final = 1_700_000_000_000_000
PARAMS: Final[Mapping[str, Mapping[str, Any]]] = {
    "threshold": {"direction": "above", "value": 3},
    "percentile": {"direction": "top", "value": 5, "window": 3600},
    "z_score": {"direction": "above", "threshold": 3, "window": 3600},
    "change": {"direction": "increase", "value": 0.5, "window": 3600},
    "equals": {"values": ("a", "b"), "negate": False},
    "composite": {"operator": "NOT"},
}
OTHER: Final[Mapping[str, Any]] = {
    "direction": {"above": "below", "top": "bottom", "increase": "decrease"},
    "value": 7,
    "threshold": 7,
    "window": 1800,
    "values": ("c",),
    "negate": True,
    "operator": "AND",
}
HISTORY: Final = [
    Observation(AT_US - at * 60_000_000, float(at * 37 % 101)) for at in range(200, -20, -1)
]
each_strategy = pytest.mark.parametrize("name", list(STRATEGIES))


def summary(name: str, params: Mapping[str, Any], at_us: int = AT_US) -> Mapping[str, float]:
    return STRATEGIES[name].summary(HISTORY, params, at_us)


def test_the_compatibility_map_is_the_widest_there_is() -> None:
    widest = {
        ValueType.FLOAT: NUMBERS,
        ValueType.INT: NUMBERS,
        ValueType.FLOAT_SERIES: SERIES,
        ValueType.INT_SERIES: SERIES,
        ValueType.STRING: {"equals"},
        ValueType.CATEGORICAL: {"equals"},
        ValueType.BOOLEAN: {"equals"},
        ValueType.DECISION: {"composite"},
    }
    assert widest == COMPATIBLE


def test_every_file_with_a_signature_is_in_the_list_and_named_after_its_strategy() -> None:
    folder = Path(base.__file__).parent
    with_signature = {
        path.stem for path in folder.glob("*.py") if "signature = Signature(" in path.read_text()
    }
    assert with_signature == STRATEGIES.keys() == PARAMS.keys()


@each_strategy
def test_a_signature_says_everything_that_a_table_of_strategies_shows(name: str) -> None:
    signature = STRATEGIES[name].signature
    assert signature.name == name
    assert signature.meaning.endswith(".")
    assert signature.parameters.keys() == PARAMS[name].keys()
    assert all(parameter.meaning for parameter in signature.parameters.values())
    assert signature.output_type is ValueType.DECISION
    assert {*signature.summary_of, *filter(None, [signature.level])} <= signature.parameters.keys()
    with pytest.raises(dataclasses.FrozenInstanceError):
        signature.name = "other"  # type: ignore[misc]


@each_strategy
def test_a_choice_has_choices_and_an_optional_parameter_has_a_default(name: str) -> None:
    for parameter in STRATEGIES[name].signature.parameters.values():
        assert (parameter.type == "choice") is bool(parameter.choices)
        assert parameter.required is (parameter.default is None)


def test_a_direction_puts_upwards_first_and_downwards_second() -> None:
    directions = {
        name: each.signature.parameters["direction"].choices
        for name, each in STRATEGIES.items()
        if "direction" in each.signature.parameters
    }
    assert directions == {
        "threshold": ("above", "below"),
        "percentile": ("top", "bottom"),
        "z_score": ("above", "below", "any"),
        "change": ("increase", "decrease", "any"),
    }


def test_bounds_are_those_of_the_specification() -> None:
    parameters = {name: each.signature.parameters for name, each in STRATEGIES.items()}
    percent, score = parameters["percentile"]["value"], parameters["z_score"]["threshold"]
    assert (percent.minimum, percent.maximum) == (0, 100)
    assert (score.minimum, score.exclusive_minimum) == (None, 0)
    assert parameters["change"]["value"].minimum == 0
    assert parameters["threshold"]["value"].minimum is None
    assert {each["window"].minimum for each in parameters.values() if "window" in each} == {1}


@each_strategy
def test_a_summary_depends_on_the_parameters_that_are_declared_and_on_no_other(name: str) -> None:
    params, declared = PARAMS[name], STRATEGIES[name].signature.summary_of
    changing = {
        key
        for key in params
        if summary(name, params) != summary(name, {**params, key: another(params, key)})
    }
    assert changing == set(declared)


def another(params: Mapping[str, Any], key: str) -> Any:
    return OTHER[key][params[key]] if key == "direction" else OTHER[key]


@each_strategy
def test_a_summary_looks_back_as_far_as_its_reach(name: str) -> None:
    each, params = STRATEGIES[name], PARAMS[name]
    reach_us = each.reach(params) * 1_000_000
    within = [seen for seen in HISTORY if AT_US - reach_us <= seen.at_us < AT_US]
    assert each.summary(within, params, AT_US) == each.summary(HISTORY, params, AT_US)
    assert (each.reach(params) == 0) is (each.signature.summary_of == ())
    assert (each.summary(HISTORY, params, AT_US) == NO_SUMMARY) is (each.reach(params) == 0)


def test_a_steady_summary_holds_while_the_window_holds_the_same_observations() -> None:
    within = [seen for seen in HISTORY if AT_US - HOUR_US < seen.at_us < AT_US]
    holds = {
        name: each.summary(within, PARAMS[name], AT_US)
        == each.summary(within, PARAMS[name], AT_US + 59_000_000)
        for name, each in STRATEGIES.items()
        if each.signature.summary_of
    }
    steady = {name for name, each in STRATEGIES.items() if each.signature.steady}
    assert steady == {"percentile", "z_score"}
    assert all(holds[name] for name in steady)


def test_the_reference_of_a_change_moves_with_the_time_alone() -> None:
    rising = [Observation(AT_US - at * 60_000_000, 100.0 - at) for at in range(90, 0, -1)]
    change, params = STRATEGIES["change"], PARAMS["change"]
    assert change.summary(rising, params, AT_US) == {"n": 1, "reference": 40.0}
    assert change.summary(rising, params, AT_US + 60_000_000) == {"n": 1, "reference": 41.0}


@each_strategy
def test_an_unread_value_is_recorded_as_not_triggered_with_its_reason(name: str) -> None:
    each, params = STRATEGIES[name], PARAMS[name]
    found = each.summary(HISTORY, params, AT_US)
    assert each.decide(Reading(None), found, params) == (False, Reason.NULL_INPUT, None)
    for reason in sorted(DATA_QUALITY):
        assert each.decide(Reading(None, reason), found, params) == (False, reason, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("threshold", "20"),
        ("threshold", True),
        ("percentile", "20"),
        ("z_score", False),
        ("change", "20"),
        ("equals", 20),
        ("composite", "yes"),
    ],
)
def test_a_value_of_another_type_is_an_error_and_not_a_no(name: str, value: Any) -> None:
    params = PARAMS[name]
    with pytest.raises(TypeError, match="read a|read yes or no"):
        STRATEGIES[name].decide(Reading(value), summary(name, params), params)


@pytest.mark.parametrize("name", ["threshold", "percentile", "z_score", "change"])
def test_an_unknown_direction_is_an_error_and_not_a_no(name: str) -> None:
    params = {**PARAMS[name], "direction": "sideways"}
    with pytest.raises(KeyError):
        STRATEGIES[name].decide(Reading(1.0), summary(name, PARAMS[name]), params)


@pytest.mark.parametrize(("operator", "fits"), [("NOT", True), ("AND", False), ("OR", False)])
def test_one_decision_is_an_operand_of_not_alone(operator: str, fits: bool) -> None:
    composite = STRATEGIES["composite"]
    if fits:
        assert composite.decide(Reading(False), {}, {"operator": operator}).triggered
        return
    with pytest.raises(ValueError, match="at least two operands, not 1"):
        composite.decide(Reading(False), {}, {"operator": operator})


def test_the_stricter_side_is_where_a_rule_fires_more_often() -> None:
    sides = {
        (name, direction): each.stricter({"direction": direction})
        for name, each in STRATEGIES.items()
        for direction in each.signature.parameters.get(
            "direction", base.Parameter(type="text")
        ).choices
    }
    assert sides == {
        ("threshold", "above"): "lower",
        ("threshold", "below"): "higher",
        ("percentile", "top"): "higher",
        ("percentile", "bottom"): "higher",
        **{("z_score", direction): "lower" for direction in ("above", "below", "any")},
        **{("change", direction): "lower" for direction in ("increase", "decrease", "any")},
    }
    assert [STRATEGIES[name].stricter(PARAMS[name]) for name in ("equals", "composite")] == [
        None,
        None,
    ]


def test_a_version_that_is_not_there_is_named_with_those_that_are() -> None:
    assert strategy("change", 1) is VERSIONS["change", 1] is STRATEGIES["change"]
    with pytest.raises(LookupError, match="no strategy change 2: there are change 1, composite 1"):
        strategy("change", 2)


def test_adding_a_strategy_names_it_in_the_registry_alone() -> None:
    """No other module of the package names a strategy's class."""
    classes = {type(each).__name__ for each in STRATEGIES.values()}
    folder = Path(inspect.getfile(registry)).parent
    naming = {
        path.name
        for path in folder.glob("*.py")
        if any(f"import {name}\n" in path.read_text() for name in classes)
    }
    assert naming == {"registry.py"}
