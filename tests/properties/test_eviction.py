"""Eviction frees enough and nothing more, and never touches pinned or busy models."""

from hypothesis import given
from hypothesis import strategies as st

from app.authority.lifecycle.eviction import (
    Resident,
    choose_evictions,
    idle_too_long,
)

BYTES = st.integers(0, 1 << 40)


@st.composite
def residents(draw: st.DrawFn) -> list[Resident]:
    count = draw(st.integers(0, 8))
    return [
        Resident(
            model_id=f"m/{i}",
            last_used=draw(st.floats(0, 1e6)),
            in_flight=draw(st.sampled_from([0, 0, 0, 1, 5])),
            pinned=draw(st.sampled_from([False, False, False, True])),
            resident_bytes=draw(BYTES),
            promised_bytes=draw(BYTES),
        )
        for i in range(count)
    ]


@given(residents(), st.integers(1, 1 << 42))
def test_what_is_chosen_frees_enough_and_each_of_it_is_needed(
    present: list[Resident], shortfall: int
) -> None:
    eviction = choose_evictions(shortfall, present)
    by_id = {r.model_id: r for r in present}
    if eviction is None:
        assert sum(r.frees_bytes for r in present if r.evictable) < shortfall
        return
    chosen = [by_id[i] for i in eviction.model_ids]
    assert all(r.evictable for r in chosen)
    assert eviction.frees_bytes == sum(r.frees_bytes for r in chosen) >= shortfall
    assert all(eviction.frees_bytes - r.frees_bytes < shortfall for r in chosen)


@given(residents(), st.integers(1, 1 << 42))
def test_the_most_recently_used_of_the_chosen_is_older_than_any_spared_model_of_equal_use(
    present: list[Resident], shortfall: int
) -> None:
    """No spared idle model is older than all chosen ones unless sparing it still frees enough."""
    eviction = choose_evictions(shortfall, present)
    if eviction is None:
        return
    order = [r.model_id for r in sorted(present, key=lambda r: (r.last_used, r.model_id))]
    positions = [order.index(i) for i in eviction.model_ids]
    assert positions == sorted(positions)


@given(residents(), st.floats(0, 2e6), st.floats(1, 1e6))
def test_only_evictable_models_idle_for_the_whole_time_are_unloaded(
    present: list[Resident], now: float, ttl_s: float
) -> None:
    due = set(idle_too_long(present, now=now, ttl_s=lambda _: ttl_s))
    for resident in present:
        expected = resident.evictable and now - resident.last_used >= ttl_s
        assert (resident.model_id in due) == expected


def test_a_time_to_live_of_zero_keeps_everything() -> None:
    old = Resident("m/a", 0.0, 0, False, 1, 1)
    assert idle_too_long([old], now=1e9, ttl_s=lambda _: 0) == ()
