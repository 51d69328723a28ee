"""Usage is sealed hour by hour, each row once, empty hours too; old rows go, the digests stay."""

import hashlib
from dataclasses import asdict, replace
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, insert

from app.authority.ledger import Ledger, UsageLog, UsageRow
from app.authority.ledger import usage_digests as module
from app.authority.ledger.hour_use import HOUR_US
from app.authority.ledger.tables import USAGE
from app.authority.ledger.usage_digests import (
    Hours,
    Sealed,
    UsageDigests,
    due,
    hour_of,
    row_line,
)
from app.authority.ledger.writing import writing
from app.domain.actors import SYSTEM
from app.domain.refusals import AuditUnavailable
from tests.fakes import events
from tests.fakes.clock import START_UTC_US, FixedClock

START = START_UTC_US  # a full hour
DAY_S = 86_400
ROW = UsageRow(
    request_id="r",
    actor="key:0badcafe",
    model_id="lmx/starter",
    digest="d" * 64,
    prompt_tokens=3,
    completion_tokens=5,
    started_us=START,
    ttft_ms=None,
    duration_ms=7,
    outcome="stop",
)


@pytest.fixture
def digests(ledger: Ledger, engine: Engine, clock: FixedClock) -> UsageDigests:
    ledger.append(events.boot())
    return again(ledger, engine, clock)


def again(ledger: Ledger, engine: Engine, clock: FixedClock) -> UsageDigests:
    """As after a restart: nothing is remembered but what is recorded."""
    return UsageDigests(ledger, engine, clock, keep_days=30)


def use(engine: Engine, *started_us: int, **changes: Any) -> None:
    rows = [asdict(replace(ROW, started_us=at, asked=None, **changes)) for at in started_us]
    with writing(engine) as connection:
        connection.execute(insert(USAGE), rows)


def said(ledger: Ledger, kind: str = "usage_digest") -> list[dict[str, Any]]:
    return [dict(event.data) for event in ledger.events(kind=kind, limit=1_000)]


def stored(engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(r) for r in connection.execute(USAGE.select().order_by("id")).mappings()]


def test_the_clock_of_these_tests_starts_on_the_hour() -> None:
    assert hour_of(START) == START


def test_nothing_is_sealed_before_the_hour_is_over(
    digests: UsageDigests, ledger: Ledger, clock: FixedClock
) -> None:
    digests.tick()
    clock.advance(3_599)
    digests.tick()
    assert said(ledger) == []


def test_an_hour_is_sealed_with_its_sums_and_the_hash_of_its_rows(
    digests: UsageDigests, ledger: Ledger, engine: Engine, clock: FixedClock
) -> None:
    use(engine, START, START + 1)
    use(engine, START + 2, requests=4, prompt_tokens=30)
    clock.advance(3_600)
    digests.tick()
    lines = b"".join(rfc8785.dumps(row) + b"\n" for row in stored(engine))
    assert said(ledger) == [
        {
            "from_us": START,
            "until_us": START + HOUR_US,
            "first_id": 1,
            "last_id": 3,
            "rows": 3,
            "requests": 6,
            "prompt_tokens": 36,
            "completion_tokens": 15,
            "digest": hashlib.sha256(lines).hexdigest(),
        }
    ]


def test_an_altered_row_no_longer_has_its_digest(
    digests: UsageDigests, ledger: Ledger, engine: Engine, clock: FixedClock
) -> None:
    use(engine, START)
    clock.advance(3_600)
    digests.tick()
    with writing(engine) as connection:
        connection.exec_driver_sql("UPDATE usage SET actor = 'key:ffffffff'")
    lines = b"".join(map(row_line, stored(engine)))
    assert hashlib.sha256(lines).hexdigest() != said(ledger)[0]["digest"]


def test_an_empty_hour_is_sealed_too(
    digests: UsageDigests, ledger: Ledger, clock: FixedClock
) -> None:
    for _ in range(3):
        clock.advance(3_600)
        digests.tick()
    hours = said(ledger)
    assert [hour["until_us"] - START for hour in hours] == [HOUR_US, 2 * HOUR_US, 3 * HOUR_US]
    assert all((h["rows"], h["first_id"], h["last_id"]) == (0, 1, 0) for h in hours)
    assert {h["digest"] for h in hours} == {hashlib.sha256().hexdigest()}


def test_hours_that_were_missed_are_one_event(
    digests: UsageDigests, ledger: Ledger, engine: Engine, clock: FixedClock
) -> None:
    use(engine, START + 1)
    clock.advance(1_000 * 3_600 + 60)
    again(ledger, engine, clock).tick()
    (gap,) = said(ledger)
    assert (gap["from_us"], gap["until_us"]) == (START, START + 1_000 * HOUR_US)
    assert gap["rows"] == 1


def test_a_restart_takes_up_where_the_last_digest_ended(
    digests: UsageDigests, ledger: Ledger, engine: Engine, clock: FixedClock
) -> None:
    use(engine, START)
    clock.advance(3_600)
    digests.tick()
    again(ledger, engine, clock).tick()
    use(engine, START + HOUR_US)
    clock.advance(3_600)
    again(ledger, engine, clock).tick()
    assert [(d["first_id"], d["last_id"]) for d in said(ledger)] == [(1, 1), (2, 2)]


def test_a_row_that_comes_late_is_in_the_next_digest(
    digests: UsageDigests, ledger: Ledger, engine: Engine, clock: FixedClock
) -> None:
    use(engine, START)
    clock.advance(3_660)
    use(engine, START + HOUR_US + 1)  # of the hour that runs now: not yet
    digests.tick()
    use(engine, START + 5)  # of the hour that is sealed
    clock.advance(3_600)
    digests.tick()
    assert [(d["first_id"], d["last_id"], d["rows"]) for d in said(ledger)] == [
        (1, 1, 1),
        (2, 3, 2),
    ]


def test_a_ledger_that_cannot_be_written_loses_no_hour(
    digests: UsageDigests,
    ledger: Ledger,
    engine: Engine,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(engine, START)
    with monkeypatch.context() as patch:

        def refuse(event: object) -> None:
            raise AuditUnavailable("The ledger is not available.")

        patch.setattr(ledger, "append", refuse)
        for _ in range(5):
            clock.advance(3_600)
            with pytest.raises(AuditUnavailable):
                digests.tick()
    digests.tick()
    (gap,) = said(ledger)
    assert (gap["from_us"], gap["until_us"], gap["rows"]) == (START, START + 5 * HOUR_US, 1)


def test_a_clock_set_forward_and_back_stops_no_digest_and_covers_each_row_once(
    digests: UsageDigests, ledger: Ledger, engine: Engine, clock: FixedClock
) -> None:
    use(engine, START)
    clock.jump(365 * DAY_S)
    use(engine, clock.utc_us())
    digests.tick()
    clock.jump(-365 * DAY_S)
    clock.advance(3_600)
    use(engine, clock.utc_us() - 1)
    digests.tick()
    clock.advance(3_600)
    digests.tick()
    found = said(ledger)
    assert [h["until_us"] for h in found[1:]] == [START + HOUR_US, START + 2 * HOUR_US]
    covered = [i for h in found for i in range(h["first_id"], h["last_id"] + 1)]
    assert covered == [1, 2, 3]


@given(
    st.lists(st.integers(-3 * HOUR_US, 3 * HOUR_US), max_size=40),
    st.integers(START, START + HOUR_US),
)
def test_whatever_the_clock_does_a_digest_is_of_hours_that_are_over(
    steps: list[int], now: int
) -> None:
    sealed = Sealed(START, 0)
    for step in steps:
        now = max(START, now + step)
        hours = due(sealed, now)
        if hours is None:
            assert sealed.until_us <= hour_of(now) + HOUR_US
            assert sealed.until_us >= hour_of(now)
        else:
            assert hours.from_us < hours.until_us <= now
            assert due(Sealed(hours.until_us, 0), now) is None
            sealed = Sealed(hours.until_us, 0)


def test_what_is_due_is_whole_hours() -> None:
    assert due(Sealed(START, 0), START + HOUR_US - 1) is None
    assert due(Sealed(START, 0), START + HOUR_US) == Hours(START, START + HOUR_US)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_row_is_hashed_as_the_rfc_writes_it(text: str) -> None:
    row = {**asdict(ROW), "id": 1, "request_id": text, "ttft_ms": None}
    assert row_line(row) == rfc8785.dumps(row) + b"\n"


def test_old_rows_go_when_a_digest_covers_them_and_the_digests_stay(
    digests: UsageDigests, ledger: Ledger, engine: Engine, clock: FixedClock
) -> None:
    use(engine, *range(START, START + 10))
    clock.advance(29 * DAY_S)
    use(engine, clock.utc_us())
    digests.tick()
    assert len(stored(engine)) == 11
    clock.advance(DAY_S + 3_600)
    digests.tick()
    assert [row["id"] for row in stored(engine)] == [11]
    assert said(ledger, "usage_pruned") == [
        {"until_us": clock.utc_us() - 30 * DAY_S * 1_000_000, "rows": 10}
    ]
    assert sum(digest["rows"] for digest in said(ledger)) == 11


def test_the_sums_of_old_hours_go_with_their_rows(
    digests: UsageDigests, engine: Engine, clock: FixedClock
) -> None:
    log = UsageLog(engine)
    for day in range(40):
        log.add(replace(ROW, started_us=START + day * 24 * HOUR_US))
    log.close()
    clock.advance(40 * DAY_S)
    digests.tick()
    with engine.connect() as connection:
        kept = connection.exec_driver_sql("SELECT hour FROM hour_use ORDER BY hour")
        days = [(hour - START // HOUR_US) // 24 for (hour,) in kept]
    assert days == list(range(10, 40))
    assert [(row["started_us"] - START) // (24 * HOUR_US) for row in stored(engine)] == days


def test_a_row_no_digest_covers_is_not_deleted_however_old(
    digests: UsageDigests, engine: Engine, clock: FixedClock
) -> None:
    clock.advance(3_600)
    digests.tick()
    clock.jump(100 * DAY_S)
    use(engine, START, START + 1)
    assert digests.removable(clock.utc_us()).rows == 0
    assert digests._prune(clock.utc_us(), SYSTEM) == 0
    assert len(stored(engine)) == 2


def test_the_newest_row_stays_so_that_no_id_is_given_twice(
    digests: UsageDigests, ledger: Ledger, engine: Engine, clock: FixedClock
) -> None:
    use(engine, START, START, START)
    clock.advance(100 * DAY_S)
    digests.tick()
    assert [row["id"] for row in stored(engine)] == [3]
    use(engine, clock.utc_us())
    clock.advance(3_600)
    digests.tick()
    assert said(ledger)[-1]["first_id"] == said(ledger)[-1]["last_id"] == 4


def test_pruning_comes_in_steps_and_once_a_day(
    digests: UsageDigests,
    ledger: Ledger,
    engine: Engine,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "PRUNED_AT_ONCE", 4)
    use(engine, *[START] * 11)
    clock.advance(40 * DAY_S)
    digests.tick()
    assert [step["rows"] for step in said(ledger, "usage_pruned")] == [4, 4, 2]
    use(engine, START, START)
    clock.advance(3_600)
    digests.tick()
    assert len(said(ledger, "usage_pruned")) == 3
    clock.advance(DAY_S)
    digests.tick()
    assert len(said(ledger, "usage_pruned")) == 4


def test_a_deletion_that_cannot_be_recorded_is_not_made(
    digests: UsageDigests,
    ledger: Ledger,
    engine: Engine,
    clock: FixedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    use(engine, START, START)
    clock.advance(40 * DAY_S)

    def refuse(event: object) -> None:
        raise AuditUnavailable("The ledger is not available.")

    monkeypatch.setattr(ledger, "recording", refuse)
    with pytest.raises(AuditUnavailable):
        digests.tick()
    assert len(stored(engine)) == 2
