"""More or less than it was a while ago. Pure."""

from collections.abc import Callable, Mapping, Sequence
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
    NO_MATCH,
    finite,
    float_in,
    measured,
    newest,
    not_met,
    not_read,
    seconds,
)
from app.authority.guardrails.values import Parameters, Value, ValueType

_MEETS: Final[Mapping[Value, Callable[[float, Any], bool]]] = {
    "increase": lambda change, level: change > level,
    "decrease": lambda change, level: -change > level,
    "any": lambda change, level: abs(change) > level,
}
_FROM_ZERO: Final = Result(triggered=True, reason=Reason.CHANGE_FROM_ZERO)


class Change:
    """Strict. Compared with the newest number at least one window old and at most two.

    From zero any change is beyond every fraction: it meets the condition in its direction alone.
    """

    signature = Signature(
        name="change",
        version=1,
        input_types=frozenset({ValueType.FLOAT_SERIES, ValueType.INT_SERIES}),
        parameters={
            "direction": Parameter(
                type="choice",
                choices=("increase", "decrease", "any"),
                meaning="which change meets the condition",
            ),
            "value": Parameter(
                type="number",
                minimum=0,
                meaning="the fraction of the earlier number that is too much: 0.1 is 10 %",
            ),
            "window": Parameter(
                type="duration", minimum=1, meaning="how long ago the earlier number was read"
            ),
        },
        level="value",
        summary_of=("window",),
        meaning=(
            "The newest number differs from the one a window ago by more than a fraction of it. "
            "The earlier number is at most two windows old; after zero, any rise is an increase."
        ),
    )

    def reach(self, params: Parameters, /) -> int:
        return 2 * seconds(params["window"])

    def summary(self, history: Sequence[Observation], params: Parameters, at_us: int, /) -> Summary:
        window_us = seconds(params["window"]) * MICROS
        reference = newest(history, at_us - 2 * window_us, at_us - window_us)
        return {"n": 0} if reference is None else {"n": 1, "reference": reference}

    def decide(self, reading: Reading, summary: Summary, params: Parameters, /) -> Result:
        value = float_in(reading)
        if value is None:
            return not_read(reading)
        reference = summary.get("reference")
        if reference is None:
            return not_met(Reason.INSUFFICIENT_HISTORY)
        meets = _MEETS[params["direction"]]
        if reference == 0:
            return _FROM_ZERO if meets(value, 0) else NO_MATCH
        change = finite((value - reference) / abs(reference))
        return measured(meets(change, params["value"]), change)

    def stricter(self, _params: Parameters, /) -> Literal["lower", "higher"] | None:
        return "lower"

    def sentence(
        self, subject: str, unit: str, reading: Reading, result: Result, params: Parameters, /
    ) -> str:
        """``blocked attempts are 14 per hour, up 180 % in 1 hour, more than 50 %``."""
        if result.reason is Reason.INSUFFICIENT_HISTORY:
            return f"nothing is known of {subject} {wording.period(params['window'])} before"
        unsaid = wording.no_data(subject, reading, result)
        if unsaid is not None:
            return unsaid
        now = f"{wording.stands(subject)} {wording.amount(reading.value, unit)}"
        window, wanted = wording.period(params["window"]), params["direction"]
        if result.measure is None:
            missing = "change" if wanted == "any" else wanted
            return f"{now}, {window} after zero{'' if result.triggered else f': no {missing}'}"
        if result.measure == 0:
            return f"{now}, the same as {window} before"
        side = "increase" if result.measure > 0 else "decrease"
        level: Any = params["value"]
        shown, against = wording.apart(abs(result.measure), level, "ratio")
        moved = f"{now}, {'up' if result.measure > 0 else 'down'} {shown} in {window}"
        if wanted not in {side, "any"}:
            return f"{moved}: no {wanted}"
        return f"{moved}, {'' if result.triggered else 'not '}more than {against}"
