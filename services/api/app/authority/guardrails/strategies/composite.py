"""Conditions put together: all of them, any of them, not one. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

from app.authority.guardrails.strategies.base import (
    DATA_QUALITY,
    Parameter,
    Reading,
    Result,
    Signature,
    Summary,
)
from app.authority.guardrails.strategies.numbers import MET, NO_MATCH, Timeless, not_met, not_read
from app.authority.guardrails.values import Operator, Parameters, Value, ValueType


def combine(operator: Value, results: Sequence[Result]) -> Result:
    """What the conditions mean together; the order of `results` never matters.

    An operand whose data says neither yes nor no is unknown. Where the others do not decide, its
    reason is passed on (of several the first by name) and the whole is not met, NOT included.
    Raises ValueError for another operator or the wrong number of operands.
    """
    together = _COMBINED.get(operator)
    if together is None:
        raise ValueError(f"there is no operator {operator!r}: there are {', '.join(Operator)}")
    if (len(results) == 1) is not (operator == Operator.NOT) or not results:
        wanted = "one operand" if operator == Operator.NOT else "at least two operands"
        raise ValueError(f"{operator} takes {wanted}, not {len(results)}")
    return together(results)


def _all(results: Sequence[Result]) -> Result:
    if any(_is_false(result) for result in results):
        return NO_MATCH
    return _unknown(results) or MET


def _any(results: Sequence[Result]) -> Result:
    if any(result.triggered for result in results):
        return MET
    return _unknown(results) or NO_MATCH


def _not(results: Sequence[Result]) -> Result:
    return _unknown(results) or (NO_MATCH if results[0].triggered else MET)


_COMBINED: Final[Mapping[Value, Callable[[Sequence[Result]], Result]]] = {
    Operator.AND: _all,
    Operator.OR: _any,
    Operator.NOT: _not,
}


def _is_false(result: Result) -> bool:
    return not result.triggered and result.reason not in DATA_QUALITY


def _unknown(results: Sequence[Result]) -> Result | None:
    reasons = [
        result.reason
        for result in results
        if not result.triggered and result.reason is not None and result.reason in DATA_QUALITY
    ]
    return not_met(min(reasons)) if reasons else None


class Composite(Timeless):
    """What is declared of `combine`. A reading of a decision is its single operand."""

    signature = Signature(
        name="composite",
        version=1,
        input_types=frozenset({ValueType.DECISION}),
        parameters={
            "operator": Parameter(
                type="choice",
                choices=tuple(Operator),
                meaning="AND: all are met; OR: any is met; NOT: the one is not met",
            )
        },
        meaning=(
            "Other conditions together: AND and OR of at least two, NOT of one. What is unknown "
            "for want of data is never turned into a yes."
        ),
    )

    def decide(self, reading: Reading, _: Summary, params: Parameters, /) -> Result:
        """Of one decision, as NOT takes it; AND and OR refuse a single one with ValueError."""
        if reading.reason is not None or reading.value is None:
            operand = not_read(reading)
        elif isinstance(reading.value, bool):
            operand = MET if reading.value else NO_MATCH
        else:
            raise TypeError(f"{type(reading.value).__name__} is not a decision: read yes or no")
        return combine(params["operator"], (operand,))

    def stricter(self, _params: Parameters, /) -> Literal["lower", "higher"] | None:
        return None

    def sentence(
        self, subject: str, _unit: str, _reading: Reading, result: Result, params: Parameters, /
    ) -> str:
        """``NOT (model size is 10.0 GB, not above 20.0 GB) is met``: `subject` is the operands'."""
        verdict = "met" if result.triggered else "not met"
        return f"{params['operator']} ({subject}) is {verdict}"
