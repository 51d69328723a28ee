"""Nothing younger than six months can be pruned, whoever asks and whatever the clock says."""

from hypothesis import given
from hypothesis import strategies as st

from app.authority.ledger.retention import DAY_US, FLOOR_DAYS, keep_days, may_prune_before

NOW = 1_800_000_000_000_000
TIMES = st.integers(min_value=0, max_value=2**53 - 1)


@given(TIMES, TIMES, st.integers(-1_000, 1_000))
def test_what_may_be_pruned_is_older_than_the_floor(now: int, then: int, months: int) -> None:
    if may_prune_before(now, then, months=months):
        assert now - then >= FLOOR_DAYS * DAY_US


@given(TIMES, TIMES, st.integers(0, 1_000), st.integers(0, 1_000))
def test_asking_for_more_months_never_prunes_more(now: int, then: int, a: int, b: int) -> None:
    if may_prune_before(now, then, months=max(a, b)):
        assert may_prune_before(now, then, months=min(a, b))


def test_the_edge_is_exact() -> None:
    edge = NOW - keep_days(6) * DAY_US
    assert may_prune_before(NOW, edge)
    assert not may_prune_before(NOW, edge + 1)


def test_no_half_year_is_longer_than_what_is_kept() -> None:
    assert keep_days(6) >= 184  # July to December
    assert keep_days(0) == keep_days(-5) == FLOOR_DAYS


def test_a_clock_that_was_set_back_makes_nothing_prunable() -> None:
    assert not may_prune_before(NOW - 365 * DAY_US, NOW)
