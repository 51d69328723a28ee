"""The only place where the command line writes files that must survive a crash or stay private."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from app.cli.outcomes import CommandError, ExitCode

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MORE: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC


def read(path: Path) -> bytes:
    """Return a file's bytes; a link in its place is an OSError."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as file:
        return file.read()


def replace_durably(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file so that after a crash it has the old content or the new, never a mixture."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    try:
        descriptor = os.open(fresh, _NEW, mode)
        try:
            _write_all(descriptor, content)
            _sync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)
    sync_folder(path.parent)


def append_line_durably(path: Path, line: bytes) -> None:
    """Add one line; when this returns it is on the disk. A line that was cut short is dropped."""
    new = not path.exists()
    descriptor = os.open(path, _MORE, 0o600)
    try:
        whole = _end_of_last_line(descriptor)
        os.ftruncate(descriptor, whole)
        try:
            _write_all(descriptor, line + b"\n")
            _sync(descriptor)
        except OSError:
            os.ftruncate(descriptor, whole)
            raise
    finally:
        os.close(descriptor)
    if new:
        sync_folder(path.parent)


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """A file that was not there, for its owner alone; gone again if it is not written to its end.

    Raises FileExistsError, also where a link is in its place.
    """
    descriptor = os.open(path, _NEW, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            _sync(descriptor)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def refuse_open_door(path: Path) -> None:
    """Raise CommandError where another account could read or change what is here."""
    found = path.lstat()
    if found.st_uid != os.getuid() or stat.S_ISLNK(found.st_mode):
        raise CommandError(
            f"{path} is a link or belongs to another account: move it away or choose another one.",
            exit_code=ExitCode.REFUSED,
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        mode = "700" if stat.S_ISDIR(found.st_mode) else "600"
        raise CommandError(
            f"Other accounts can reach {path}. Close it: chmod {mode} {path}",
            exit_code=ExitCode.REFUSED,
        )


def _end_of_last_line(descriptor: int) -> int:
    size = os.fstat(descriptor).st_size
    return os.pread(descriptor, size, 0).rfind(b"\n") + 1


def _write_all(descriptor: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def _sync(descriptor: int) -> None:
    """macOS answers fsync before the drive has the data; this asks the drive too."""
    full = getattr(fcntl, "F_FULLFSYNC", None)
    if full is None:
        os.fsync(descriptor)
    else:
        fcntl.fcntl(descriptor, full)
