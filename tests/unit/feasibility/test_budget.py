"""What may be promised: 90% of what is free, less what is promised already, never on old facts."""

from dataclasses import replace

import pytest

from app.authority.feasibility import budget, decide
from app.domain.feasibility import Budget, DoesNotFit, Fits, Need, gib
from app.domain.memory import MemoryReading
from app.domain.refusals import MemoryReadingStale

READING = MemoryReading(taken_at=100.0, total_bytes=2000, available_bytes=1000)


def of(reading: MemoryReading, promised: int = 0, now: float = 100.0) -> Budget:
    return budget(reading, promised_untaken_bytes=promised, now=now)


def test_ninety_percent_of_what_is_available_may_be_taken() -> None:
    assert of(READING).budget_bytes == 900


def test_the_share_is_rounded_down() -> None:
    assert of(replace(READING, available_bytes=1009)).budget_bytes == 908


def test_a_control_group_with_less_room_decides() -> None:
    reading = replace(READING, cgroup_limit_bytes=700, cgroup_used_bytes=200)
    assert of(reading).budget_bytes == 450


def test_a_control_group_with_more_room_changes_nothing() -> None:
    reading = replace(READING, cgroup_limit_bytes=9000, cgroup_used_bytes=0)
    assert of(reading).budget_bytes == 900


def test_a_control_group_that_is_used_up_leaves_nothing() -> None:
    reading = replace(READING, cgroup_limit_bytes=700, cgroup_used_bytes=900)
    assert of(reading).budget_bytes == 0


def test_a_limit_whose_use_is_unknown_leaves_nothing() -> None:
    assert of(replace(READING, cgroup_limit_bytes=700)).budget_bytes == 0


def test_a_use_without_a_limit_is_no_limit() -> None:
    assert of(replace(READING, cgroup_used_bytes=999)).budget_bytes == 900


def test_metal_headroom_caps_the_share_and_is_not_reduced_itself() -> None:
    assert of(replace(READING, metal_headroom_bytes=850)).budget_bytes == 850
    assert of(replace(READING, metal_headroom_bytes=950)).budget_bytes == 900
    assert of(replace(READING, metal_headroom_bytes=0)).budget_bytes == 0


def test_what_others_were_promised_and_have_not_taken_is_gone() -> None:
    assert of(READING, promised=300).budget_bytes == 600
    assert of(replace(READING, metal_headroom_bytes=500), promised=300).budget_bytes == 200


def test_a_budget_is_never_below_zero() -> None:
    assert of(READING, promised=901).budget_bytes == 0
    assert of(replace(READING, available_bytes=0)).budget_bytes == 0
    assert of(replace(READING, available_bytes=-5)).budget_bytes == 0


@pytest.mark.parametrize("now", [100.0, 101.0, 102.0])
def test_a_reading_up_to_two_seconds_old_is_trusted(now: float) -> None:
    assert of(READING, now=now).budget_bytes == 900


@pytest.mark.parametrize("now", [102.001, 1e9, 99.999, float("nan"), float("inf")])
def test_an_older_reading_or_one_from_the_future_is_refused(now: float) -> None:
    with pytest.raises(MemoryReadingStale) as refused:
        of(READING, now=now)
    assert refused.value.retry_after_s == 1


def test_the_age_that_is_trusted_can_be_set() -> None:
    with pytest.raises(MemoryReadingStale):
        budget(READING, promised_untaken_bytes=0, now=100.6, max_age_s=0.5)


def test_a_need_equal_to_the_budget_fits_and_one_byte_more_does_not() -> None:
    assert isinstance(decide(Need(500, 200, 100, 100), of(READING)), Fits)
    assert isinstance(decide(Need(501, 200, 100, 100), of(READING)), DoesNotFit)


def test_a_verdict_carries_its_arithmetic_in_whole_bytes() -> None:
    verdict = decide(Need(1 << 30, 2 << 30, 3 << 20, 4096), of(READING, promised=7))
    assert verdict.as_dict() == {
        "need": {
            "weights_bytes": 1 << 30,
            "kv_bytes": 2 << 30,
            "prompt_cache_bytes": 0,
            "workspace_bytes": 3 << 20,
            "worker_base_bytes": 4096,
            "total_bytes": (3 << 30) + (3 << 20) + 4096,
        },
        "budget": {
            "total_bytes": 2000,
            "available_bytes": 1000,
            "limit_bytes": 1000,
            "promised_untaken_bytes": 7,
            "budget_bytes": 893,
        },
    }
    assert isinstance(verdict, DoesNotFit)
    assert verdict.shortfall_bytes == (3 << 30) + (3 << 20) + 4096 - 893
    assert "weights 1.00 GiB + cache 2.00 GiB" in verdict.message()
    assert "smaller context" in verdict.message()


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, "0.0 KiB"), (566, "0.6 KiB"), (3_916_800, "3.7 MiB"), ((5 << 30) + (5 << 20), "5.00 GiB")],
)
def test_bytes_are_in_the_largest_unit_that_shows_them(count: int, shown: str) -> None:
    assert gib(count) == shown


def test_a_verdict_that_fits_says_what_is_left() -> None:
    verdict = decide(Need(100, 100, 100, 100), of(replace(READING, metal_headroom_bytes=800)))
    assert verdict.as_dict()["budget"]["metal_headroom_bytes"] == 800
    assert verdict.message().startswith("Fits: ")
