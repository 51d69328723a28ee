"""Space that is held back, given up and taken again; warnings that come once."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.ledger import reserve as module
from app.authority.ledger.reserve import DiskWatch, Reserve, disk_level, next_level

MIB = 1 << 20


@pytest.fixture
def reserve(tmp_path: Path) -> Reserve:
    return Reserve(tmp_path / "reserve", 2 * MIB)


def volume(monkeypatch: pytest.MonkeyPatch, *, used: int, free: int, kept: int = 0) -> None:
    """A volume of blocks of 1 MiB, `kept` of the free ones for root only."""
    found = SimpleNamespace(
        f_blocks=used + free + kept, f_bfree=free + kept, f_bavail=free, f_frsize=MIB
    )
    monkeypatch.setattr(module.os, "statvfs", lambda _: found)


def test_the_space_is_taken_given_up_and_taken_again(reserve: Reserve) -> None:
    assert not reserve.held
    assert reserve.restore()
    assert reserve.held
    found = reserve.path.stat()
    assert found.st_blocks * 512 >= reserve.size_bytes
    assert found.st_mode & 0o777 == 0o600
    assert not reserve.restore(), "it is held already"
    assert reserve.release()
    assert not reserve.held
    assert not reserve.path.exists()
    assert not reserve.release(), "there is nothing to give up"
    assert reserve.restore()


def test_where_nothing_can_be_preallocated_it_is_written(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(module.os, "posix_fallocate", raising=False)
    assert reserve.restore()
    assert reserve.held


def test_it_is_taken_only_with_more_than_twice_its_size_free(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    volume(monkeypatch, used=10, free=4, kept=100)
    assert not reserve.restore()
    assert not reserve.path.exists()
    volume(monkeypatch, used=10, free=5)
    assert reserve.restore()


def test_a_sparse_file_is_no_reserve(reserve: Reserve) -> None:
    reserve.path.touch()
    os.truncate(reserve.path, reserve.size_bytes)
    assert not reserve.held
    assert reserve.restore()
    assert reserve.held


def test_a_file_that_a_crash_left_half_made_is_no_reserve(reserve: Reserve) -> None:
    reserve.path.write_bytes(bytes(reserve.size_bytes // 2))
    assert not reserve.held
    assert reserve.restore()


def test_a_link_is_no_reserve_and_is_not_followed(reserve: Reserve) -> None:
    other = reserve.path.with_name("other")
    other.write_bytes(b"x" * reserve.size_bytes)
    reserve.path.symlink_to(other)
    assert not reserve.held
    assert reserve.restore()
    assert not reserve.path.is_symlink()
    assert other.read_bytes() == b"x" * reserve.size_bytes


def test_another_configured_size_is_taken_anew(reserve: Reserve) -> None:
    assert reserve.restore()
    larger = Reserve(reserve.path, 3 * MIB)
    assert not larger.held
    assert larger.restore()
    assert larger.path.stat().st_size == 3 * MIB


def test_a_volume_that_fails_is_no_error(reserve: Reserve, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "posix_fallocate", full, raising=False)
    monkeypatch.setattr(module.os, "write", full)
    assert not reserve.restore()
    assert not reserve.path.exists()
    assert not Reserve(reserve.path.parent / "absent" / "reserve", MIB).restore()


def test_a_full_volume_that_cannot_delete_is_shortened(
    reserve: Reserve, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reserve.restore()

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "unlink", full)
    assert reserve.release()
    assert reserve.path.stat().st_blocks == 0
    monkeypatch.undo()


@pytest.mark.parametrize(
    ("used", "level"), [(0, 0), (7499, 0), (7500, 75), (8999, 75), (9000, 90), (10_000, 90)]
)
def test_levels_begin_at_75_and_at_90_percent(used: int, level: int) -> None:
    assert disk_level(used, 10_000) == level


@given(st.lists(st.integers(0, 1000)))
def test_a_level_rises_at_once_and_falls_two_points_below(readings: list[int]) -> None:
    level = module.next_level(0, 0, 1000)
    for used in readings:
        before, level = level, next_level(level, used, 1000)
        assert level >= disk_level(used, 1000)
        if level < before:
            assert used < before * 10 - 20 + 1
        if used < level * 10:
            assert level == before or used >= level * 10 - 20


def test_a_disk_at_its_edge_is_told_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = DiskWatch(tmp_path)
    told = []
    for used in (700, 749, 750, 749, 751, 735, 729, 750, 899, 900, 899, 881, 879, 100, 950, 100):
        volume(monkeypatch, used=used, free=1000 - used, kept=50)
        if change := watch.check():
            told.append((used, change.before, change.level))
            assert change.used_bytes == used * MIB
            assert change.total_bytes == 1000 * MIB
    assert told == [
        (750, 0, 75),
        (729, 75, 0),
        (750, 0, 75),
        (900, 75, 90),
        (879, 90, 75),
        (100, 75, 0),
        (950, 0, 90),
        (100, 90, 0),
    ]


def test_a_volume_that_is_gone_changes_nothing(tmp_path: Path) -> None:
    assert DiskWatch(tmp_path / "absent").check() is None
    watch = DiskWatch(tmp_path)
    watch.check()
    assert watch.check() is None
