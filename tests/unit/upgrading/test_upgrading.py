"""An upgrade is done on a copy, and whatever fails leaves what was there."""

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from app.backups import create
from app.database import current_revision
from app.domain.refusals import StartRefused
from app.domain.revisions import REVISIONS
from app.upgrading import Upgraded, bring_up_to_date, forget
from app.upgrading.proving import Said, lost
from tests.fakes.database import foreign_connection
from tests.fakes.states import unpacked

NEWEST = REVISIONS[-1]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return unpacked("0003", tmp_path / "home")


def test_an_older_state_is_backed_up_and_brought_up_to_date(home: Path) -> None:
    old = everything(home / "lmx.db")
    done = bring_up_to_date(home)
    assert done is not None
    assert (done.before, done.after) == ("0003", NEWEST)
    assert current_revision(home / "lmx.db") == NEWEST
    assert everything(home / "backups" / done.backup / "lmx.db") == old
    assert left_beside(home) == []


def test_it_is_to_be_recorded_until_it_was(home: Path) -> None:
    done = bring_up_to_date(home)
    assert bring_up_to_date(home) == done
    forget(home)
    assert bring_up_to_date(home) is None


def test_a_state_of_this_release_is_left_alone(home: Path) -> None:
    bring_up_to_date(home)
    forget(home)
    before = digest(home)
    assert bring_up_to_date(home) is None
    assert digest(home) == before


def test_a_first_start_makes_the_database(tmp_path: Path) -> None:
    assert bring_up_to_date(tmp_path) is None
    assert current_revision(tmp_path / "lmx.db") == NEWEST


def test_what_an_upgrade_that_was_killed_left_is_removed(home: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal"):
        (home / f"lmx.db.upgrading{suffix}").write_bytes(b"half")
    assert bring_up_to_date(home) is not None
    assert left_beside(home) == []


def test_events_in_the_log_of_a_server_that_was_killed_come_along(home: Path) -> None:
    """Its -wal lies beside the database, and the new file must never meet it."""
    killed = sqlite3.connect(home / "lmx.db")
    killed.execute("PRAGMA journal_mode = WAL").fetchall()
    killed.execute("INSERT INTO receipt VALUES (?, 1, 1, 1, 1, 1, 1)", ("a" * 64,))
    killed.commit()
    copied = home.parent / "copied"
    shutil.copytree(home, copied)  # as a kill leaves it: the log is not in the database yet
    killed.close()
    assert (copied / "lmx.db-wal").stat().st_size
    bring_up_to_date(copied)
    assert left_beside(copied) == []
    rows = foreign_connection(copied / "lmx.db").execute("SELECT sha256 FROM receipt").fetchall()
    assert ("a" * 64,) in rows


FAILURES: list[tuple[str, Exception, str]] = [
    ("close", OSError(errno.EROFS, "Read-only file system"), "Read-only file system"),
    ("backup", OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    ("copy", OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
    ("migrate", RuntimeError("a bug in a migration"), "a bug in a migration"),
    ("migrate", sqlite3.OperationalError("database or disk is full"), "Free some disk space"),
    ("swap", OSError(errno.EIO, "Input/output error"), "Input/output error"),
]


@pytest.mark.parametrize(("at", "failure", "says"), FAILURES)
def test_what_fails_leaves_the_old_state_and_says_what_to_do(
    home: Path, at: str, failure: Exception, says: str
) -> None:
    old = everything(home / "lmx.db")

    def step(name: str) -> None:
        if name == at:
            raise failure

    wanted = rf"from schema 0003 to {NEWEST}: .*{says}.*Nothing was changed"
    with pytest.raises(StartRefused, match=wanted):
        bring_up_to_date(home, step=step)
    assert current_revision(home / "lmx.db") == "0003"
    assert everything(home / "lmx.db") == old
    assert left_beside(home) == []


def test_trying_again_uses_the_backup_that_was_made(home: Path) -> None:
    def full(_: Path) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StartRefused, match=r"No space left.*lmx backup verify .*backups/lmx-"):
        bring_up_to_date(home, trial=full)
    (made,) = (home / "backups").iterdir()
    done = bring_up_to_date(home)
    assert done is not None
    assert done.backup == made.name
    assert list((home / "backups").iterdir()) == [made]


def test_a_database_that_changed_since_is_backed_up_again(home: Path) -> None:
    made: list[str] = []

    def backup(home: Path) -> str:
        made.append(create(home, now_us=(len(made) + 1) * 1_000_000_000).name)
        return made[-1]

    def refuse(_: Path) -> None:
        raise StartRefused("no")

    with pytest.raises(StartRefused):
        bring_up_to_date(home, trial=refuse, make_backup=backup)
    other = foreign_connection(home / "lmx.db")
    other.execute("INSERT INTO receipt VALUES (?, 1, 1, 1, 1, 1, 1)", ("b" * 64,))
    other.close()
    done = bring_up_to_date(home, make_backup=backup)
    assert done is not None
    assert (done.backup, len(set(made))) == (made[1], 2)


def test_a_backup_that_cannot_be_made_stops_the_upgrade(home: Path) -> None:
    (home / "ledger" / "signer").write_bytes(b"no signer's memory")
    with pytest.raises(StartRefused, match=r"0003 to 0007.*signer's memory.*Nothing was changed"):
        bring_up_to_date(home)
    assert current_revision(home / "lmx.db") == "0003"


def test_too_little_space_is_said_in_bytes_before_anything_is_written(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(home)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=1_000_000))
    with pytest.raises(StartRefused, match=r"1,000,000 bytes free.*Free 1[67],\d+,\d+ bytes"):
        bring_up_to_date(home)
    assert not (home / "backups").exists()


def test_a_copy_that_lost_an_event_never_takes_the_place(home: Path) -> None:
    """As a migration would that is wrong: the copy is attacked between migrating and proving."""

    def step(name: str) -> None:
        if name == "prove":
            other = foreign_connection(home / "lmx.db.upgrading")
            other.execute("DROP TRIGGER ledger_event_no_delete")
            other.execute(
                "DELETE FROM ledger_event WHERE seq = (SELECT max(seq) FROM ledger_event)"
            )
            other.close()

    with pytest.raises(StartRefused, match=r"guard is wrong.*root that was signed.*not those"):
        bring_up_to_date(home, step=step)
    assert current_revision(home / "lmx.db") == "0003"


def test_what_a_copy_lost_is_named() -> None:
    before = Said({"ledger_event": 9, "model": 2, "receipt": 1, "ledger_index": 9}, "aa")
    after = Said({"ledger_event": 8, "model": 0, "ledger_index": 0}, "bb")
    assert list(lost(before, after)) == [
        "the ledger's events are not those that were there",
        "ledger_event has 8 rows instead of 9",
        "model is empty, and had 2 rows",
        "receipt is not there any more",
    ]
    assert list(lost(before, before)) == []


def test_notes_of_an_upgrade_that_cannot_be_read_are_nobody_s(home: Path) -> None:
    (home / "run" / "upgrading.json").write_bytes(b'{"before": 3}')
    done = bring_up_to_date(home)
    assert isinstance(done, Upgraded)
    (home / "run" / "upgrading.json").write_bytes(b"\xff")
    assert bring_up_to_date(home) is None


# --- an end at any step --------------------------------------------------------------------------


class Killed(BaseException):
    """Not an Exception: nothing is cleaned up, as nothing is after SIGKILL."""


@pytest.mark.parametrize("at", ["remember", "migrate", "done"])
def test_a_start_that_ends_at_a_step_is_followed_by_one_that_ends_well(home: Path, at: str) -> None:
    """Three of the steps; tests/faults/upgrading kills a real process at each."""

    def step(name: str) -> None:
        if name == at:
            raise Killed

    with pytest.raises(Killed):
        bring_up_to_date(home, step=step)
    assert current_revision(home / "lmx.db") == (NEWEST if at == "done" else "0003")
    done = bring_up_to_date(home)
    assert done is not None
    assert (done.before, done.after) == ("0003", NEWEST)
    assert current_revision(home / "lmx.db") == NEWEST
    assert left_beside(home) == []


# --- what is no database of ours -----------------------------------------------------------------


def test_a_newer_state_is_refused_by_the_release_that_wrote_it(home: Path) -> None:
    other = foreign_connection(home / "lmx.db")
    other.execute("UPDATE alembic_version SET version_num = '0999'")
    other.close()
    before = digest(home)
    with pytest.raises(StartRefused, match=r"newer release \(0\.1\.0, schema 0999.*never taken"):
        bring_up_to_date(home)
    assert digest(home) == before


def _truncated(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def _emptied(path: Path) -> None:
    os.truncate(path, 0)


def _overwritten(path: Path) -> None:
    path.write_text("a shopping list, and a long one at that. " * 200)


def _gone(path: Path) -> None:
    path.unlink()


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[8192:16384] = b"\x5a" * 8192
    path.write_bytes(content)


BAD: dict[str, tuple[Callable[[Path], None], str]] = {
    "truncated": (_truncated, "malformed"),
    "empty": (_emptied, "is empty, but .*ledger belongs to a ledger"),
    "no database": (_overwritten, "cannot be read as LMX's database"),
    "gone": (_gone, "is not there, but .*lmx backup restore DIR"),
    "a directory": (_directory, "is a directory; LMX's database is a file"),
    "damaged": (_damaged, "damaged|malformed"),
}


@pytest.mark.parametrize(("spoil", "says"), BAD.values(), ids=BAD)
def test_a_bad_database_is_refused_and_left_as_it_is(
    home: Path, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(home / "lmx.db")
    before = digest(home)
    with pytest.raises(StartRefused, match=says):
        bring_up_to_date(home)
    assert digest(home) == before


# --- what the tests look at ----------------------------------------------------------------------


def everything(path: Path) -> list[str]:
    """The whole database as SQL: what it says, whatever its bytes are."""
    connection = foreign_connection(path)
    try:
        return list(connection.iterdump())
    finally:
        connection.close()


def digest(home: Path) -> dict[str, str]:
    files = (path for path in sorted(home.rglob("*")) if path.is_file())
    return {str(path.relative_to(home)): sha256(path.read_bytes()).hexdigest() for path in files}


def left_beside(home: Path) -> list[str]:
    return sorted(path.name for path in home.glob("lmx.db?*"))
