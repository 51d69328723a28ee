"""How often a key may ask: evenly over a minute, with a minute's worth at once at first."""

from hypothesis import given
from hypothesis import strategies as st

from app.authority.limits.rates import after_one, wait_s


def asked(times: list[float], per_minute: int) -> list[bool]:
    """Which of the requests at `times` were soon enough."""
    due, allowed = 0.0, []
    for now in times:
        after = after_one(due, per_minute=per_minute, now=now)
        due = due if after is None else after
        allowed.append(after is not None)
    return allowed


def test_a_minutes_worth_may_come_at_once_and_then_evenly() -> None:
    assert asked([100.0] * 4, 3) == [True, True, True, False]
    assert asked([100.0, 100.0, 100.0, 119.9, 120.0, 120.1], 3) == [True] * 3 + [False, True, False]


def test_after_a_quiet_minute_all_of_it_is_there_again() -> None:
    assert asked([0.0] * 3 + [60.0] * 4, 3) == [True] * 6 + [False]


@given(
    st.integers(1, 10_000),
    st.lists(st.floats(0, 200, allow_nan=False), min_size=1, max_size=100).map(sorted),
)
def test_who_waits_as_told_is_let_in_and_no_whole_second_earlier_would_do(
    per_minute: int, times: list[float]
) -> None:
    due = 0.0
    for now in times:
        after = after_one(due, per_minute=per_minute, now=now)
        if after is None:
            wait = wait_s(due, per_minute=per_minute, now=now)
            assert after_one(due, per_minute=per_minute, now=now + wait) is not None
            sooner = after_one(due, per_minute=per_minute, now=now + wait - 1.001)
            assert wait == 1 or sooner is None
        else:
            due = after


@given(st.integers(1, 200), st.lists(st.floats(0, 300), max_size=400).map(sorted))
def test_no_minute_has_more_than_twice_what_is_allowed(per_minute: int, times: list[float]) -> None:
    let_in = [at for at, allowed in zip(times, asked(times, per_minute), strict=True) if allowed]
    for first in let_in:
        assert sum(first <= at < first + 60 for at in let_in) <= 2 * per_minute
