"""What cannot be recorded is refused with a sentence, and a ledger that recovers goes on."""

from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.ledger import Ledger
from app.domain.refusals import AuditUnavailable
from tests.fakes import events
from tests.fakes.clock import FixedClock
from tests.fakes.database import foreign_connection, weakened_engine
from tests.fakes.ledger import new_ledger

BOOT = events.saying("x" * 2_000)


def ledger_on(engine: Engine) -> Ledger:
    return new_ledger(engine, FixedClock(), "boot-1")


def pragma(engine: Engine, statement: str) -> None:
    raw = engine.raw_connection()
    raw.cursor().execute(f"PRAGMA {statement}").fetchall()
    raw.close()


def assert_refuses(ledger: Ledger, sentence: str) -> None:
    size = ledger.size()
    with pytest.raises(AuditUnavailable) as refused:
        ledger.append(BOOT)
    assert sentence in refused.value.message
    assert "nothing that must be recorded is done" in refused.value.message
    assert not ledger.available
    assert ledger.size() == size


def test_a_full_disk_refuses_and_room_recovers(path: Path) -> None:
    engine = weakened_engine(path, "PRAGMA max_page_count = 1")  # SQLite: as many as there are
    ledger = ledger_on(engine)
    with pytest.raises(AuditUnavailable):
        for _ in range(1_000):
            ledger.append(BOOT)
    assert_refuses(ledger, "Free some space")
    size = ledger.size()
    pragma(engine, "max_page_count = 100000")
    assert ledger.append(BOOT).seq == size + 1
    assert ledger.available
    assert all(event.intact for event in ledger.events(limit=2_000))


def test_a_full_disk_undoes_the_change_too(path: Path) -> None:
    engine = weakened_engine(path, "PRAGMA max_page_count = 1")
    ledger = ledger_on(engine)
    made = 0
    with pytest.raises(AuditUnavailable):
        for made in range(1_000):
            with ledger.recording(BOOT) as connection:
                connection.exec_driver_sql(
                    "INSERT INTO receipt VALUES (?, 1, 1, 1, 1, 1, 1)", (f"{made:064}",)
                )
    with engine.connect() as connection:
        count = connection.exec_driver_sql("SELECT count(*) FROM receipt").scalar_one()
    assert count == made == ledger.size()


def test_a_read_only_database_refuses_and_recovers(path: Path) -> None:
    engine = weakened_engine(path)
    ledger = ledger_on(engine)
    ledger.append(BOOT)
    pragma(engine, "query_only = ON")
    assert_refuses(ledger, "read-only")
    pragma(engine, "query_only = OFF")
    assert ledger.append(BOOT).seq == 2


def test_a_database_another_program_holds_refuses_and_recovers(path: Path) -> None:
    engine = weakened_engine(path, "PRAGMA busy_timeout = 20")
    ledger = ledger_on(engine)
    other = foreign_connection(path)
    other.execute("BEGIN IMMEDIATE")
    assert_refuses(ledger, "Another program holds the database")
    other.execute("ROLLBACK")
    assert ledger.append(BOOT).seq == 1


def test_a_damaged_database_refuses(path: Path) -> None:
    engine = weakened_engine(path)
    ledger = ledger_on(engine)
    ledger.append(BOOT)
    engine.dispose()
    with path.open("r+b") as file:
        file.write(b"not a database any more" * 8)
    with pytest.raises(AuditUnavailable, match="restore a backup"):
        ledger.append(BOOT)


@pytest.mark.parametrize("swap", ["deleted", "replaced"])
def test_a_file_that_went_away_is_noticed_at_the_next_append(
    ledger: Ledger, path: Path, swap: str
) -> None:
    ledger.append(BOOT)
    kept = path.read_bytes()
    path.unlink()
    if swap == "replaced":
        path.write_bytes(kept)
    with pytest.raises(AuditUnavailable):
        ledger.append(BOOT)
    assert not ledger.available


def test_a_refused_append_leaves_no_lock_behind(path: Path) -> None:
    engine = weakened_engine(path)
    ledger = ledger_on(engine)
    pragma(engine, "query_only = ON")
    with pytest.raises(AuditUnavailable):
        ledger.append(BOOT)
    other = foreign_connection(path, timeout=0)
    other.execute("BEGIN IMMEDIATE")
    other.execute("ROLLBACK")


def test_reading_goes_on_while_writing_is_refused(path: Path) -> None:
    engine = weakened_engine(path)
    ledger = ledger_on(engine)
    ledger.append(BOOT)
    pragma(engine, "query_only = ON")
    assert_refuses(ledger, "read-only")
    assert ledger.event(1).intact
    ledger.check_guards()


def test_no_refusal_names_a_statement_or_a_traceback(path: Path) -> None:
    engine = weakened_engine(path)
    ledger = ledger_on(engine)
    pragma(engine, "query_only = ON")
    with pytest.raises(AuditUnavailable) as refused:
        ledger.append(BOOT)
    assert "INSERT" not in refused.value.message
    assert "Traceback" not in refused.value.message
    assert refused.value.details == {"reason": "SQLITE_READONLY"}
