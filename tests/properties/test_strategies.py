"""Whatever is read and whatever was before: strategies are strict, monotone, and see no future."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from app.authority.guardrails.strategies.base import (
    Observation,
    Reading,
    Reason,
    Result,
)
from app.authority.guardrails.strategies.percentile import quantile
from app.authority.guardrails.strategies.registry import STRATEGIES
from app.authority.guardrails.strategies.z_score import moments

AT_US = 1_700_000_000_000_000
WINDOW = 3_600
WINDOW_US = WINDOW * 1_000_000
LEVELLED = ("threshold", "percentile", "z_score", "change")
HISTORICAL = ("percentile", "z_score", "change")

finite = st.floats(allow_nan=False, allow_infinity=False)
small = st.integers(-20, 20).map(float)
numbers = small | finite
values = numbers | st.integers(-(2**70), 2**70)
levels = {
    "threshold": numbers,
    "percentile": st.integers(0, 100) | st.floats(0, 100),
    "z_score": st.floats(0, 1e6, exclude_min=True) | st.integers(1, 5),
    "change": st.floats(0, 1e6) | st.integers(0, 5),
}


def observations(since_us: int, until_us: int, least: int = 0) -> st.SearchStrategy[Any]:
    one = st.builds(Observation, st.integers(since_us, until_us), numbers)
    return st.lists(one, min_size=least, max_size=40).map(sorted)


histories = observations(AT_US - 3 * WINDOW_US, AT_US + WINDOW_US)
full = observations(AT_US - WINDOW_US, AT_US - 1, least=20)


@st.composite
def rules(draw: st.DrawFn, names: Sequence[str] = LEVELLED) -> tuple[str, dict[str, Any]]:
    """A strategy and complete parameters for it."""
    name = draw(st.sampled_from(names))
    signature = STRATEGIES[name].signature
    assert signature.level is not None
    params = {
        "direction": draw(st.sampled_from(signature.parameters["direction"].choices)),
        signature.level: draw(levels[name]),
    }
    return name, params | ({"window": WINDOW} if name in HISTORICAL else {})


def decided(
    name: str, params: Mapping[str, Any], value: Any, history: Sequence[Observation]
) -> Result:
    strategy = STRATEGIES[name]
    return strategy.decide(Reading(value), strategy.summary(history, params, AT_US), params)


# --- strict, monotone ------------------------------------------------------------------------


@given(st.sampled_from(["above", "below"]), values)
def test_a_threshold_that_is_equalled_is_never_met(direction: str, value: Any) -> None:
    assert decided("threshold", {"direction": direction, "value": value}, value, []) == (
        False,
        Reason.NO_MATCH,
        None,
    )


@given(rules(["percentile"]), full)
def test_a_percentile_that_is_equalled_is_never_met(
    rule: tuple[str, dict[str, Any]], history: list[Observation]
) -> None:
    name, params = rule
    assume(params["value"] != 100)
    found = STRATEGIES[name].summary(history, params, AT_US)
    assert not decided(name, params, found["quantile"], history).triggered


@given(rules(["z_score", "change"]), values, full | histories)
def test_a_level_that_is_equalled_is_never_met(
    rule: tuple[str, dict[str, Any]], value: Any, history: list[Observation]
) -> None:
    name, params = rule
    measure = decided(name, params, value, history).measure
    assume(measure)
    level = {"z_score": "threshold", "change": "value"}[name]
    assert not decided(name, {**params, level: abs(measure or 0)}, value, history).triggered


@given(st.data(), rules(), values, full | histories)
def test_a_stricter_level_never_fires_less(
    data: st.DataObject,
    rule: tuple[str, dict[str, Any]],
    value: Any,
    history: list[Observation],
) -> None:
    name, params = rule
    strategy, level = STRATEGIES[name], STRATEGIES[name].signature.level
    assert level is not None
    first, second = sorted((params[level], data.draw(levels[name])))
    strict, lenient = (first, second) if strategy.stricter(params) == "lower" else (second, first)
    if decided(name, {**params, level: lenient}, value, history).triggered:
        assert decided(name, {**params, level: strict}, value, history).triggered


@given(st.lists(finite, min_size=1, max_size=30).map(sorted), st.floats(0, 100), st.floats(0, 100))
def test_a_quantile_lies_within_and_never_falls(
    ordered: list[float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    assert ordered[0] <= quantile(ordered, low) <= quantile(ordered, high) <= ordered[-1]


# --- the window, and the future --------------------------------------------------------------


@given(rules(HISTORICAL), values, histories, histories)
def test_what_is_outside_the_reach_changes_nothing(
    rule: tuple[str, dict[str, Any]],
    value: Any,
    history: list[Observation],
    others: list[Observation],
) -> None:
    name, params = rule
    since_us = AT_US - STRATEGIES[name].reach(params) * 1_000_000
    inside = [seen for seen in history if since_us <= seen.at_us < AT_US]
    outside = [seen for seen in others if not since_us <= seen.at_us < AT_US]
    assert decided(name, params, value, sorted(inside + outside)) == decided(
        name, params, value, inside
    )


@given(rules(HISTORICAL), histories, st.lists(numbers | st.just(float("inf")), max_size=40))
def test_observations_at_or_after_the_evaluation_are_never_looked_at(
    rule: tuple[str, dict[str, Any]], history: list[Observation], later: list[float]
) -> None:
    name, params = rule
    before = [seen for seen in history if seen.at_us < AT_US]
    after = [Observation(AT_US + at, value) for at, value in enumerate(later)]
    summary = STRATEGIES[name].summary
    assert summary(before + after, params, AT_US) == summary(before, params, AT_US)


@given(st.sampled_from(["increase", "decrease", "any"]), histories)
def test_a_change_is_from_the_newest_that_is_between_one_and_two_windows_old(
    direction: str, history: list[Observation]
) -> None:
    params = {"direction": direction, "value": 0.5, "window": WINDOW}
    old = [
        seen.value for seen in history if AT_US - 2 * WINDOW_US <= seen.at_us <= AT_US - WINDOW_US
    ]
    found = STRATEGIES["change"].summary(history, params, AT_US)
    assert found == ({"n": 1, "reference": old[-1]} if old else {"n": 0})


# --- against slower ones ---------------------------------------------------------------------


def exact_quantile(ordered: Sequence[float], percent: float) -> Fraction:
    position = Fraction(len(ordered) - 1) * Fraction(percent) / 100
    rank = int(position)
    low, part = Fraction(ordered[rank]), position - rank
    return low + (Fraction(ordered[rank + 1]) - low) * part if part else low


@given(st.lists(small, min_size=1, max_size=60).map(sorted), st.integers(0, 100))
def test_a_quantile_is_the_exact_one_rounded(ordered: list[float], percent: int) -> None:
    assert abs(Fraction(quantile(ordered, percent)) - exact_quantile(ordered, percent)) < 1e-12


@given(rules(["percentile"]), st.integers(-21, 21), full)
def test_a_percentile_decides_as_exact_fractions_do(
    rule: tuple[str, dict[str, Any]], value: int, history: list[Observation]
) -> None:
    name, params = rule
    history = [Observation(seen.at_us, float(round(seen.value) % 41 - 20)) for seen in history]
    ordered = sorted(seen.value for seen in history)
    level, top = params["value"], params["direction"] == "top"
    exact = exact_quantile(ordered, 100 - level if top else level)
    assume(abs(value - exact) > 1e-9 or level in {25, 50, 75})
    met = level != 0 and (level == 100 or (value > exact if top else value < exact))
    assert decided(name, params, value, history).triggered is met


@given(st.lists(small | st.floats(-1e12, 1e12), min_size=1, max_size=60))
def test_mean_and_deviation_are_the_exact_ones_rounded(seen: list[float]) -> None:
    scale = Fraction(max(map(abs, seen)) or 1)
    assume(scale > Fraction("1e-290"))
    mean, std = map(Fraction, moments(seen))
    exact = sum(map(Fraction, seen)) / len(seen)
    variance = sum((Fraction(value) - exact) ** 2 for value in seen) / len(seen)
    rounding = Fraction(1, 2**51)
    assert abs(mean - exact) <= rounding * scale
    assert abs(std**2 - variance) <= 4 * rounding * variance + (rounding * scale) ** 2
    assert (std == 0) is (len(set(seen)) == 1)


@given(st.randoms(use_true_random=False), st.lists(finite, min_size=1, max_size=60))
def test_mean_and_deviation_do_not_depend_on_the_order(rng: Any, seen: list[float]) -> None:
    shuffled = list(seen)
    rng.shuffle(shuffled)
    assert moments(shuffled) == moments(seen)
    mean, std = moments(seen)
    assert min(seen) <= mean <= max(seen)
    assert 0 <= std < float("inf")


@given(rules(["z_score"]), values, full, st.randoms(use_true_random=False))
def test_a_score_does_not_depend_on_which_came_first(
    rule: tuple[str, dict[str, Any]], value: Any, history: list[Observation], rng: Any
) -> None:
    name, params = rule
    shuffled = [seen.value for seen in history]
    rng.shuffle(shuffled)
    other = [Observation(seen.at_us, new) for seen, new in zip(history, shuffled, strict=True)]
    assert decided(name, params, value, other) == decided(name, params, value, history)


# --- change from zero ------------------------------------------------------------------------


@given(st.sampled_from(["increase", "decrease", "any"]), values, levels["change"])
def test_a_change_from_zero_fires_in_its_direction_alone(
    direction: str, value: Any, level: float
) -> None:
    history = [Observation(AT_US - WINDOW_US, 0.0)]
    params = {"direction": direction, "value": level, "window": WINDOW}
    met = {"increase": value > 0, "decrease": value < 0, "any": value != 0}[direction]
    reason = Reason.CHANGE_FROM_ZERO if met else Reason.NO_MATCH
    assert decided("change", params, value, history) == (met, reason, None)


@given(rules(["change"]), values, values)
def test_a_change_never_fires_against_its_direction(
    rule: tuple[str, dict[str, Any]], before: Any, value: Any
) -> None:
    name, params = rule
    history = [Observation(AT_US - WINDOW_US, float(before))]
    rose = {"increase": value > before, "decrease": value < before, "any": value != before}
    assert rose[params["direction"]] or not decided(name, params, value, history).triggered


# --- every result ----------------------------------------------------------------------------


@given(rules(), values | st.none() | st.floats(), full | histories)
def test_every_no_has_a_reason_and_every_measure_is_a_number(
    rule: tuple[str, dict[str, Any]], value: Any, history: list[Observation]
) -> None:
    name, params = rule
    found = decided(name, params, value, history)
    assert found.triggered is (found.reason in {None, Reason.CHANGE_FROM_ZERO})
    assert found.measure is None or abs(found.measure) < float("inf")
    strategy = STRATEGIES[name]
    for unit in ("bytes", "ratio", "per hour", ""):
        said = strategy.sentence("queue depth", unit, Reading(value), found, params)
        assert said.isprintable()
        assert "queue depth" in said


texts = st.sampled_from(["gguf", "GGUF", "other", ""]) | st.text(max_size=5)


@given(texts, st.lists(texts, max_size=4).map(tuple), st.randoms(use_true_random=False))
def test_equals_is_membership_whatever_the_order_and_negated_its_opposite(
    value: str, among: tuple[str, ...], rng: Any
) -> None:
    shuffled = list(among)
    rng.shuffle(shuffled)
    met = decided("equals", {"values": tuple(shuffled), "negate": False}, value, []).triggered
    assert met is (value in among)
    assert decided("equals", {"values": among, "negate": True}, value, []).triggered is not met
