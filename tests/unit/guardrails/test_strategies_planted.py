"""The vectors bite: what other systems do instead of each rule fails the vectors of that rule.

Each planted strategy differs from ours in one thing. Most of them are how the original behaved.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import pytest

from app.authority.guardrails.strategies.base import (
    DATA_QUALITY,
    Observation,
    Reading,
    Reason,
    Result,
    Strategy,
    Summary,
)
from app.authority.guardrails.strategies.change import Change
from app.authority.guardrails.strategies.composite import Composite, combine
from app.authority.guardrails.strategies.equals import Equals
from app.authority.guardrails.strategies.numbers import between, newest
from app.authority.guardrails.strategies.percentile import Percentile
from app.authority.guardrails.strategies.registry import STRATEGIES
from app.authority.guardrails.strategies.threshold import Threshold
from app.authority.guardrails.strategies.z_score import ZScore
from app.authority.guardrails.values import Parameters
from tests.unit.guardrails import strategy_vectors as vectors

History = Sequence[Observation]
EVER: Final = 10**9


class EqualFires(Threshold):
    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        if reading.value == params["value"]:
            return Result(triggered=True)
        return super().decide(reading, summary, params)


class NullIsZero(Threshold):
    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        return super().decide(Reading(reading.value or 0), summary, params)


class FloatsOnly(Threshold):
    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        if isinstance(reading.value, int) and reading.value < 10**300:
            reading = Reading(float(reading.value))
        return super().decide(reading, summary, params)


class InfinityIsLarge(Threshold):
    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        if reading.value == float("inf"):
            return Result(triggered=True)
        return super().decide(reading, summary, params)


class NearestRank(Percentile):
    def summary(self, history: History, params: Parameters, at_us: int, /) -> Summary:
        found = super().summary(history, params, at_us)
        seen = sorted(between(history, at_us - 3600 * 10**6, at_us))
        level: Any = params["value"]
        rank = level if params["direction"] == "bottom" else 100 - level
        near = seen[round((len(seen) - 1) * rank / 100)] if seen else 0.0
        return {**found, "quantile": near} if "quantile" in found else found


class ThreeAreEnough(Percentile):
    def summary(self, history: History, params: Parameters, at_us: int, /) -> Summary:
        seen = between(history, at_us - 3600 * 10**6, at_us)
        return super().summary(history[-1:] * 20 if len(seen) >= 3 else [], params, at_us)


class NoWindow(Percentile):
    def summary(self, history: History, params: Parameters, at_us: int, /) -> Summary:
        return super().summary(history, {**params, "window": EVER}, at_us)


class TopOfNothing(Percentile):
    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        found = super().decide(reading, summary, params)
        return found if found.reason is not Reason.THRESHOLD_ZERO else Result(triggered=True)


class NewerToo(ZScore):
    def summary(self, history: History, params: Parameters, at_us: int, /) -> Summary:
        return super().summary(history, params, at_us + EVER)


class ScoreWithoutWindow(ZScore):
    def summary(self, history: History, params: Parameters, at_us: int, /) -> Summary:
        return super().summary(history, {**params, "window": EVER}, at_us)


class SampleDeviation(ZScore):
    def summary(self, history: History, params: Parameters, at_us: int, /) -> Summary:
        found = dict(super().summary(history, params, at_us))
        if "std" in found:
            found["std"] *= (found["n"] / (found["n"] - 1)) ** 0.5
        return found


class NoVarianceFires(ZScore):
    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        found = super().decide(reading, summary, params)
        return found if found.reason is not Reason.ZERO_VARIANCE else Result(triggered=True)


class FromZeroAlways(Change):
    """`infinite_change`: fires for a decrease although it rose."""

    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        if summary.get("reference") == 0 and reading.value:
            return Result(triggered=True, reason=Reason.CHANGE_FROM_ZERO)
        return super().decide(reading, summary, params)


class LastRow(Change):
    """The row before, however young: the window is ignored."""

    def summary(self, history: History, params: Parameters, at_us: int, /) -> Summary:
        last = newest(history, 0, at_us - 1)
        return {"n": 0} if last is None else {"n": 1, "reference": last}


class HoweverOld(Change):
    def summary(self, history: History, params: Parameters, at_us: int, /) -> Summary:
        last = newest(history, 0, at_us - 3600 * 10**6)
        return {"n": 0} if last is None else {"n": 1, "reference": last}


class SignedReference(Change):
    """Divided by the reference instead of its size: from a negative number the signs turn."""

    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        found, reference = super().decide(reading, summary, params), summary.get("reference", 0)
        turned = reference < 0 and found.measure is not None
        return Result(not found.triggered, found.reason) if turned else found


class AnyCase(Equals):
    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        if isinstance(reading.value, str) and reading.reason is None:
            reading = Reading(reading.value.lower())
        return super().decide(reading, summary, params)


class NegatedNull(Equals):
    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        found = super().decide(reading, summary, params)
        unknown = found.reason in DATA_QUALITY and params["negate"] is True
        return Result(triggered=True) if unknown else found


class Inverting(Composite):
    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        return Result(not super().decide(reading, summary, params).triggered)


PLANTED: Final[tuple[tuple[Strategy, str], ...]] = (
    (EqualFires(), "threshold: equal is not above"),
    (NullIsZero(), "threshold: null is not a no"),
    (FloatsOnly(), "threshold: whole numbers beyond a float's digits are exact"),
    (InfinityIsLarge(), "threshold: infinity is not read, above"),
    (NearestRank(), "percentile: between ranks linear: not above"),
    (ThreeAreEnough(), "percentile: 19 are too few"),
    (NoWindow(), "percentile: older than the window is outside"),
    (TopOfNothing(), "percentile: top 0 is never met"),
    (NewerToo(), "z_score: at the evaluation's time and later are outside"),
    (ScoreWithoutWindow(), "z_score: the window is honoured"),
    (SampleDeviation(), "z_score: population deviation, not a sample's"),
    (NoVarianceFires(), "z_score: zero variance, far away"),
    (FromZeroAlways(), "change: from zero upwards is no decrease"),
    (LastRow(), "change: younger than a window is no reference"),
    (HoweverOld(), "change: older than two windows is none"),
    (SignedReference(), "change: from a negative number upwards"),
    (AnyCase(), "equals: letters keep their case"),
    (NegatedNull(), "equals: null is not none of them either"),
    (Inverting(), "composite: NOT of null is unknown"),
)


def planted(strategy: Strategy) -> Mapping[str, Strategy]:
    return {**STRATEGIES, strategy.signature.name: strategy}


@pytest.mark.parametrize(
    ("strategy", "case"), PLANTED, ids=[type(strategy).__name__ for strategy, _ in PLANTED]
)
def test_a_planted_strategy_decides_its_vector_differently(strategy: Strategy, case: str) -> None:
    vector = next(each for each in vectors.CASES if each["case"] == case)
    assert vectors.got(vector)["result"] == vector["result"]
    assert vectors.got(vector, planted(strategy))["result"] != vector["result"]


def two_valued(operator: str, results: Sequence[Result]) -> bool:
    """As if unknown were no, which is how an absence of data becomes a yes under NOT."""
    truths = [result.triggered for result in results]
    return {"AND": all(truths), "OR": any(truths), "NOT": not truths[0]}[operator]


def test_two_valued_logic_fires_where_ours_knows_nothing() -> None:
    differing = {
        case["case"]
        for case in vectors.COMBINATIONS
        if two_valued(case["operator"], list(map(vectors.result_of, case["operands"])))
        is not case["result"]["triggered"]
    }
    assert differing == {f"NOT of {reason} stays unknown" for reason in map(str, DATA_QUALITY)}


def test_the_first_unknown_operand_is_not_the_first_by_name() -> None:
    few, zero = (
        Result(triggered=False, reason=reason)
        for reason in (Reason.INSUFFICIENT_HISTORY, Reason.ZERO_VARIANCE)
    )
    assert combine("AND", [zero, few]).reason is Reason.INSUFFICIENT_HISTORY
    assert combine("AND", [few, zero]).reason is Reason.INSUFFICIENT_HISTORY
