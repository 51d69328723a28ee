"""What is wrong with a state directory, and the command that mends it.

Whoever starts on it refuses what is fatal and says the rest; `lmx doctor` shows all. Looking
changes nothing, and what does not exist yet is not wrong: the first start makes it.
"""

import os
import pwd
import shlex
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.home.mounts import Mount, mount_of

NOBODY_ELSE: Final = 0o077
NOBODY_ELSE_WRITES: Final = 0o022


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `why` it is wrong, and what to `do`: both empty where `ok`.

    `fatal`: a server refuses to start on it; else it is a warning.
    """

    name: str
    ok: bool
    why: str = ""
    do: str = ""
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """What the file system says of one path: its owner and its permission bits."""

    path: Path
    owner: int
    mode: int
    is_directory: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One path of the state that is looked at, and what others may not do with it."""

    name: str
    path: str
    closed_to_others: int


PARTS: Final = (
    Part("state directory", ".", NOBODY_ELSE),
    Part("configuration", "config.yaml", NOBODY_ELSE_WRITES),
    Part("database", "lmx.db", NOBODY_ELSE_WRITES),
    Part("database's write-ahead log", "lmx.db-wal", NOBODY_ELSE_WRITES),
    Part("operator key", "operator.key", NOBODY_ELSE),
    Part("ledger folder", "ledger", NOBODY_ELSE_WRITES),
    Part("signing key", "ledger/signing.key", NOBODY_ELSE),
    Part("store", "store", NOBODY_ELSE_WRITES),
    Part("trash", "trash", NOBODY_ELSE_WRITES),
    Part("logs folder", "logs", NOBODY_ELSE_WRITES),
    Part("run folder", "run", NOBODY_ELSE_WRITES),
)
"""The directory keeps everybody else out. Inside it keys are closed for themselves, as ssh's are,
for the day on which somebody copies them elsewhere; the rest may be read but not written."""


def findings(home: Path) -> list[Finding]:
    """Everything that was looked at in `home`, in the order of PARTS, then its file system.

    Raises OSError where `home` cannot be looked at.
    """
    seen = [(part, found) for part in PARTS if (found := _look(home / part.path))]
    judged = [judge(part, found, home, os.getuid()) for part, found in seen]
    if not judged:
        return [Finding("state directory", ok=True)]
    return [*judged, *on_mount(home, mount_of(home))]


def _look(path: Path) -> Seen | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return Seen(path, found.st_uid, stat.S_IMODE(found.st_mode), stat.S_ISDIR(found.st_mode))


def judge(part: Part, seen: Seen, home: Path, account: int) -> Finding:
    """Whether one part is `account`'s and closed to others; pure but for the names of accounts."""
    if seen.owner != account:
        mine, theirs, place = (
            account_name(account),
            account_name(seen.owner),
            shlex.quote(str(home)),
        )
        return Finding(
            part.name,
            ok=False,
            why=f"{seen.path} belongs to another account ({theirs}; this one is {mine}).",
            do=f"Run lmx as {theirs}, or make it this one's: sudo chown -R {mine} {place}; "
            "or choose another one with LMX_HOME.",
            fatal=True,
        )
    if seen.mode & part.closed_to_others:
        may = "write to" if seen.mode & NOBODY_ELSE_WRITES else "read"
        wanted = 0o700 if seen.is_directory else 0o600
        return Finding(
            part.name,
            ok=False,
            why=f"Others can {may} {seen.path} (mode {seen.mode:04o}).",
            do=f"Close it: chmod {wanted:o} {shlex.quote(str(seen.path))}",
            fatal=True,
        )
    return Finding(part.name, ok=True)


def on_mount(home: Path, mount: Mount | None) -> Iterator[Finding]:
    """A warning where `home` lies on another machine's disk; nothing where that is not known."""
    if mount is None:
        return
    if not mount.is_network:
        yield Finding("file system", ok=True)
        return
    yield Finding(
        "file system",
        ok=False,
        why=f"{home} is on a network file system ({mount.kind} at {mount.point}): its locks and "
        "its fsync do not promise what the database needs, and a lost connection can damage it.",
        do="Keep it on a disk of this machine: stop the server, move the directory, and set "
        "LMX_HOME to the new place. Models may stay on the network: import copies them.",
    )


def account_name(account: int) -> str:
    """Its name, or its number where it has none; safe in a command."""
    try:
        return shlex.quote(pwd.getpwuid(account).pw_name)
    except KeyError:
        return str(account)
