"""Among the highest or the lowest of what there was. Pure."""

from collections.abc import Callable, Mapping, Sequence
from math import isinf
from operator import gt, lt
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
    measured,
    not_met,
    not_read,
    number_in,
    seconds,
)
from app.authority.guardrails.values import Parameters, Value, ValueType

_MEETS: Final[Mapping[Value, Callable[[Any, Any], bool]]] = {"top": gt, "bottom": lt}


class Percentile:
    """Strict, between the ranks linear. Top 5: above the 95th percentile; bottom 5: below the 5th.

    Top or bottom 0 is never met and 100 always is, given enough history.
    """

    signature = Signature(
        name="percentile",
        version=1,
        input_types=frozenset(
            {ValueType.FLOAT, ValueType.INT, ValueType.FLOAT_SERIES, ValueType.INT_SERIES}
        ),
        parameters={
            "direction": Parameter(
                type="choice",
                choices=("top", "bottom"),
                meaning="whether the condition is met among the highest or the lowest",
            ),
            "value": Parameter(
                type="number",
                minimum=0,
                maximum=100,
                meaning="how many in a hundred are among them: 5 is the top (or bottom) 5 %",
            ),
            "window": Parameter(
                type="duration", minimum=1, meaning="how far back the history goes"
            ),
        },
        level="value",
        summary_of=("direction", "value", "window"),
        steady=True,
        meaning=(
            "The newest number is among the highest (or lowest) of the history in the window, of "
            f"at least {MINIMUM_HISTORY} observations. Equal to the percentile is outside."
        ),
    )

    def reach(self, params: Parameters, /) -> int:
        return seconds(params["window"])

    def summary(self, history: Sequence[Observation], params: Parameters, at_us: int, /) -> Summary:
        values = between(history, at_us - seconds(params["window"]) * MICROS, at_us)
        if len(values) < MINIMUM_HISTORY:
            return {"n": len(values)}
        level: Any = params["value"]
        rank = level if params["direction"] == "bottom" else 100 - level
        return {"n": len(values), "quantile": quantile(sorted(values), rank)}

    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        value = number_in(reading)
        if value is None:
            return not_read(reading)
        bound = summary.get("quantile")
        if bound is None:
            return not_met(Reason.INSUFFICIENT_HISTORY)
        meets, level = _MEETS[params["direction"]], params["value"]
        if level == 0:
            return not_met(Reason.THRESHOLD_ZERO)
        return measured(level == 100 or meets(value, bound), bound)

    def stricter(self, _params: Parameters, /) -> Literal["lower", "higher"] | None:
        return "higher"

    def sentence(
        self, subject: str, unit: str, reading: Reading, result: Result, params: Parameters, /
    ) -> str:
        """``model share is 41 %, in the top 5 % of 30 days: above 12.5 %``."""
        unsaid = wording.no_data(subject, reading, result, params["window"])
        if unsaid is not None or reading.value is None:
            return unsaid or f"{wording.stands(subject)} not known"
        level: Any = params["value"]
        where = (
            f"{'in' if result.triggered else 'not in'} the {params['direction']} "
            f"{wording.plain(level)} % of {wording.period(params['window'])}"
        )
        if result.measure is None or level == 100:
            shown = wording.amount(reading.value, unit)
            return f"{wording.stands(subject)} {shown}, {where}"
        shown, bound = wording.apart(reading.value, result.measure, unit)
        side = "above" if params["direction"] == "top" else "below"
        beyond = side if result.triggered else f"not {side}"
        return f"{wording.stands(subject)} {shown}, {where}: {beyond} {bound}"


def quantile(ordered: Sequence[float], percent: float) -> float:
    """The value at `percent` of `ordered` (ascending, not empty), linear between two ranks.

    Never beyond the two that it lies between, and never less for a greater `percent`.
    """
    position = (len(ordered) - 1) * percent / 100
    rank = int(position)
    low, part = ordered[rank], position - rank
    if not part:
        return low
    high = ordered[rank + 1]
    span = high - low
    if isinf(span):
        return min(high, 2 * (low / 2 + (high / 2 - low / 2) * part))
    return min(high, low + span * part)
