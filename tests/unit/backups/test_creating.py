"""A backup is whole or not there, and is of one moment."""

import errno
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from app import files
from app.backups import Made, create, places, verify
from app.backups.snapshot import copy_database
from app.domain.actors import SYSTEM
from app.domain.refusals import BackupRefused
from tests.fakes import events
from tests.fakes.home import Home


def test_it_is_made_beside_a_running_server_and_holds(home: Home, made: Made) -> None:
    """The fixture's ledger is open and goes on to write."""
    found = verify(made.path)
    assert found.wrong == ()
    assert made.manifest.events == home.size() == made.manifest.size
    assert made.name == f"lmx-20270115T080000Z-{home.size()}"


def test_all_of_it_is_for_its_owner_alone(made: Made) -> None:
    for path in (made.path, *made.path.rglob("*")):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600)


def test_it_holds_what_is_needed_and_no_journal(made: Made) -> None:
    assert {file.path for file in made.manifest.files} == {
        "config.yaml",
        "ledger/keys",
        "ledger/signer",
        "ledger/signing.key",
        "lmx.db",
        "operator.key",
    }


def test_sha256sum_reads_the_manifests_checksum(made: Made) -> None:
    subprocess.run(["sha256sum", "-c", "manifest.sha256"], cwd=made.path, check=True)
    assert json.loads((made.path / "manifest.json").read_text())["name"] == made.name


def test_the_home_is_as_it_was_after_a_backup_of_a_stopped_server(home: Home) -> None:
    home.stop()
    before = home.files()
    create(home.path, home.path.parent / "elsewhere")
    assert home.files() == before
    assert not (home.path / "lmx.db-wal").exists()


def test_what_is_written_meanwhile_is_not_in_it(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signer's memory is copied first: the database has at least what it remembers."""
    copy = copy_database
    ledger = home.kept

    def later(*args: Any, **options: Any) -> None:
        ledger.append(events.saying("between"))
        copy(*args, **options)
        ledger.append(events.saying("after"))

    monkeypatch.setattr("app.backups.creating.copy_database", later)
    found = create(home.path)
    assert found.manifest.events == found.manifest.size + 1 == home.size() - 1
    assert verify(found.path).wrong == ()


def test_a_key_changed_meanwhile_begins_it_anew(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy, turns = copy_database, list[int]()
    ledger = home.kept

    def rotating(*args: Any, **options: Any) -> None:
        copy(*args, **options)
        if not turns:
            ledger.rotate(SYSTEM)
        turns.append(1)

    monkeypatch.setattr("app.backups.creating.copy_database", rotating)
    found = create(home.path)
    assert len(turns) == 2
    assert verify(found.path).wrong == ()
    assert len((found.path / "ledger/keys").read_text().splitlines()) == 2


def test_a_full_disk_leaves_nothing_and_says_so(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = ((files, "write"), (files, "copy"), (files, "sync_folder"), (places, "known"))
    for module, step in steps:
        with monkeypatch.context() as patched:
            patched.setattr(module, step, _full)
            with pytest.raises(BackupRefused, match="The disk is full"):
                create(home.path)
        assert list((home.path / "backups").iterdir()) == [], step


def test_what_a_killed_one_left_is_taken_away_and_anything_else_is_not(home: Home) -> None:
    folder = home.path / "backups"
    folder.mkdir()
    names = (".lmx-1-999999999.partial", f".lmx-1-{os.getppid()}.partial", ".lmx-mine.partial")
    for name in names:
        (folder / name).mkdir()
    create(home.path)
    assert {p.name for p in folder.iterdir() if p.name.startswith(".")} == set(names[1:])


def test_too_little_room_is_seen_before_anything_is_written(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Usage:
        free = 10

    monkeypatch.setattr(shutil, "disk_usage", lambda _: Usage)
    with pytest.raises(BackupRefused, match=r"has 10 bytes free .* Nothing was written"):
        create(home.path)


@pytest.mark.parametrize("name", ["store", "store/blobs", "ledger", "run", "trash", "logs"])
def test_it_is_not_made_among_what_the_server_keeps(home: Home, name: str) -> None:
    with pytest.raises(BackupRefused, match="Choose another directory"):
        create(home.path, home.path / name)


def test_a_directory_without_state_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackupRefused, match="holds no state of LMX"):
        create(tmp_path)


def test_one_of_the_same_second_is_never_overwritten(home: Home, made: Made) -> None:
    with pytest.raises(BackupRefused, match="is there already"):
        create(home.path, now_us=made.manifest.made_us)
    assert verify(made.path).holds


def test_a_ledger_that_was_rewritten_is_not_backed_up(home: Home) -> None:
    home.stop()
    with home.tampered() as connection:
        connection.execute("UPDATE ledger_event SET leaf = ? WHERE seq = 2", (b"x" * 32,))
    with pytest.raises(BackupRefused, match="not the one that the signer"):
        create(home.path)


def _full(*_args: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
