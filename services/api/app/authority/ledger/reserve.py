"""Space held back for the ledger, and the warnings before it is needed.

On a full disk the reserve is given up so that refusals and the end of the service can still be
written; it is taken again once there is room.
"""

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

DiskLevel = Literal[0, 75, 90]

LEVELS: Final[tuple[DiskLevel, ...]] = (90, 75, 0)
FALLS_BELOW: Final = 2
"""Points of a percent under a level before it ends, so that a disk at its edge warns once."""
ROOM: Final = 2
"""The reserve is taken again when this many times its size is free."""

_BLOCK: Final = 1 << 20
_FLAGS: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Reserve:
    """One file of `size_bytes` that holds nothing; `restore` takes it, `release` gives it up."""

    def __init__(self, path: Path, size_bytes: int) -> None:
        self.path = path
        self.size_bytes = size_bytes

    @property
    def held(self) -> bool:
        """Whether the space is really taken: a file of another size, or a sparse one, is not it."""
        try:
            found = os.lstat(self.path)
        except OSError:
            return False
        whole = found.st_size == self.size_bytes and found.st_blocks * 512 >= self.size_bytes
        return stat.S_ISREG(found.st_mode) and whole

    @property
    def missed(self) -> bool:
        """Whether it is not held and there is less room left than it would take."""
        try:
            return not self.held and _free_bytes(self.path.parent) < self.size_bytes
        except OSError:
            return False  # the next append says what is wrong with the volume

    def release(self) -> bool:
        """Give the space back; True when this call did."""
        was_held = self.held
        try:
            self.path.unlink(missing_ok=True)
        except OSError:
            # A full copy-on-write volume may not even delete; shortening frees the space there.
            if not was_held:
                return False
            try:
                os.truncate(self.path, 0)
            except OSError:
                return False
        return was_held

    def restore(self) -> bool:
        """Take the space where there is room for it; True when this call did. Never raises."""
        if self.held:
            return False
        try:
            self.path.unlink(missing_ok=True)
            if _free_bytes(self.path.parent) <= ROOM * self.size_bytes:
                return False
            self._take()
        except OSError:
            with suppress(OSError):
                self.path.unlink(missing_ok=True)
            return False
        return self.held

    def _take(self) -> None:
        descriptor = os.open(self.path, _FLAGS, 0o600)
        try:
            if not _allocated(descriptor, self.size_bytes):
                _fill(descriptor, self.size_bytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class DiskChange:
    """The volume came to another level: percent from which on it is warned of, 0 for none."""

    level: DiskLevel
    before: DiskLevel
    used_bytes: int
    total_bytes: int


def disk_level(used_bytes: int, total_bytes: int) -> DiskLevel:
    """Return the highest level that `used_bytes` reaches; pure."""
    return next((level for level in LEVELS if used_bytes * 100 >= level * total_bytes), 0)


def next_level(current: DiskLevel, used_bytes: int, total_bytes: int) -> DiskLevel:
    """Return the level after `current`: it rises at once, and falls only well below it; pure."""
    reached = disk_level(used_bytes, total_bytes)
    if reached >= current:
        return reached
    still = disk_level(used_bytes + total_bytes * FALLS_BELOW // 100, total_bytes)
    return min(current, still)


class DiskWatch:
    """How full a directory's volume is, as changes of level; from 0 at the start."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.level: DiskLevel = 0

    def check(self) -> DiskChange | None:
        """Return a change of level since the last check, None where there is none to tell."""
        try:
            used, total = _usage(self.directory)
        except OSError:
            return None  # the next append says what is wrong with the volume
        before, self.level = self.level, next_level(self.level, used, total)
        return DiskChange(self.level, before, used, total) if self.level != before else None


def _usage(directory: Path) -> tuple[int, int]:
    """Return used and total bytes as `df` counts them: without what only root may use."""
    found = os.statvfs(directory)
    used = (found.f_blocks - found.f_bfree) * found.f_frsize
    return used, used + found.f_bavail * found.f_frsize


def _free_bytes(directory: Path) -> int:
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _allocated(descriptor: int, size_bytes: int) -> bool:
    """Let the file system set the space aside; False where it cannot."""
    allocate = getattr(os, "posix_fallocate", None)
    if allocate is None:
        return False
    try:
        allocate(descriptor, 0, size_bytes)
    except OSError:
        return False
    found = os.fstat(descriptor)
    return found.st_size == size_bytes and found.st_blocks * 512 >= size_bytes


def _fill(descriptor: int, size_bytes: int) -> None:
    """Write bytes that no file system can compress away."""
    os.ftruncate(descriptor, 0)
    left = size_bytes
    while left:
        left -= os.write(descriptor, os.urandom(min(_BLOCK, left)))
