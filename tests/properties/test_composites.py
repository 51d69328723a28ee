"""However conditions are put together: three-valued, in no order, and unknown is never a yes."""

from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from app.authority.guardrails.strategies.base import DATA_QUALITY, Reason, Result
from app.authority.guardrails.strategies.composite import combine

results = st.sampled_from(
    [
        Result(triggered=True),
        Result(triggered=True, reason=Reason.CHANGE_FROM_ZERO),
        *(
            Result(triggered=False, reason=reason)
            for reason in sorted(set(Reason) - {Reason.CHANGE_FROM_ZERO})
        ),
    ]
)
several = st.lists(results, min_size=2, max_size=6)


def truth(result: Result) -> bool | None:
    return None if result.reason in DATA_QUALITY else result.triggered


@given(st.sampled_from(["AND", "OR"]), several, st.randoms(use_true_random=False))
def test_the_order_of_operands_never_matters(
    operator: str, operands: list[Result], rng: Any
) -> None:
    shuffled = list(operands)
    rng.shuffle(shuffled)
    assert combine(operator, shuffled) == combine(operator, operands)


@given(several)
def test_and_or_are_three_valued(operands: list[Result]) -> None:
    truths = [truth(operand) for operand in operands]
    unknown = None if None in truths else True
    assert truth(combine("AND", operands)) is (False if False in truths else unknown)
    unknown = None if None in truths else False
    assert truth(combine("OR", operands)) is (True if True in truths else unknown)


@given(results)
def test_not_not_never_turns_unknown_into_yes(operand: Result) -> None:
    once = combine("NOT", [operand])
    assert truth(combine("NOT", [once])) is truth(operand)
    if truth(operand) is None:
        assert once == Result(triggered=False, reason=operand.reason)


@given(st.sampled_from(["AND", "OR"]), several)
def test_an_unknown_whole_passes_on_the_first_reason_by_name(
    operator: str, operands: list[Result]
) -> None:
    found = combine(operator, operands)
    assume(truth(found) is None)
    assert found.reason == min(each.reason for each in operands if each.reason in DATA_QUALITY)


@given(st.sampled_from(["AND", "OR", "NOT"]), st.lists(results, min_size=1, max_size=4))
def test_knowing_less_never_fires_what_did_not(operator: str, operands: list[Result]) -> None:
    """Without an operand's data the whole is what it was, or unknown: never the opposite."""
    assume((len(operands) == 1) is (operator == "NOT"))
    whole = combine(operator, operands)
    for index in range(len(operands)):
        less = [*operands]
        less[index] = Result(triggered=False, reason=Reason.NULL_INPUT)
        assert truth(combine(operator, less)) in {truth(whole), None}
