"""The only place that moves the database's files: the copy beside it, and the one rename.

SQLite keeps a log (-wal), an index of it (-shm) and in other modes a journal beside a database, by
name. None of those of the old file may meet the new one.
"""

import shutil
import stat
from pathlib import Path
from typing import Final

from app.database import settle
from app.domain.refusals import StartRefused
from app.files import copy as copy_file
from app.files import sync_file

COPY: Final = ".upgrading"
_BESIDE: Final = ("-wal", "-shm", "-journal")
_GROWTH_BYTES: Final = 16 << 20
"""What a migration may add to a small database: new tables and indexes."""


def copy_of(database: Path) -> Path:
    return database.with_name(database.name + COPY)


def remove_copy(database: Path) -> None:
    """Remove what an upgrade that did not end has left; raises OSError."""
    copy = copy_of(database)
    for path in (copy, *_beside(copy)):
        path.unlink(missing_ok=True)


def is_used(database: Path) -> bool:
    """Whether there is a regular file with something in it; raises StartRefused for what is odd."""
    try:
        found = database.lstat()
    except FileNotFoundError:
        return False
    if stat.S_ISDIR(found.st_mode):
        raise StartRefused(
            f"{database} is a directory; LMX's database is a file. Move it away and restore a "
            "backup (lmx backup restore DIR), or choose another state directory with LMX_HOME."
        )
    return found.st_size > 0


def missing(database: Path, memory: Path) -> StartRefused | None:
    """The refusal for a database that is gone or empty where a signer remembers one.

    Making a new one there would look like a beginning; a first start makes the database first.
    """
    if is_used(database) or not memory.exists():
        return None
    what = "is empty" if database.exists() else "is not there"
    return StartRefused(
        f"{database} {what}, but {memory.parent} belongs to a ledger that was kept in it. Nothing "
        "was written. Put lmx.db back, or restore a backup: lmx backup restore DIR"
    )


def needed_bytes(database: Path) -> int:
    """For the copy, while it is rewritten: its log may come to as much as what it adds."""
    return database.stat().st_size * 3 // 2 + _GROWTH_BYTES


def refuse_small_disk(database: Path) -> None:
    needed, free = needed_bytes(database), shutil.disk_usage(database.parent).free
    if free < needed:
        raise StartRefused(
            f"the volume has {free:,} bytes free, and the copy that is upgraded takes about "
            f"{needed:,}. Free {needed - free:,} bytes"
        )


def close_log(database: Path) -> None:
    """Put everything into the one file; StartRefused where another program has it open."""
    if not settle(database):
        raise StartRefused("another program has lmx.db open. End it")
    for path in _beside(database):
        if path.exists() and path.stat().st_size and path.name.endswith(("-wal", "-journal")):
            raise StartRefused(f"{path.name} could not be closed. End what has lmx.db open")
        path.unlink(missing_ok=True)


def make_copy(database: Path) -> Path:
    """Copy the database, which `close_log` made one file; raises OSError."""
    copy = copy_of(database)
    copy_file(database, copy)
    return copy


def swap(database: Path) -> None:
    """Put the copy in the database's place, in one step; raises OSError. Sync the folder next."""
    copy = copy_of(database)
    close_log(copy)
    sync_file(copy)
    copy.replace(database)


def _beside(database: Path) -> list[Path]:
    return [database.with_name(database.name + suffix) for suffix in _BESIDE]
