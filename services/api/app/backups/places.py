"""The only place where backups write, read and move files: private, durable, following no links."""

import fcntl
import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from app.backups.contents import File

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK: Final = 1 << 20


def read(path: Path) -> bytes:
    """Raises OSError, also for a link."""
    return b"".join(_chunks(path))


def write(path: Path, content: bytes) -> None:
    """A new file for its owner alone, on the disk when this returns. Raises OSError."""
    descriptor = os.open(path, _NEW, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        sync(descriptor)
    finally:
        os.close(descriptor)


def copy(source: Path, target: Path) -> None:
    """As `write`, of any length."""
    descriptor = os.open(target, _NEW, 0o600)
    try:
        for chunk in _chunks(source):
            view = memoryview(chunk)
            while view:
                view = view[os.write(descriptor, view) :]
        sync(descriptor)
    finally:
        os.close(descriptor)


def known(root: Path, path: str) -> File:
    """What a file is now: its size and SHA-256, read from the disk. Raises OSError."""
    sha256, size = hashlib.sha256(), 0
    for chunk in _chunks(root / path):
        sha256.update(chunk)
        size += len(chunk)
    return File(path, size, sha256.hexdigest())


def listed(root: Path) -> list[str]:
    """Every file below `root` by its relative path, and whatever else is no directory."""
    found = []
    for folder, names, files in os.walk(root, followlinks=False):
        links = [name for name in names if (Path(folder) / name).is_symlink()]
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in (*files, *links)]
    return sorted(found)


def present(path: Path) -> bool:
    return os.path.lexists(path)


def make_folder(path: Path) -> None:
    path.mkdir(mode=0o700)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync(descriptor: int) -> None:
    """Wait until the disk itself, not its cache, has what was written."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full)


def sync_file(path: Path) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)


def _chunks(path: Path) -> Iterator[bytes]:
    descriptor = os.open(path, _READ)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(22, "it is not a regular file", str(path))
        while chunk := os.read(descriptor, _CHUNK):
            yield chunk
    finally:
        os.close(descriptor)
