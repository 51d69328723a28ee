"""The state directory: made private, looked at before it is used, held by one server at a time."""

import fcntl
import os
import shutil
from contextlib import ExitStack
from pathlib import Path

from app.domain.refusals import StartRefused
from app.home.looking import Finding, findings

__all__ = ["FOLDERS", "Finding", "findings", "hold_home", "prepare_home"]

FOLDERS = ("store", "trash", "ledger", "logs", "run")
LOCK = "server.lock"
_HOLDER_WIDTH = 32


def prepare_home(home: Path) -> list[Finding]:
    """Make `home` (mode 0700) and what lies in it; returns what its owner should be warned of.

    Raises StartRefused with the command that mends it.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        wrong = [finding for finding in findings(home) if not finding.ok]
        if fatal := [finding for finding in wrong if finding.fatal]:
            # What one command mends is said once: an owner is seldom wrong in one place only.
            first = {finding.do: finding for finding in reversed(fatal)}
            raise StartRefused("\n".join(f"{f.why} {f.do}" for f in reversed(first.values())))
        for name in FOLDERS:
            (home / name).mkdir(mode=0o700, exist_ok=True)
        settings = home / "config.yaml"
        if not settings.exists():
            from app.settings import TEMPLATES  # late: whoever only looks needs no settings

            shutil.copyfile(TEMPLATES / "config.yaml", settings)
            settings.chmod(0o600)
        if not os.access(home, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise StartRefused(
            f"The state directory {home} cannot be used: {error.strerror or error}. "
            "Make it yours and writable, or choose another one with LMX_HOME."
        ) from None
    return wrong


def hold_home(home: Path) -> ExitStack:
    """Lock `home` until the returned stack is closed, so that one process owns it.

    The kernel holds the lock for as long as the process lives, however it ends: nothing is left
    to clear after a crash, and a process number in the file of a dead one means nothing. The
    directory is locked too, so that it helps nobody to delete the file while a server runs.
    Raises StartRefused, which names the holder.
    """
    with ExitStack() as held:
        directory = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
        held.callback(os.close, directory)
        file = os.open(home / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
        held.callback(os.close, file)
        if not (_locked(directory, needed=False) and _locked(file, needed=True)):
            holder = os.pread(file, _HOLDER_WIDTH, 0).decode("ascii", "replace").strip("\0 \n")
            raise StartRefused(
                f"Another server (process {holder or 'unknown'}) uses {home}, or a command such as "
                "lmx backup. Stop it, or choose another state directory with LMX_HOME."
            )
        # One write of one width: whoever reads meanwhile finds a whole number.
        os.pwrite(file, f"{os.getpid():<{_HOLDER_WIDTH - 1}}\n".encode(), 0)
        os.ftruncate(file, _HOLDER_WIDTH)
        return held.pop_all()


def _locked(descriptor: int, *, needed: bool) -> bool:
    """Whether it is ours now; a file system that cannot lock directories has said nothing."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return not needed
    return True
