"""The only place that writes whole files which must stay private and survive a crash.

Nothing here follows a link in a file's place. Every function raises OSError for what it cannot do;
what has returned is on the disk.
"""

import fcntl
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MORE: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
_CHUNK: Final = 1 << 20


def present(path: Path) -> bool:
    """Whether there is anything by this name, a dangling link included."""
    return os.path.lexists(path)


def read(path: Path) -> bytes:
    return b"".join(chunks(path))


def chunks(path: Path) -> Iterator[bytes]:
    """A regular file's bytes, piece by piece."""
    descriptor = os.open(path, _READ)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(22, "it is not a regular file", str(path))
        while chunk := os.read(descriptor, _CHUNK):
            yield chunk
    finally:
        os.close(descriptor)


def write(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a new file, for its owner alone. Its name is durable after `sync_folder`."""
    _write(path, (content,), mode)


def copy(source: Path, target: Path) -> None:
    """As `write`, of any length."""
    _write(target, chunks(source), 0o600)


def replace(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file so that after a crash it has the old content or the new, never a mixture."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    try:
        write(fresh, content, mode=mode)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def append_line(path: Path, line: bytes) -> None:
    """Add one line. A line before it that a crash cut short is dropped."""
    new = not path.exists()
    descriptor = os.open(path, _MORE, 0o600)
    try:
        whole = _end_of_last_line(descriptor)
        os.ftruncate(descriptor, whole)
        try:
            write_all(descriptor, line + b"\n")
            sync(descriptor)
        except OSError:
            os.ftruncate(descriptor, whole)
            raise
    finally:
        os.close(descriptor)
    if new:
        sync_folder(path.parent)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """As `write`, piece by piece; gone again if it is not written to its end."""
    descriptor = os.open(path, _NEW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            sync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def make_folder(path: Path) -> None:
    path.mkdir(mode=0o700)
    sync_folder(path.parent)


def sync(descriptor: int) -> None:
    """Wait until the disk has what was written. macOS answers fsync before the drive has it."""
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


def sync_folder(folder: Path) -> None:
    """Make the names in it durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, content: bytes | memoryview) -> None:
    """Write every byte: a single call may take fewer."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _write(path: Path, pieces: Iterable[bytes], mode: int) -> None:
    descriptor = os.open(path, _NEW, mode)
    try:
        for piece in pieces:
            write_all(descriptor, piece)
        sync(descriptor)
    finally:
        os.close(descriptor)


def _end_of_last_line(descriptor: int) -> int:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).rfind(b"\n") + 1
