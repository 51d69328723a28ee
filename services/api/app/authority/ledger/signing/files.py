"""The only place that opens, writes and places the signer's files: private, durable, no links."""

import errno
import fcntl
import os
import stat
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.domain.refusals import AuditUnavailable, StartRefused
from app.files import sync_folder

PRIVATE: Final = 0o600
MAX_BYTES: Final = 1 << 20
_READ_OR_WRITE: Final = 0o077
_WRITE: Final = 0o022
_NO_LINKS: Final = os.O_NOFOLLOW | os.O_CLOEXEC

NO_RECOVERY: Final = (
    "To go on from an earlier point, restore a backup, which is recorded: lmx backup restore DIR"
)
RESTORE: Final = (
    "Put back the directory ledger/ of LMX_HOME as it was, if a copy of this very moment is there. "
    f"{NO_RECOVERY}"
)

_WHAT_TO_DO: Final[Mapping[int, str]] = {
    errno.ENOSPC: "The disk is full. Free some space on the volume of LMX_HOME",
    errno.EDQUOT: "The account's quota is used up. Free some space on the volume of LMX_HOME",
    errno.EROFS: "The volume of LMX_HOME is read-only. Make it writable",
    errno.EIO: "The disk reports errors. Check the volume of LMX_HOME",
}


@dataclass(frozen=True, slots=True)
class Places:
    """Where each of the signer's files lies."""

    directory: Path

    @property
    def key(self) -> Path:
        return self.directory / "signing.key"

    @property
    def next_key(self) -> Path:
        """A rotation's new key, from its beginning until it is the current one."""
        return self.directory / "signing.key.next"

    @property
    def keys(self) -> Path:
        return self.directory / "keys"

    @property
    def memory(self) -> Path:
        return self.directory / "signer"

    @property
    def first_memory(self) -> Path:
        """The memory of a signer that is being made; it is moved into place last."""
        return self.directory / "signer.first"


def present(path: Path) -> bool:
    """Whether there is anything by this name, a dangling link included."""
    return os.path.lexists(path)


def check_directory(directory: Path) -> None:
    """Raise StartRefused unless only this account can put files there."""
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise unusable(directory, "it is not a directory", "Put the directory itself there.")
    if found.st_uid != os.geteuid():
        raise unusable(directory, "it belongs to another account", "Make it yours.")
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise unusable(directory, "others can write to it", f"Close it: chmod 700 {directory}")


def open_private(path: Path, flags: int, closed_to_others: int = _READ_OR_WRITE) -> int:
    """Open a file that only its owner can open; raises StartRefused for any other.

    The caller closes the descriptor. Links of both kinds, pipes and files of others are refused.
    """
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | _NO_LINKS)
    except OSError as error:
        why = "it is a symbolic link" if path.is_symlink() else error.strerror or str(error)
        raise unusable(path, why) from error
    try:
        _check_private(path, os.fstat(descriptor), closed_to_others)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _check_private(path: Path, found: os.stat_result, closed_to_others: int) -> None:
    if not stat.S_ISREG(found.st_mode):
        raise unusable(path, "it is not a regular file")
    if found.st_uid != os.geteuid():
        raise unusable(path, "it belongs to another account")
    if found.st_nlink != 1:
        raise unusable(path, "it has a second name (a hard link)")
    if stat.S_IMODE(found.st_mode) & closed_to_others:
        remedy = f"Close it: chmod 600 {path} (and rotate a key that others may have read)."
        raise unusable(path, "others may open it", remedy)


def read_private(path: Path) -> bytes:
    return _read(open_private(path, os.O_RDONLY))


def read_public(path: Path) -> bytes:
    """As `read_private`, of a file that others may read and must not write."""
    return _read(open_private(path, os.O_RDONLY, _WRITE))


def _read(descriptor: int) -> bytes:
    with os.fdopen(descriptor, "rb") as file:
        return file.read(MAX_BYTES)


def write_private(path: Path, content: bytes) -> None:
    """Put `content` at `path`, durably and all at once; raises OSError.

    Whatever a crash interrupts, `path` holds what it held before or all of `content`.
    """
    waiting = path.with_name(path.name + ".new")
    waiting.unlink(missing_ok=True)  # of a write that was interrupted
    descriptor = os.open(waiting, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINKS, PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        sync(descriptor)
    place(waiting, path)


def place(waiting: Path, path: Path) -> None:
    """Give a durable file its name, durably; raises OSError."""
    waiting.replace(path)
    sync_folder(path.parent)


def remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    sync_folder(path.parent)


def sync(descriptor: int) -> None:
    """Wait until the disk itself, not its cache, has what was written."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fdatasync(descriptor)


def unusable(path: Path, why: str, remedy: str = RESTORE) -> StartRefused:
    return StartRefused(f"The signer's file {path} cannot be used: {why}. {remedy}")


def not_written(path: Path, error: OSError) -> AuditUnavailable:
    """Return the refusal for a failed write of one of the signer's files."""
    remedy = _WHAT_TO_DO.get(error.errno or 0, f"It says: {error.strerror or error}. Cure that")
    return AuditUnavailable(
        f"The signer cannot write {path}, so nothing was signed. {remedy}, then try again. "
        "Until then nothing that must be recorded is done.",
        details={"reason": errno.errorcode.get(error.errno or 0, type(error).__name__)},
    )
