"""The only place that touches `operator.key`: the first key, on disk for the account that made it.

The secret is written beside its place first, then recorded, then renamed into place. Whatever a
crash leaves is told apart at the next start, and a file that is there is never overwritten.
"""

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from app import files
from app.authority.keys.secret import MAX_LENGTH
from app.domain.refusals import StartRefused

_NO_LINKS: Final = os.O_NOFOLLOW | os.O_CLOEXEC
_OLD_FILES: Final = 1000


class FileState(StrEnum):
    """How `operator.key` relates to the keys in the database."""

    CREATED = "created"
    PRESENT = "present"
    ABSENT = "absent"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class OperatorKey:
    """The first key's id ("" when the file names none), its file and what to say about it."""

    id: str
    path: Path
    state: FileState
    note: str = ""


def waiting_path(path: Path) -> Path:
    """Where a secret lies while its key is being recorded."""
    return path.with_name(path.name + ".new")


def read(path: Path) -> str | None:
    """Return the secret at `path`, None when there is no file; refuse links and odd files."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | _NO_LINKS)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise _unusable(path, "it is not a regular file")
        if stat.S_IMODE(found.st_mode) & 0o077:
            os.fchmod(descriptor, 0o600)  # a copy or a restore may have opened it to others
        return os.read(descriptor, MAX_LENGTH + 2).decode("utf-8", "replace").strip()
    finally:
        os.close(descriptor)


def write_waiting(path: Path, secret: str) -> None:
    """Write `secret` durably beside `path`, which must not exist."""
    waiting = waiting_path(path)
    try:
        waiting.unlink(missing_ok=True)  # of a start that ended before its key was recorded
        files.write(waiting, f"{secret}\n".encode("ascii"))
        files.sync_folder(path.parent)
    except OSError as error:
        raise _unusable(waiting, error.strerror or str(error)) from error


def settle(path: Path) -> None:
    """Move the recorded secret to its place; a file that appeared there meanwhile stays."""
    try:
        os.link(waiting_path(path), path, follow_symlinks=False)
        waiting_path(path).unlink()
        files.sync_folder(path.parent)
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error


def move_aside(path: Path) -> Path | None:
    """Give what lies at `path` another name, if anything does; nothing is ever overwritten."""
    if not os.path.lexists(path):
        return None
    try:
        for number in range(1, _OLD_FILES):
            aside = path.with_name(f"{path.name}.old-{number}")
            if not os.path.lexists(aside):
                path.rename(aside)
                files.sync_folder(path.parent)
                return aside
    except OSError as error:
        raise _unusable(path, error.strerror or str(error)) from error
    raise _unusable(path, "there are too many old ones beside it")


def _unusable(path: Path, why: str) -> StartRefused:
    return StartRefused(
        f"The operator key's file {path} cannot be used: {why}. "
        "Move it out of the way, or make it a regular file of yours, then start again."
    )
