"""Usage is written in batches, never waits, never loses a token, and is never text."""

import dataclasses
import time
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app.authority.ledger import UsageLog, UsageRow
from app.authority.ledger.writing import writing
from tests.fakes.database import foreign_connection, weakened_engine

ROW = UsageRow(
    request_id="r-1",
    actor="anonymous",
    model_id="lmx/starter",
    digest="d" * 64,
    prompt_tokens=3,
    completion_tokens=5,
    started_us=1_000,
    ttft_ms=12,
    duration_ms=34,
    outcome="stop",
)


PATIENCE_S = 60.0


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A busy machine may take long over a batch; what is never written is known at once."""
    monkeypatch.setattr("app.authority.ledger.usage.CLOSE_S", PATIENCE_S)


def written(engine: Engine) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT * FROM usage ORDER BY id")
        return [dict(row._mapping) for row in rows]


def test_a_row_is_written_as_it_is_but_for_what_the_hours_keep(engine: Engine) -> None:
    log = UsageLog(engine)
    log.add(ROW)
    assert log.flush(PATIENCE_S)
    (row,) = written(engine)
    row.pop("id")
    kept = dataclasses.asdict(ROW)
    del kept["asked"]
    assert row == kept
    log.close()


def test_closing_writes_everything(engine: Engine) -> None:
    log = UsageLog(engine)
    for number in range(500):
        log.add(dataclasses.replace(ROW, request_id=f"r-{number}", ttft_ms=None))
    log.close()
    assert [row["request_id"] for row in written(engine)] == [f"r-{n}" for n in range(500)]
    assert log.waiting == 0


def test_adding_does_not_wait_for_a_busy_database(engine: Engine) -> None:
    log = UsageLog(engine)
    with writing(engine):  # whoever holds the write lock holds up the thread, not `add`
        for _ in range(100):
            log.add(ROW)
        assert written(engine) == []
    log.close()
    assert len(written(engine)) == 100


def test_rows_that_cannot_be_written_are_kept_and_tried_again(path: Path) -> None:
    engine = weakened_engine(path, "PRAGMA busy_timeout = 20")
    other = foreign_connection(path)
    other.execute("BEGIN IMMEDIATE")
    log = UsageLog(engine)
    log.add(ROW)
    assert not log.flush(timeout_s=0.5)
    ends = time.monotonic() + PATIENCE_S
    while log.failures < 1 or log.waiting < 1:
        assert time.monotonic() < ends
        time.sleep(0.005)
    other.execute("ROLLBACK")
    assert log.flush(PATIENCE_S)
    log.close()
    assert len(written(engine)) == 1


def test_what_can_never_be_written_is_said_at_close(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log = UsageLog(weakened_engine(path, "PRAGMA query_only = ON"))
    log.add(ROW)
    log.close()
    assert "usage of 1 requests could not be written" in caplog.text
    assert log.waiting == 1


def test_too_many_rows_are_summed_and_no_token_is_lost(engine: Engine) -> None:
    log = UsageLog(engine, max_waiting=10)
    with writing(engine):
        for number in range(1_000):
            outcome = "stop" if number % 2 else "length"
            log.add(dataclasses.replace(ROW, outcome=outcome, started_us=number))
        assert log.waiting == 1_000
    log.close()
    rows = written(engine)
    assert len(rows) < 40
    assert sum(row["requests"] for row in rows) == 1_000
    assert sum(row["completion_tokens"] for row in rows) == 5_000
    assert {row["outcome"] for row in rows if row["requests"] > 1} == {"stop", "length"}


def test_a_row_has_no_place_for_text() -> None:
    names = {field.name for field in dataclasses.fields(UsageRow)}
    assert not names & {"prompt", "text", "completion", "messages", "content"}
