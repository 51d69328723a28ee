"""Files are moved and removed only where they are what was meant, whatever happens meanwhile."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.authority.catalog.removal import handles
from app.authority.catalog.removal.handles import Foreign, Identity
from tests.unit.catalog.removal.swaps import KINDS, Outside, at_step, outside_at


@pytest.fixture
def outside(tmp_path: Path) -> Outside:
    return outside_at(tmp_path / "outside")


@pytest.fixture
def box(tmp_path: Path) -> Path:
    made = tmp_path / "box"
    made.mkdir()
    return made


@pytest.fixture
def folder(box: Path) -> Iterator[int]:
    with handles.opened(box) as descriptor:
        yield descriptor


def identity(path: Path) -> Identity:
    status = path.stat()
    return Identity(status.st_ino, status.st_size)


def ours(box: Path) -> Identity:
    (box / "file").write_bytes(b"x" * 10_000)
    return identity(box / "file")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_file_that_was_meant_is_removed(
    box: Path, outside: Outside, kind: str
) -> None:
    step = 0
    while True:
        with handles.opened(box) as folder:
            meant = ours(box)
            os.link(box / "file", box / "kept")  # its inode cannot be given to another file
            with at_step(step, lambda: KINDS[kind](box / "file", outside)) as steps:
                try:
                    handles.remove(folder, "file", meant)
                    removed = True
                except Foreign:
                    removed = False
        assert outside.is_unharmed()
        swapped = step < steps[0]
        # Swapped after it was gone, it is simply there; swapped before, it was refused.
        assert ("file" in {path.name for path in box.iterdir()}) == swapped
        if not swapped:
            assert removed
            break
        for path in box.iterdir():
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        step += 1
    assert step > 8


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_the_file_that_was_meant_is_moved(
    box: Path, tmp_path: Path, outside: Outside, kind: str
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    step = 0
    while True:
        with handles.opened(box) as source, handles.opened(target) as to:
            meant = ours(box)
            os.link(box / "file", box / "kept")
            with at_step(step, lambda: KINDS[kind](box / "file", outside)) as steps:
                try:
                    handles.move(source, "file", to, "new", meant)
                    moved = True
                except Foreign:
                    moved = False
        assert outside.is_unharmed()
        if moved:
            assert identity(target / "new") == meant
        else:
            assert list(target.iterdir()) == []
        if step >= steps[0]:
            assert moved
            break
        for path in (*box.iterdir(), *target.iterdir()):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        step += 1


def test_freed_bytes_are_those_of_the_last_name(box: Path, folder: int) -> None:
    meant = ours(box)
    os.link(box / "file", box / "other")
    blocks = (box / "file").stat().st_blocks * 512
    assert blocks > 0
    assert handles.remove(folder, "file", meant) == 0
    assert handles.remove(folder, "other", meant) == blocks


def test_a_removal_that_was_interrupted_goes_on(
    box: Path, folder: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    meant = ours(box)

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(os, "unlink", killed)
        with pytest.raises(KeyboardInterrupt):
            handles.remove(folder, "file", meant)
    assert handles.going(folder, "file", meant) is not None
    assert handles.remove(folder, "file", meant) > 0
    assert list(box.iterdir()) == []


@pytest.mark.parametrize(
    "name", ["..", ".", "", "/etc/hostname", "a/b", "../outside/precious", "\0"]
)
def test_a_name_that_leads_elsewhere_is_refused(folder: int, name: str) -> None:
    for act in (
        lambda: handles.look(folder, name),
        lambda: handles.remove(folder, name, Identity(1, 1)),
        lambda: handles.remove_folder(folder, name),
        lambda: handles.write(folder, name, b""),
        lambda: handles.inside(folder, name).__enter__(),
    ):
        with pytest.raises(Foreign, match="leads elsewhere"):
            act()


def test_a_directory_that_is_a_link_is_not_entered(
    box: Path, folder: int, outside: Outside
) -> None:
    (box / "sub").symlink_to(outside.directory)
    with pytest.raises(Foreign, match="is a link"), handles.inside(folder, "sub"):
        pass
    with pytest.raises(NotADirectoryError), handles.opened(box / "sub"):
        pass


def test_a_name_that_is_taken_is_not_overwritten(box: Path, folder: int) -> None:
    meant = ours(box)
    (box / "taken").write_bytes(b"mine")
    with pytest.raises(Foreign, match="taken"):
        handles.move(folder, "file", folder, "taken", meant)
    with pytest.raises(Foreign, match="taken"):
        handles.link(folder, "file", folder, "taken", meant)
    assert (box / "taken").read_bytes() == b"mine"


def test_a_pipe_is_refused_without_waiting_for_a_writer(box: Path, folder: int) -> None:
    os.mkfifo(box / "pipe")
    with pytest.raises(Foreign, match="a pipe"):
        handles.read(folder, "pipe", limit=10)


@pytest.mark.parametrize("kind", ["symlink", "hardlink", "fifo"])
@pytest.mark.parametrize("name", ["note.json", "note.json.new"])
def test_a_note_is_written_into_no_file_of_somebody_else(
    box: Path, folder: int, outside: Outside, kind: str, name: str
) -> None:
    (box / name).write_bytes(b"")
    KINDS[kind](box / name, outside)
    handles.write(folder, "note.json", b"{}")
    assert outside.is_unharmed()
    assert (box / "note.json").read_bytes() == b"{}"
    assert sorted(path.name for path in box.iterdir() if path.name.startswith("note")) == [
        "note.json"
    ]
