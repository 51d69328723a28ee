"""One of some texts, or none of them. Pure."""

from typing import Literal

from app.authority.guardrails.strategies import wording
from app.authority.guardrails.strategies.base import (
    Parameter,
    Reading,
    Result,
    Signature,
    Summary,
)
from app.authority.guardrails.strategies.numbers import MET, NO_MATCH, Timeless, not_read
from app.authority.guardrails.values import Parameters, Scalar, ValueType


class Equals(Timeless):
    """Texts are compared as they are: letter by letter, in their case. What was not read is
    neither one of them nor none of them, negated or not."""

    signature = Signature(
        name="equals",
        version=1,
        input_types=frozenset({ValueType.STRING, ValueType.CATEGORICAL, ValueType.BOOLEAN}),
        parameters={
            "values": Parameter(
                type="texts", meaning="the texts to compare with; for yes or no: true, false"
            ),
            "negate": Parameter(
                type="boolean",
                required=False,
                default=False,
                meaning="whether the condition is met by what is none of the values",
            ),
        },
        meaning="The text is one of the values (or, negated, none of them), letter by letter.",
    )

    def decide(self, reading: Reading, _: Summary, params: Parameters, /) -> Result:
        value, reason = reading
        if reason is not None or value is None:
            return not_read(reading)
        return MET if (_text(value) in _texts(params)) is not params["negate"] else NO_MATCH

    def stricter(self, _params: Parameters, /) -> Literal["lower", "higher"] | None:
        return None

    def sentence(
        self, subject: str, unit: str, reading: Reading, result: Result, params: Parameters, /
    ) -> str:
        """``model format is other, none of gguf, safetensors``."""
        unsaid = wording.no_data(subject, reading, result)
        if unsaid is not None:
            return unsaid
        found = f"{wording.stands(subject)} {wording.amount(reading.value, unit)}"
        values = sorted(_texts(params))
        if not values:
            return f"{found}, and there is no value that it could be"
        among = result.triggered is not params["negate"]
        if isinstance(reading.value, bool) or (among and len(values) == 1):
            return found
        those = wording.some(values)
        if len(values) == 1:
            return f"{found}, not {those}"
        return f"{found}, {'one' if among else 'none'} of {those}"


def _text(value: Scalar) -> str:
    """Raises TypeError for a number: numbers are compared by `threshold`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    raise TypeError(f"{type(value).__name__} is not a text: read a text for this condition")


def _texts(params: Parameters) -> tuple[str, ...]:
    values = params["values"]
    if isinstance(values, tuple):
        return values
    raise TypeError(f"values are texts, not {values!r}")
