"""The only place that reads whose signatures are trusted: the keys in LMX_HOME/signers.

A key that could have been put there by somebody else, or that cannot be read as one, is no key:
it is named in the log, and what it signed is by an unknown signer.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import structlog

from app.authority.catalog.signatures import Signer, signer
from app.authority.catalog.tree import read_exactly

log = structlog.get_logger(__name__)

ENDING: Final = ".pub"
MAX_KEY_BYTES: Final = 16 << 10
MAX_SIGNERS: Final = 256
_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


def trusted_signers(directory: Path) -> tuple[Signer, ...]:
    """Those whose keys lie there now, as NAME.pub, by name. Raises nothing."""
    try:
        folder = os.open(directory, _FLAGS | os.O_DIRECTORY)
    except FileNotFoundError:
        return ()
    except OSError as error:
        why = "is a link" if directory.is_symlink() else f"cannot be opened ({error.strerror})"
        log.error("signers_not_trusted", directory=str(directory), why=why)
        return ()
    try:
        return tuple(_keys(folder, directory))
    except (OSError, ValueError) as error:
        log.error("signers_not_trusted", directory=str(directory), why=str(error))
        return ()
    finally:
        os.close(folder)


def _keys(folder: int, directory: Path) -> Iterator[Signer]:
    _check_owner(folder)
    names = sorted(n for n in os.listdir(folder) if n.endswith(ENDING))
    if len(names) > MAX_SIGNERS:
        raise ValueError(f"holds {len(names)} keys; at most {MAX_SIGNERS} are looked at")
    for name in names:
        try:
            yield _key(folder, name)
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            log.error("signer_not_trusted", key=str(directory / name), why=why)


def _key(folder: int, name: str) -> Signer:
    if stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise ValueError("is a link")
    descriptor = os.open(name, _FLAGS, dir_fd=folder)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise ValueError("is no regular file")
        _check_owner(descriptor)
        if status.st_size > MAX_KEY_BYTES:
            raise ValueError(f"has more than {MAX_KEY_BYTES} bytes")
        return signer(name.removesuffix(ENDING), read_exactly(descriptor, MAX_KEY_BYTES, 0))
    finally:
        os.close(descriptor)


def _check_owner(descriptor: int) -> None:
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid():
        raise ValueError("belongs to another account")
    if status.st_mode & _OTHERS_WRITE:
        raise ValueError("can be written by other accounts: chmod go-w")
