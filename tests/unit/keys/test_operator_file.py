"""The first key's file: made once, private, never overwritten, never silently replaced."""

import os
import stat
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.keys import Keys, OperatorKey
from app.authority.keys import operator_file as file
from app.authority.keys.operator_file import FileState
from app.authority.ledger import Ledger
from app.database import open_engine
from app.domain.refusals import AuditUnavailable, StartRefused
from tests.fakes.clock import FixedClock
from tests.fakes.database import foreign_connection, weakened_engine
from tests.fakes.ledger import new_ledger
from tests.fakes.warrants import create_key, revoke_key
from tests.unit.keys.conftest import begin, make_read_only


def start(home: Path) -> OperatorKey:
    """What a start does, in a new process as it were."""
    engine = open_engine(home / "lmx.db")
    ledger = new_ledger(engine, FixedClock(), "boot")
    return begin(Keys(ledger, engine, FixedClock()), ledger, home)


def count(home: Path) -> int:
    with open_engine(home / "lmx.db").connect() as connection:
        found: int = connection.exec_driver_sql("SELECT count(*) FROM access_key").scalar_one()
    return found


def test_the_first_start_makes_a_private_file_and_the_genesis(
    home: Path, operator: OperatorKey, ledger: Ledger
) -> None:
    found = operator.path.lstat()
    assert stat.S_ISREG(found.st_mode)
    assert stat.S_IMODE(found.st_mode) == 0o600
    assert found.st_nlink == 1
    assert operator.state is FileState.CREATED
    first = ledger.event(1)
    assert (first.kind, first.data["operator_key_id"]) == ("genesis", operator.id)
    assert ledger.size() == 1
    assert not file.waiting_path(operator.path).exists()


def test_a_later_start_changes_nothing(home: Path, operator: OperatorKey) -> None:
    before = operator.path.read_bytes()
    again = start(home)
    assert (again.state, again.id) == (FileState.PRESENT, operator.id)
    assert operator.path.read_bytes() == before
    assert count(home) == 1


def test_a_lost_file_is_not_replaced_by_a_new_key(home: Path, operator: OperatorKey) -> None:
    operator.path.unlink()
    again = start(home)
    assert again.state is FileState.ABSENT
    assert "keep it elsewhere" in again.note
    assert not operator.path.exists()
    assert count(home) == 1


def test_a_file_without_its_database_stops_the_start(home: Path) -> None:
    path = home / "operator.key"
    path.write_text("lmx_00000000_" + "A" * 43)
    with pytest.raises(StartRefused, match="Restore the lmx.db that belongs to it"):
        start(home)
    assert path.read_text() == "lmx_00000000_" + "A" * 43
    assert count(home) == 0


def test_a_file_of_another_installation_is_told_apart(home: Path, operator: OperatorKey) -> None:
    operator.path.write_text("lmx_00000000_" + "A" * 43 + "\n")
    assert start(home).state is FileState.UNKNOWN


def test_a_revoked_operator_key_is_not_taken_for_the_operators(
    home: Path, keys: Keys, secret: str
) -> None:
    actor = keys.identify(secret)
    create_key(keys, actor, "second", ["operator"])
    revoke_key(keys, actor, actor.id.removeprefix("key:"))
    assert start(home).state is FileState.UNKNOWN


def test_a_file_that_was_opened_to_others_is_closed(home: Path, operator: OperatorKey) -> None:
    operator.path.chmod(0o644)
    start(home)
    assert stat.S_IMODE(operator.path.stat().st_mode) == 0o600


@pytest.mark.parametrize("what", ["link", "dangling link", "directory", "fifo"])
def test_what_is_no_file_is_neither_read_nor_written_through(home: Path, what: str) -> None:
    path, other = home / "operator.key", home / "other"
    match what:
        case "link":
            other.write_text("someone's")
            path.symlink_to(other)
        case "dangling link":
            path.symlink_to(other)
        case "directory":
            path.mkdir()
        case _:
            os.mkfifo(path)
    with pytest.raises(StartRefused, match="cannot be used"):
        start(home)
    assert what != "link" or other.read_text() == "someone's"
    assert what != "dangling link" or not other.exists()
    assert count(home) == 0


def test_a_crash_before_the_key_was_recorded_leaves_no_trace(home: Path) -> None:
    engine = weakened_engine(home / "lmx.db")
    ledger = new_ledger(engine, FixedClock(), "boot")
    make_read_only(engine)
    with pytest.raises(AuditUnavailable):
        begin(Keys(ledger, engine, FixedClock()), ledger, home)
    assert not (home / "operator.key").exists()
    made = start(home)
    assert made.state is FileState.CREATED
    assert count(home) == 1


def test_a_crash_after_the_key_was_recorded_is_finished_by_the_next_start(
    home: Path, operator: OperatorKey
) -> None:
    operator.path.rename(file.waiting_path(operator.path))
    again = start(home)
    assert (again.state, again.id) == (FileState.PRESENT, operator.id)
    assert not file.waiting_path(operator.path).exists()


def test_keys_that_vanished_from_a_database_with_a_ledger_stop_the_start(
    home: Path, engine: Engine, operator: OperatorKey
) -> None:
    intruder = foreign_connection(home / "lmx.db")
    kept = "SELECT sql FROM sqlite_master WHERE name GLOB '*_no_delete' AND tbl_name GLOB '*key*'"
    guards = [row[0] for row in intruder.execute(kept)]
    intruder.executescript(
        "DROP TRIGGER access_key_no_delete; DROP TRIGGER key_person_no_delete;"
        "DELETE FROM key_person; DELETE FROM access_key;" + ";".join(guards)
    )
    operator.path.unlink()
    with pytest.raises(StartRefused, match="restore a backup"):
        start(home)


def test_a_directory_that_cannot_be_written_is_a_sentence(home: Path) -> None:
    engine = open_engine(home / "lmx.db")
    ledger = new_ledger(engine, FixedClock(), "boot")
    with pytest.raises(StartRefused, match="cannot be used"):
        begin(Keys(ledger, engine, FixedClock()), ledger, home / "nowhere")
    assert count(home) == 0
