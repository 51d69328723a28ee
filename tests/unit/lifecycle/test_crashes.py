"""Crashes in a row slow a model's start down and finally quarantine it."""

from app.authority.lifecycle.crashes import BACKOFF_S, CrashRecord


def crashed(times: int, *, at: float = 100.0) -> CrashRecord:
    record = CrashRecord()
    for _ in range(times):
        record = record.crashed(now=at)
    return record


def test_a_model_that_never_crashed_starts_at_once() -> None:
    assert CrashRecord().wait_s(now=0.0) == 0


def test_the_first_crash_costs_no_wait() -> None:
    assert crashed(1).wait_s(now=100.0) == 0


def test_the_wait_grows_with_each_crash_and_stays_at_the_longest() -> None:
    waits = [crashed(n).wait_s(now=100.0) for n in range(1, len(BACKOFF_S) + 3)]
    assert waits == [*BACKOFF_S, BACKOFF_S[-1], BACKOFF_S[-1]]


def test_the_wait_is_rounded_up_and_ends() -> None:
    record = crashed(3)
    assert record.wait_s(now=100.5) == 4
    assert record.wait_s(now=103.9) == 1
    assert record.wait_s(now=104.0) == 0


def test_the_limit_quarantines_and_one_less_does_not() -> None:
    assert not crashed(2).quarantines(limit=3)
    assert crashed(3).quarantines(limit=3)
