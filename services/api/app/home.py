"""The state directory: made private, held by one server at a time."""

import fcntl
import os
import shutil
import stat
from pathlib import Path
from typing import IO

from app.domain.refusals import StartRefused
from app.settings import TEMPLATES

FOLDERS = ("store", "trash", "ledger", "logs", "run")


def prepare_home(home: Path) -> None:
    """Make `home` (mode 0700) and what lies in it; raises StartRefused with what to do."""
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_open_doors(home)
        for name in FOLDERS:
            (home / name).mkdir(mode=0o700, exist_ok=True)
        settings = home / "config.yaml"
        if not settings.exists():
            shutil.copyfile(TEMPLATES / "config.yaml", settings)
            settings.chmod(0o600)
        if not os.access(home, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise StartRefused(
            f"The state directory {home} cannot be used: {error.strerror or error}. "
            "Make it yours and writable, or choose another one with LMX_HOME."
        ) from None


def _refuse_open_doors(home: Path) -> None:
    found = home.stat()
    if found.st_uid != os.getuid():
        raise StartRefused(f"{home} belongs to another account. Choose another one with LMX_HOME.")
    if stat.S_IMODE(found.st_mode) & 0o022:
        raise StartRefused(f"Others can write to {home}. Close it: chmod 700 {home}")


def hold_home(home: Path) -> IO[str]:
    """Lock `home` for as long as the returned file is open, so that one server owns it."""
    lock = (home / "server.lock").open("a+", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read(32).strip() or "unknown"
        lock.close()
        raise StartRefused(
            f"Another server (process {holder}) uses {home}. Stop it, or choose another state "
            "directory with LMX_HOME."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock
