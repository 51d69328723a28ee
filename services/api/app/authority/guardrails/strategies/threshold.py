"""Above or below a number. Pure."""

from collections.abc import Callable, Mapping
from operator import gt, lt
from typing import Any, Final, Literal

from app.authority.guardrails.strategies import wording
from app.authority.guardrails.strategies.base import (
    Parameter,
    Reading,
    Result,
    Signature,
    Summary,
)
from app.authority.guardrails.strategies.numbers import (
    MET,
    NO_MATCH,
    Timeless,
    not_read,
    number_in,
)
from app.authority.guardrails.values import Parameters, Value, ValueType

_MEETS: Final[Mapping[Value, Callable[[Any, Any], bool]]] = {"above": gt, "below": lt}


class Threshold(Timeless):
    """Strict: a number that equals the value is on neither side of it."""

    signature = Signature(
        name="threshold",
        version=1,
        input_types=frozenset(
            {ValueType.FLOAT, ValueType.INT, ValueType.FLOAT_SERIES, ValueType.INT_SERIES}
        ),
        parameters={
            "direction": Parameter(
                type="choice",
                choices=("above", "below"),
                meaning="on which side of the value the condition is met",
            ),
            "value": Parameter(
                type="number", meaning="the number to compare with, in the primitive's unit"
            ),
        },
        level="value",
        meaning="The newest number is above (or below) a fixed value. Equal is neither.",
    )

    def decide(self, reading: Reading, _: Summary, params: Parameters, /) -> Result:
        value = number_in(reading)
        if value is None:
            return not_read(reading)
        return MET if _MEETS[params["direction"]](value, params["value"]) else NO_MATCH

    def stricter(self, params: Parameters, /) -> Literal["lower", "higher"] | None:
        return "lower" if params["direction"] == "above" else "higher"

    def sentence(
        self, subject: str, unit: str, reading: Reading, result: Result, params: Parameters, /
    ) -> str:
        """``model size is 40.0 GB, above 20.0 GB``."""
        unsaid = wording.no_data(subject, reading, result)
        if unsaid is not None or reading.value is None:
            return unsaid or f"{wording.stands(subject)} not known"
        limit: Any = params["value"]
        shown, against = wording.apart(reading.value, limit, unit)
        side = params["direction"] if result.triggered else f"not {params['direction']}"
        return f"{wording.stands(subject)} {shown}, {side} {against}"
