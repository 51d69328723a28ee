"""An hour has what its usage adds up to: after failures, floods, restarts, from before."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine

from app.authority.ledger import UsageLog, UsageRow
from app.authority.ledger.durations import BOUNDS, added, as_text, bucket, count, from_text
from app.authority.ledger.durations import percentile as percentile_of
from app.authority.ledger.hour_use import HOUR_US, backfill, forget
from app.authority.ledger.usage_row import Asked
from app.authority.ledger.writing import writing
from app.database import open_engine
from tests.fakes.database import foreign_connection, fresh_database, weakened_engine

PATIENCE_S = 60.0
START_US = 480_000 * HOUR_US
ROW = UsageRow(
    request_id="r-1",
    actor="anonymous",
    model_id="lmx/starter",
    digest="d" * 64,
    prompt_tokens=3,
    completion_tokens=5,
    started_us=START_US,
    ttft_ms=12,
    duration_ms=34,
    outcome="answered",
    asked=Asked("default", cold=True, waited_ms=7),
)
SUMS = "requests, prompt_tokens, completion_tokens"


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.authority.ledger.usage.CLOSE_S", PATIENCE_S)


def hours(engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM hour_use ORDER BY hour, model_id, name")
        return [dict(row._mapping) for row in rows]


def totals(engine: Engine, table: str) -> list[tuple[Any, ...]]:
    """Requests and tokens of each model in each hour."""
    hour = "hour" if table == "hour_use" else f"started_us / {HOUR_US}"
    sums = ", ".join(f"sum({name})" for name in SUMS.split(", "))
    with engine.connect() as connection:
        query = f"SELECT {hour}, model_id, {sums} FROM {table} GROUP BY 1, 2 ORDER BY 1, 2"
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def write(engine: Engine, rows: Iterable[UsageRow]) -> None:
    log = UsageLog(engine)
    for row in rows:
        log.add(row)
    log.close()


def many(count: int = 400) -> list[UsageRow]:
    """Of three models over four hours, each as different from the next as can be."""
    return [
        replace(
            ROW,
            request_id=f"r-{n}",
            model_id=f"test/{n % 3}",
            started_us=START_US + (n % 4) * HOUR_US + n,
            prompt_tokens=n,
            ttft_ms=None if n % 5 == 0 else n * 3,
            duration_ms=n * 7,
            outcome=("answered", "cancelled", "worker_lost")[n % 7 % 3],
            asked=Asked(f"alias-{n % 2}", cold=n % 11 == 0, waited_ms=n % 13),
        )
        for n in range(count)
    ]


def old_usage(engine: Engine, rows: Iterable[UsageRow]) -> None:
    """Rows as a release before the sums wrote them: in `usage`, and nowhere else."""
    write(engine, rows)
    with writing(engine) as connection:
        connection.exec_driver_sql("DELETE FROM hour_use")


def test_an_hour_has_what_was_asked_and_by_which_name_and_never_by_whom(engine: Engine) -> None:
    write(
        engine,
        [
            ROW,
            replace(ROW, outcome="worker_lost", ttft_ms=None, asked=Asked("default")),
            replace(ROW, outcome="cancelled", completion_tokens=500, asked=Asked("lmx/starter")),
            replace(ROW, started_us=START_US + HOUR_US, asked=Asked("default", longest_tokens=6)),
        ],
    )
    first, by_id, second = hours(engine)
    assert first == {
        "hour": 480_000,
        "model_id": "lmx/starter",
        "name": "default",
        "requests": 2,
        "refused": 1,
        "cold": 1,
        "prompt_tokens": 6,
        "completion_tokens": 10,
        "longest_tokens": 8,
        "last_used_us": START_US,
        "ttft": as_text({bucket(12): 1}),
        "duration": as_text({bucket(34): 2}),
        "waited": as_text({bucket(7): 1}),
        "ttft_p50_ms": 13,
        "ttft_p95_ms": 13,
        "duration_p95_ms": 38,
        "waited_p95_ms": 8,
    }
    assert (by_id["name"], by_id["refused"], by_id["longest_tokens"]) == ("lmx/starter", 0, 503)
    assert (second["hour"], second["longest_tokens"]) == (480_001, 6)


def test_hours_have_as_many_requests_and_tokens_as_usage(engine: Engine) -> None:
    write(engine, many())
    assert totals(engine, "hour_use") == totals(engine, "usage")


def test_after_a_restart_an_hour_goes_on(engine: Engine) -> None:
    rows = many()
    write(engine, rows[:150])
    write(engine, rows[150:])
    assert totals(engine, "hour_use") == totals(engine, "usage")


def test_what_comes_in_parts_is_what_comes_at_once(path: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    rows, other = many(), fresh_database(tmp_path / "other")
    whole, parts = open_engine(path), open_engine(other)
    write(whole, rows)
    for start in range(0, len(rows), 37):
        write(parts, rows[start : start + 37])
    assert hours(parts) == hours(whole)


def test_a_flood_that_is_summed_loses_nothing_of_its_hours(engine: Engine) -> None:
    log = UsageLog(engine, max_waiting=10)
    rows = many(600)
    with writing(engine):
        for row in rows:
            log.add(row)
    log.close()
    found = hours(engine)
    assert sum(hour["requests"] for hour in found) == 600
    assert sum(hour["prompt_tokens"] for hour in found) == sum(row.prompt_tokens for row in rows)
    assert {hour["hour"] - 480_000 for hour in found} == {0, 1, 2, 3}
    assert sum(hour["cold"] for hour in found) == sum(n % 11 == 0 for n in range(600))
    measured: dict[int, int] = {}
    for hour in found:
        added(measured, from_text(hour["ttft"]))
    wanted: dict[int, int] = {}
    for row in rows:
        count(wanted, row.ttft_ms)
    assert measured == wanted


def test_a_batch_that_failed_is_counted_once(path: Path) -> None:
    engine = weakened_engine(path, "PRAGMA busy_timeout = 20")
    other = foreign_connection(path)
    log = UsageLog(engine, max_waiting=5)
    other.execute("BEGIN IMMEDIATE")
    for row in many(40):
        log.add(row)
    ends = time.monotonic() + PATIENCE_S
    while log.failures < 2:
        assert time.monotonic() < ends
        time.sleep(0.005)
    other.execute("ROLLBACK")
    log.close()
    found = hours(engine)
    assert sum(hour["requests"] for hour in found) == 40
    assert sum(hour["prompt_tokens"] for hour in found) == sum(range(40))
    assert sum(sum(from_text(hour["duration"]).values()) for hour in found) == 40


def test_hours_are_written_with_their_usage_or_neither_is(path: Path, engine: Engine) -> None:
    other = foreign_connection(path)
    other.execute(
        "CREATE TRIGGER no BEFORE INSERT ON hour_use BEGIN SELECT RAISE(ABORT, 'no'); END"
    )
    log = UsageLog(engine)
    log.add(ROW)
    ends = time.monotonic() + PATIENCE_S
    while log.failures < 1:
        assert time.monotonic() < ends
        time.sleep(0.005)
    assert totals(engine, "usage") == []
    other.execute("DROP TRIGGER no")
    log.close()
    assert totals(engine, "usage") == totals(engine, "hour_use") != []


def test_damaged_durations_are_none_and_usage_goes_on(engine: Engine) -> None:
    write(engine, [ROW])
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE hour_use SET ttft = '[', waited = '{\"x\": 1}'")
    write(engine, [ROW])
    (hour,) = hours(engine)
    assert hour["requests"] == 2
    assert from_text(hour["ttft"]) == {bucket(12): 1}
    assert from_text(hour["waited"]) == {bucket(7): 1}
    assert from_text(hour["duration"]) == {bucket(34): 2}


def test_usage_of_before_is_summed_once_under_the_models_id(engine: Engine) -> None:
    rows = many()
    old_usage(engine, rows)
    write(engine, [replace(ROW, request_id="new")])
    found = hours(engine)
    assert totals(engine, "hour_use") == totals(engine, "usage")
    assert {h["name"] for h in found if h["model_id"] != "lmx/starter"} == {
        "test/0",
        "test/1",
        "test/2",
    }
    assert sum(h["cold"] for h in found) == 1
    write(engine, [replace(ROW, request_id="newer")])
    assert totals(engine, "hour_use") == totals(engine, "usage")


def test_what_cannot_be_summed_before_the_end_is_not_lost_to_usage(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    old_usage(engine, many(40))
    monkeypatch.setattr("app.authority.ledger.usage.backfill", lambda *_: False)
    write(engine, [ROW])
    assert sum(row[2] for row in totals(engine, "usage")) == 41
    assert hours(engine) == []


def test_a_number_that_was_altered_does_not_end_the_counting(engine: Engine) -> None:
    write(engine, [ROW])
    with writing(engine) as connection:
        connection.exec_driver_sql(f"UPDATE hour_use SET prompt_tokens = {2**63 - 1}")
    write(engine, [ROW])
    (hour,) = hours(engine)
    assert hour["requests"] == 2


def test_a_server_without_requests_sums_the_usage_of_before_too(engine: Engine) -> None:
    old_usage(engine, many(40))
    log = UsageLog(engine)
    ends = time.monotonic() + PATIENCE_S
    while sum(hour["requests"] for hour in hours(engine)) < 40:
        assert time.monotonic() < ends
        time.sleep(0.005)
    log.close()
    assert totals(engine, "hour_use") == totals(engine, "usage")


def test_summing_what_was_before_takes_up_where_it_was_stopped(engine: Engine) -> None:
    old_usage(engine, many(50))
    old_usage(engine, [replace(ROW, started_us=START_US + day * 24 * HOUR_US) for day in range(9)])
    for stopped in range(20):
        left = iter([False])
        if backfill(engine, lambda left=left: next(left, True)):  # type: ignore[misc]
            break
        seen = [hour["hour"] for hour in hours(engine)]
        assert len(seen) >= stopped + 1  # the newest first
        assert max(seen) == 480_000 + 8 * 24
    assert totals(engine, "hour_use") == totals(engine, "usage")
    assert backfill(engine, lambda: True)


def test_a_sum_of_before_counts_its_requests_as_they_were_on_average(engine: Engine) -> None:
    old_usage(engine, [replace(ROW, requests=4, duration_ms=400, ttft_ms=None)])
    assert backfill(engine, lambda: False)
    (hour,) = hours(engine)
    assert (hour["requests"], hour["longest_tokens"]) == (4, 2)
    assert from_text(hour["duration"]) == {bucket(100): 4}


def test_old_hours_are_forgotten_and_the_one_that_a_moment_is_in_stays(engine: Engine) -> None:
    write(engine, [replace(ROW, started_us=START_US + n * HOUR_US) for n in range(5)])
    forget(engine, START_US + 3 * HOUR_US - 1)
    assert [hour["hour"] - 480_000 for hour in hours(engine)] == [2, 3, 4]


@given(st.integers(0, 2**31))
def test_a_bucket_reaches_from_what_is_in_it_to_a_fifth_more(ms: int) -> None:
    assert ms <= BOUNDS[bucket(ms)] <= ms * 2**0.25


@given(st.lists(st.integers(0, 600_000), min_size=1, max_size=200), st.sampled_from([50, 95]))
def test_a_percentile_is_at_most_a_fifth_over_the_exact_one(taken: list[int], share: int) -> None:
    histogram: dict[int, int] = {}
    for ms in taken:
        count(histogram, ms)
    exact = sorted(taken)[-(-share * len(taken) // 100) - 1]
    found = percentile_of(from_text(as_text(histogram)), share)
    assert found is not None
    assert exact <= found <= exact * 2**0.25


def test_nothing_measured_has_no_percentile_and_no_end_is_beyond_the_last_bucket() -> None:
    assert percentile_of({}, 95) is None
    nothing: dict[int, int] = {}
    count(nothing, None)
    assert nothing == {}
    assert bucket(2**60) == len(BOUNDS) - 1
