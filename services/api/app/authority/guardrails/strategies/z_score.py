"""Unusually far from the mean. Pure."""

from collections.abc import Callable, Mapping, Sequence
from math import frexp, fsum, ldexp, sqrt
from typing import Any, Final, Literal

from app.authority.guardrails.strategies import wording
from app.authority.guardrails.strategies.base import (
    Observation,
    Parameter,
    Reading,
    Reason,
    Result,
    Signature,
    Summary,
)
from app.authority.guardrails.strategies.numbers import (
    MICROS,
    MINIMUM_HISTORY,
    between,
    finite,
    float_in,
    measured,
    not_met,
    not_read,
    seconds,
)
from app.authority.guardrails.values import Parameters, Value, ValueType

_MEETS: Final[Mapping[Value, Callable[[float, Any], bool]]] = {
    "above": lambda score, level: score > level,
    "below": lambda score, level: -score > level,
    "any": lambda score, level: abs(score) > level,
}


class ZScore:
    """Strict. The deviation is that of the whole population, not of a sample of it."""

    signature = Signature(
        name="z_score",
        version=1,
        input_types=frozenset({ValueType.FLOAT_SERIES, ValueType.INT_SERIES}),
        parameters={
            "direction": Parameter(
                type="choice",
                choices=("above", "below", "any"),
                meaning="on which side of the mean the condition is met",
            ),
            "threshold": Parameter(
                type="number",
                exclusive_minimum=0,
                meaning="how many standard deviations from the mean are too many",
            ),
            "window": Parameter(
                type="duration", minimum=1, meaning="how far back the history goes"
            ),
        },
        level="threshold",
        summary_of=("window",),
        steady=True,
        meaning=(
            "The newest number is more standard deviations from the mean of the window than the "
            f"threshold. At least {MINIMUM_HISTORY} observations, and not all the same."
        ),
    )

    def reach(self, params: Parameters, /) -> int:
        return seconds(params["window"])

    def summary(self, history: Sequence[Observation], params: Parameters, at_us: int, /) -> Summary:
        values = between(history, at_us - seconds(params["window"]) * MICROS, at_us)
        if len(values) < MINIMUM_HISTORY:
            return {"n": len(values)}
        mean, std = moments(values)
        return {"n": len(values), "mean": mean, "std": std}

    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        value = float_in(reading)
        if value is None:
            return not_read(reading)
        std = summary.get("std")
        if std is None:
            return not_met(Reason.INSUFFICIENT_HISTORY)
        if std == 0:
            return not_met(Reason.ZERO_VARIANCE)
        score = finite((value - summary["mean"]) / std)
        return measured(_MEETS[params["direction"]](score, params["threshold"]), score)

    def stricter(self, _params: Parameters, /) -> Literal["lower", "higher"] | None:
        return "lower"

    def sentence(
        self, subject: str, unit: str, reading: Reading, result: Result, params: Parameters, /
    ) -> str:
        """``load failures are 9 per hour, 4.2 standard deviations above the mean of 7 days``."""
        unsaid = wording.no_data(subject, reading, result, params["window"])
        if unsaid is not None or result.measure is None:
            return unsaid or f"{wording.stands(subject)} not known"
        now = f"{wording.stands(subject)} {wording.amount(reading.value, unit)}"
        window = wording.period(params["window"])
        level: Any = params["threshold"]
        if result.measure == 0:
            return f"{now}, the mean of {window}"
        shown, against = wording.apart(abs(result.measure), level, "")
        side = "above" if result.measure > 0 else "below"
        deviations = "standard deviation" if shown == "1" else "standard deviations"
        far = f"{now}, {shown} {deviations} {side} the mean of {window}"
        if params["direction"] not in {side, "any"}:
            return f"{far}: not {params['direction']} it"
        return f"{far}, {'' if result.triggered else 'not '}more than {against}"


def moments(values: Sequence[float]) -> tuple[float, float]:
    """Mean and population deviation, whatever the order of `values` (finite, not empty).

    They are brought near 1 by a power of two, which changes no digit, so that no square overflows.
    """
    least, most = min(values), max(values)
    if least == most:
        return least, 0.0
    power = frexp(max(-least, most))[1]
    near = [ldexp(value, -power) for value in values]
    mean = min(max(near), max(min(near), fsum(near) / len(near)))
    spread = sqrt(fsum([(value - mean) * (value - mean) for value in near]) / len(near))
    return ldexp(mean, power), ldexp(spread, power)
