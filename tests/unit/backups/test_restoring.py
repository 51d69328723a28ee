"""A restore is done or not begun, keeps what it replaces, and cannot pass for the original."""

import json
from contextlib import suppress
from pathlib import Path

import pytest

from app import files
from app.backups import Made, create, restoring, verify
from app.backups.mark import MARK, Restored
from app.backups.replaced import losses
from app.backups.restoring import finish, restore
from app.domain.refusals import BackupRefused, StartRefused
from app.evidence.verification import Held, of_home, verify_database
from app.home import hold_home
from tests.fakes import events
from tests.fakes.home import Home
from tests.fakes.openings import filled

STEPS = ("building", "journal", "replaced", "aside lmx.db", "place lmx.db", "aside ledger")
LATER = ("place ledger", "aside config.yaml", "place config.yaml", "place operator.key")
LAST = ("synced", "ended")


class Killed(BaseException):
    """As SIGKILL: nothing is tidied up that only an exception would tidy up."""


@pytest.fixture
def later(home: Home, made: Made) -> Home:
    """The home after the backup: more happened, and the server ended."""
    home.kept.append(events.saying("after the backup"))
    home.stop()
    (home.path / "config.yaml").write_text("port: 4321\n")
    return home


def restored(home: Home, made: Made, *, until: str = "") -> Path | None:
    found = verify(made.path)
    assert found.manifest is not None

    def step(name: str) -> None:
        if name == until:
            raise Killed

    lost = losses(home.path, made.path)
    return restore(home.path, made.path, found.manifest, found.digest, lost, step=step)


def state(home: Path) -> dict[str, bytes]:
    """What a server would find, without what says that it was restored."""
    found = [home / "config.yaml", home / "operator.key", home / "lmx.db"]
    found += (home / "ledger").iterdir() if (home / "ledger").is_dir() else []
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in found
        if path.is_file() and path != home / MARK
    }


def test_the_state_is_the_backups_and_what_was_there_is_kept(later: Home, made: Made) -> None:
    before = state(later.path)
    kept = restored(later, made)
    assert kept is not None
    assert state(kept) == before
    assert state(later.path) == state(made.path)
    mark = Restored.decoded((later.path / MARK).read_bytes())
    assert (mark.size, mark.manifest) == (made.manifest.events, made.digest)
    assert mark.replaced_size == made.manifest.events + 1
    assert not files.present(later.path / restoring.JOURNAL)


@pytest.mark.parametrize("step", [*STEPS, *LATER, *LAST])
def test_a_kill_at_any_step_leaves_the_old_state_or_one_that_the_next_start_ends(
    later: Home, made: Made, step: str
) -> None:
    before = state(later.path)
    with pytest.raises(Killed):
        restored(later, made, until=step)
    if finish(later.path):
        assert state(later.path) == state(made.path)
        (kept,) = (later.path / "replaced").iterdir()
        assert state(kept) == before
        assert (later.path / MARK).is_file()
    else:
        assert step in ("building", "journal")
        assert state(later.path) == before
    assert not finish(later.path)
    later.start("boot-2")


def test_it_can_be_killed_while_it_is_being_ended(later: Home, made: Made) -> None:
    with suppress(Killed):
        restored(later, made, until="aside lmx.db")
    for until in (*STEPS[4:], *LATER, *LAST):

        def step(name: str, until: str = until) -> None:
            if name == until:
                raise Killed

        with suppress(Killed):
            finish(later.path, step=step)
    finish(later.path)
    assert state(later.path) == state(made.path)


def test_what_a_start_made_anew_in_between_is_moved_aside_too(later: Home, made: Made) -> None:
    with suppress(Killed):
        restored(later, made, until="place ledger")
    (later.path / "ledger").mkdir(mode=0o700)
    (later.path / "ledger/stray").write_text("x")
    assert finish(later.path)
    assert state(later.path) == state(made.path)
    (kept,) = (later.path / "replaced").iterdir()
    assert (kept / "ledger.2/stray").is_file()


def test_a_restore_that_was_cut_off_is_ended_before_another_is_begun(
    later: Home, made: Made
) -> None:
    with suppress(Killed):
        restored(later, made, until="place lmx.db")
    with pytest.raises(BackupRefused, match="--continue"):
        restored(later, made)
    with pytest.raises(BackupRefused, match="not one state"):
        create(later.path)


def test_a_damaged_journal_is_said_with_where_everything_is(later: Home, made: Made) -> None:
    with suppress(Killed):
        restored(later, made, until="place lmx.db")
    (later.path / restoring.JOURNAL).write_text("{")
    with pytest.raises(BackupRefused, match=r"\.restoring.*replaced.*empty LMX_HOME"):
        finish(later.path)


def test_nothing_is_restored_over_a_running_server(later: Home, made: Made) -> None:
    before = later.files()
    with hold_home(later.path), pytest.raises(StartRefused, match="process"):
        restored(later, made)
    assert state(later.path).items() <= before.items()


def test_a_full_disk_changes_nothing(
    later: Home, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = state(later.path)

    def full(_source: Path, _target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "copy", full)
    with pytest.raises(BackupRefused, match=r"No space left .* Nothing was changed"):
        restored(later, made)
    assert state(later.path) == before
    assert not (later.path / restoring.BUILT).exists()


def test_a_new_machine_needs_nothing_but_the_backup(made: Made, tmp_path: Path) -> None:
    fresh = Home(tmp_path / "fresh")
    assert restored(fresh, made) is None
    assert state(fresh.path) == state(made.path)
    assert json.loads((fresh.path / MARK).read_text())["replaced_size"] is None
    fresh.start()
    fresh.stop()


def test_a_write_ahead_log_never_meets_another_database(later: Home, made: Made) -> None:
    (later.path / "run").mkdir()
    beside = ("lmx.db-wal", "lmx.db.upgrading", "run/upgrading.json")
    for name in beside:
        (later.path / name).write_bytes(b"of the other one")
    kept = restored(later, made)
    assert kept is not None
    for name in beside:
        assert not (later.path / name).exists()
        assert (kept / Path(name).name).read_bytes() == b"of the other one"


def test_a_present_database_that_cannot_be_read_is_replaced_and_that_is_said(
    later: Home, made: Made
) -> None:
    (later.path / "lmx.db").write_bytes(b"x" * 5000)
    assert losses(later.path, made.path).unread
    assert restored(later, made) is not None


def test_a_checkpoint_held_elsewhere_tells_the_restored_history_from_the_real_one(
    home: Home, made: Made
) -> None:
    """Also once the restored ledger has grown past it: the root is another one."""
    ledger = home.kept
    ledger.append(events.saying("after the backup"))
    note = ledger.checkpoint()
    assert note is not None
    home.stop()
    restored(home, made)
    held = [Held("held", note)]
    short = verify_database(of_home(home.path, held=held), processes=1)
    assert not short.holds
    filled(home, 20)
    home.stop()
    assert verify_database(of_home(home.path), processes=1).holds
    grown = verify_database(of_home(home.path, held=held), processes=1)
    assert not grown.holds
