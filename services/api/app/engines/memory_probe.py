"""Reads this machine's memory: the system's, the control group's and Metal's, without MLX."""

import ctypes
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

from app.domain.memory import MemoryReading

_SYSTEM_ROOT = Path("/")

# What version 1 reports for "no limit" is a number close to this.
_UNLIMITED_BYTES = 2**60


@dataclass(frozen=True, slots=True)
class GroupMemory:
    """Limit and use of one control group, less cached file pages: the kernel drops those."""

    limit_bytes: int
    used_bytes: int

    @property
    def headroom_bytes(self) -> int:
        return self.limit_bytes - self.used_bytes


@dataclass(frozen=True, slots=True)
class _Version:
    """Where a version of control groups keeps its numbers."""

    limit: str
    used: str
    cached: str


_VERSION_1 = _Version("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")
_VERSION_2 = _Version("memory.max", "memory.current", "inactive_file")


class SystemMemoryProbe:
    """Implements the authority's `MemoryProbe`. A reading takes well under a millisecond."""

    def __init__(
        self, *, root: Path = _SYSTEM_ROOT, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._root = root
        self._monotonic = monotonic

    def read(self) -> MemoryReading:
        memory = psutil.virtual_memory()
        group = tightest_group(self._root)
        return MemoryReading(
            taken_at=self._monotonic(),
            total_bytes=int(memory.total),
            available_bytes=int(memory.available),
            cgroup_limit_bytes=group.limit_bytes if group else None,
            cgroup_used_bytes=group.used_bytes if group else None,
            metal_headroom_bytes=_metal_headroom(memory.total, getattr(memory, "wired", 0)),
        )


def tightest_group(root: Path) -> GroupMemory | None:
    """Of this process's control group and all around it, the one with the least room."""
    groups = [
        group
        for directory, version in _group_directories(root)
        if (group := _read_group(directory, version)) is not None
    ]
    return min(groups, key=lambda group: group.headroom_bytes, default=None)


def _group_directories(root: Path) -> Iterator[tuple[Path, _Version]]:
    try:
        lines = (root / "proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            mount, version = root / "sys/fs/cgroup", _VERSION_2
        elif "memory" in controllers.split(","):
            mount, version = root / "sys/fs/cgroup/memory", _VERSION_1
        else:
            continue
        # In a container the path may be the host's, which does not exist here: then only the
        # mount itself, the container's own group, is left of it.
        for ancestor in (PurePosixPath(path), *PurePosixPath(path).parents):
            yield mount / str(ancestor).lstrip("/"), version


def _read_group(directory: Path, version: _Version) -> GroupMemory | None:
    limit = _number(directory / version.limit)
    used = _number(directory / version.used)
    if limit is None or used is None or limit >= _UNLIMITED_BYTES:
        return None
    return GroupMemory(limit, max(0, used - _cached(directory / "memory.stat", version.cached)))


def _number(path: Path) -> int | None:
    """None for a missing file and for the word `max`."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def _cached(path: Path, name: str) -> int:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name} ")), 0)


def metal_headroom(*, limit_mb: int, total_bytes: int, wired_bytes: int) -> int:
    """What Metal may still wire. 0 MB means the system's own limit: two thirds, or three quarters
    of a machine with more than 36 GiB."""
    if limit_mb > 0:
        limit = limit_mb * 2**20
    else:
        limit = total_bytes * 3 // 4 if total_bytes > 36 * 2**30 else total_bytes * 2 // 3
    return max(0, limit - wired_bytes)


def _metal_headroom(total_bytes: int, wired_bytes: int) -> int | None:
    """Best effort, from sysctl: asking Metal itself would need MLX in the server's process."""
    if platform.system() != "Darwin" or platform.machine() != "arm64":
        return None
    value, size = ctypes.c_uint32(0), ctypes.c_size_t(4)
    status = ctypes.CDLL(None).sysctlbyname(
        b"iogpu.wired_limit_mb", ctypes.byref(value), ctypes.byref(size), None, 0
    )
    limit_mb = value.value if status == 0 else 0
    return metal_headroom(limit_mb=limit_mb, total_bytes=total_bytes, wired_bytes=wired_bytes)
