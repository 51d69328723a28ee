"""A deletion that cannot do all of it says which file and why, and counts what the disk counts."""

import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.authority.catalog.removal.bin import Bin
from app.authority.catalog.removal.moving import OtherVolume
from app.authority.catalog.removal.trash import Trash
from app.domain.refusals import ModelBusy, RestoreRefused
from tests.fakes.clock import FixedClock
from tests.fakes.removal import Attic, new_attic, start

WEIGHTS = "model.safetensors"
UNPRIVILEGED = 65534


@pytest.fixture
def attic(tmp_path: Path) -> Iterator[Attic]:
    made = new_attic(tmp_path / "home")
    yield made
    made.close()


# An administrator may do anything, so it becomes nobody before it deletes; whatever is
# imported late was imported by a deletion before.
ONE_IS_KEPT = """
import json, os, sys
from pathlib import Path
from tests.fakes.removal import new_attic

where = Path(sys.argv[1])
early = new_attic(where / "early")
early.take("a/b")
early_id = early.delete("a/b")
early.trash.purge(early.purge_warrant(early_id), early_id)
attic = new_attic(where / "home")
model = attic.take("a/b")
if os.geteuid() == 0:
    nobody = int(sys.argv[2])
    for folder, _, files in os.walk(where):
        for path in (folder, *(os.path.join(folder, file) for file in files)):
            os.chown(path, nobody, nobody)
    os.setgroups([])
    os.setgid(nobody)
    os.setuid(nobody)
path = attic.blob(model, "model.safetensors")
blocks = {p.name: p.stat().st_blocks * 512 for p in attic.view(model).iterdir()}
path.parent.chmod(0o500)
warrant = attic.deletion("a/b")
moved, trash_id = attic.trash.delete(warrant)
removed = attic.trash.purge(attic.purge_warrant(trash_id), trash_id)
print(json.dumps({
    "failed": moved.failed, "freed": removed.freed_bytes, "blocks": blocks,
    "kept": path.exists(), "catalog": sorted(attic.catalog.ids()),
    "again": attic.trash.delete(warrant)[1] == trash_id,
}))
path.parent.chmod(0o700)
"""


def as_anybody(script: str) -> dict[str, Any]:
    """What `script` prints when it runs without the rights of an administrator."""
    directory = Path(tempfile.mkdtemp())
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        "TMPDIR": str(directory),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    try:
        done = subprocess.run(
            [sys.executable, "-c", script, str(directory), str(UNPRIVILEGED)],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_one_file_that_may_not_be_changed_is_named_and_the_bytes_are_the_true_ones() -> None:
    found = as_anybody(ONE_IS_KEPT)
    assert found["failed"] == [f"{WEIGHTS}: could not be changed (Permission denied)"]
    assert found["catalog"] == []
    assert found["kept"]
    assert found["freed"] == sum(found["blocks"].values()) - found["blocks"][WEIGHTS]
    assert found["again"]


def test_a_trash_on_another_volume_is_refused_before_anything_changes(attic: Attic) -> None:
    attic.take("a/b")
    before = attic.files()
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == attic.home.stat().st_dev:
        pytest.skip("there is no other volume here")
    with tempfile.TemporaryDirectory(dir=other) as directory:
        elsewhere = Bin(**{**_parts(attic), "directory": Path(directory)})
        with pytest.raises(OtherVolume):
            Trash(elsewhere).delete(attic.deletion("a/b"))
        assert list(Path(directory).iterdir()) == []
    assert attic.files() == before
    assert attic.catalog.ids() == {"a/b"}


def _parts(attic: Attic) -> dict[str, Any]:
    names = ("catalog", "ledger", "engine", "clock", "store", "grace_s")
    return {name: getattr(attic.trash.bin, name) for name in names}


def test_a_rename_that_leaves_the_volume_is_taken_back(
    attic: Attic, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a bind mount: one device, and yet no rename."""
    attic.take("a/b")
    before = attic.files()
    real = os.rename

    def rename(source: str, target: str, **folders: int) -> None:
        if target == "view":
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        real(source, target, **folders)

    with monkeypatch.context() as patch, pytest.raises(OtherVolume):
        patch.setattr(os, "rename", rename)
        attic.trash.delete(attic.deletion("a/b"))
    assert attic.files() == before
    assert list((attic.home / "trash").iterdir()) == []
    attic.catalog.verify("a/b", full=True)


def test_a_disk_that_fails_while_the_note_is_written_changes_nothing(
    attic: Attic, monkeypatch: pytest.MonkeyPatch
) -> None:
    attic.take("a/b")
    before = attic.files()

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch, pytest.raises(OSError, match="No space"):
        patch.setattr(os, "write", full)
        attic.trash.delete(attic.deletion("a/b"))
    assert attic.files() == before
    assert attic.catalog.ids() == {"a/b"}
    attic.delete("a/b")


def test_a_deletion_that_the_database_refuses_is_taken_back(
    attic: Attic, monkeypatch: pytest.MonkeyPatch
) -> None:
    attic.take("a/b")
    before = attic.files()
    warrant = attic.deletion("a/b")

    def refused(*_: object, **__: object) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patch, pytest.raises(RuntimeError):
        patch.setattr("app.authority.catalog.removal.rows.put", refused)
        attic.trash.delete(warrant)
    assert attic.files() == before
    attic.catalog.verify("a/b", full=True)
    assert attic.trash.delete(warrant)[0].failed == []


def test_a_restore_that_cannot_be_recorded_is_taken_back(
    attic: Attic, monkeypatch: pytest.MonkeyPatch
) -> None:
    attic.take("a/b")
    trash_id = attic.delete("a/b")
    before = attic.files()

    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch, pytest.raises(RestoreRefused):
        patch.setattr("app.authority.catalog.removal.rows.put_back", refused)
        attic.restore(trash_id)
    assert attic.files() == before
    attic.restore(trash_id)


def test_nothing_is_deleted_while_an_import_is_at_work(
    attic: Attic, monkeypatch: pytest.MonkeyPatch
) -> None:
    attic.take("a/b")
    monkeypatch.setattr("app.authority.catalog.removal.bin.WAIT_S", 0.01)
    with attic.catalog.placing, pytest.raises(ModelBusy, match="import"):
        attic.trash.delete(attic.deletion("a/b"))
    assert attic.catalog.ids() == {"a/b"}


def test_what_was_copied_elsewhere_is_known_by_its_bytes(attic: Attic, tmp_path: Path) -> None:
    """A state directory that was restored from a backup has other inodes."""
    attic.take("a/b")
    attic.take("a/c", seed=3)
    restored_id, purged_id = attic.delete("a/b"), attic.delete("a/c")
    warrant = attic.purge_warrant(purged_id)
    subprocess.run(["cp", "-a", str(attic.home), str(tmp_path / "copy")], check=True)
    copy = start(tmp_path / "copy", FixedClock())
    assert copy.trash.settle() == []
    assert copy.restore(restored_id).id == "a/b"
    removed = copy.trash.purge(warrant, purged_id)
    assert removed.failed == []
    assert removed.freed_bytes > 0
    copy.close()
