"""Makes a backup: of a home whose server runs or is stopped, whole or not at all.

The signer's files are copied first and the database after them, so that the database in the backup
has at least everything that its signer remembers: it is what a server would find after a crash.
What is being made carries another name until it has been read back.
"""

import errno
import os
import shutil
import sqlite3
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from app import files
from app.backups import places
from app.backups.contents import (
    CHECKSUM,
    DATABASE,
    LEDGER,
    MANIFEST,
    MEMORY,
    SETTINGS,
    SIGNERS,
    SIGNING,
    Manifest,
    checksum_line,
    moment,
)
from app.backups.restoring import is_under_way
from app.backups.snapshot import (
    Facts,
    Progress,
    copy_database,
    damage_in,
    facts_of,
    looking,
    root_at,
)
from app.domain.refusals import BackupRefused
from app.evidence.verification.memory import Head, MemoryInvalid, read_memory

PARTIAL: Final = ".partial"
_TRIES: Final = 5
_WAIT_S: Final = 0.05
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NOTHING_SIGNED: Final = Head(origin="", key_id="", size=0, root=b"")


@dataclass(frozen=True, slots=True)
class Made:
    """A backup that was read back. `digest`: its manifest's SHA-256; `size_bytes`: of all files."""

    path: Path
    manifest: Manifest
    digest: str

    @property
    def name(self) -> str:
        return self.manifest.name


def create(
    home: Path,
    into: Path | None = None,
    *,
    progress: Progress = lambda _done, _total: None,
    politely: bool = False,
    now_us: int | None = None,
) -> Made:
    """Make a backup of `home` as a new directory in `into` (default: `home`/backups).

    Raises BackupRefused, with what to do; then nothing of it is left. The caller need not hold the
    home's lock: a server may be running, and `politely` leaves it half of the time.
    """
    made_us = time.time_ns() // 1000 if now_us is None else now_us
    folder = into or home / "backups"
    _refuse_places(home, folder)
    partial: Path | None = None
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _refuse_small_disk(home / DATABASE, folder)
        _tidy(folder)
        partial = folder / f".lmx-{made_us}-{os.getpid()}{PARTIAL}"
        head = _copy(home, partial, progress, politely=politely)
        return _finish(home, folder, partial, head, made_us)
    except OSError as error:
        raise BackupRefused(_why(error, folder)) from error
    except sqlite3.Error as error:
        raise BackupRefused(
            f"{home / DATABASE} could not be copied: {error}. Nothing was left of the backup. "
            "Look at the database with `lmx ledger verify`."
        ) from error
    finally:
        if partial is not None:
            shutil.rmtree(partial, ignore_errors=True)


def _copy(home: Path, partial: Path, progress: Progress, *, politely: bool) -> Head:
    """Copy signer and database so that they belong together; what the signer remembers."""
    for _ in range(_TRIES):
        files.make_folder(partial)
        head = _copy_signing(home, partial)
        copy_database(home / DATABASE, partial / DATABASE, progress, politely=politely)
        if _same_keys(home, partial):
            return head
        shutil.rmtree(partial)  # the key was changed meanwhile: files and events do not agree
    raise BackupRefused("The signing key is being changed. Make the backup again.")


def _finish(home: Path, folder: Path, partial: Path, head: Head, made_us: int) -> Made:
    _copy_settings(home, partial)
    with looking(partial / DATABASE) as connection:
        found = _checked(connection, head)
    name = f"lmx-{moment(made_us)}-{found.events}"
    _refuse_half_restored(home)
    place = folder / name
    if files.present(place):
        raise BackupRefused(f"{place} is there already. Wait a second, then make another one.")
    known = tuple(places.known(partial, path) for path in places.listed(partial))
    manifest = Manifest(
        name=name,
        release=version("lmx-authority"),
        schema=found.schema,
        origin=head.origin,
        made_us=made_us,
        size=head.size,
        root=head.root.hex(),
        events=found.events,
        files=known,
        models=found.models,
    )
    content = manifest.encoded()
    checksum = checksum_line(content)
    files.write(partial / MANIFEST, content)
    files.write(partial / CHECKSUM, checksum)
    for inner in (SIGNERS, LEDGER):
        if (partial / inner).is_dir():
            files.sync_folder(partial / inner)
    files.sync_folder(partial)
    partial.rename(place)
    files.sync_folder(folder)
    return Made(place, manifest, checksum[:64].decode())


def _tidy(folder: Path) -> None:
    """Take away what a process that was killed had begun: it would keep its space for ever."""
    for path in folder.glob(f".lmx-*{PARTIAL}"):
        process = path.name.removesuffix(PARTIAL).rpartition("-")[2]
        if path.is_dir() and not path.is_symlink() and not _lives(process):
            shutil.rmtree(path)


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except (ProcessLookupError, OverflowError):
        return False
    except (PermissionError, ValueError):
        return True
    return True


def _refuse_places(home: Path, folder: Path) -> None:
    _refuse_half_restored(home)
    if not (home / DATABASE).is_file():
        raise BackupRefused(
            f"{home} holds no state of LMX: there is no {DATABASE}. Say which with LMX_HOME."
        )
    inside = folder.resolve()
    for name in ("store", "trash", LEDGER, "run", "logs"):
        if inside.is_relative_to((home / name).resolve()):
            raise BackupRefused(
                f"{folder} lies in {home / name}, which the server keeps. Choose another directory."
            )


def _refuse_half_restored(home: Path) -> None:
    """Who restores holds the home as a server does: its files are of two states for a moment."""
    if is_under_way(home):
        raise BackupRefused(
            f"A backup is being put back in {home}, or that was cut off: what is there is not one "
            "state. Start the server, or: lmx backup restore --continue"
        )


def _refuse_small_disk(database: Path, folder: Path) -> None:
    journal = database.with_name(database.name + "-wal")
    needed = database.stat().st_size + (journal.stat().st_size if journal.exists() else 0)
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise BackupRefused(
            f"{folder} has {free:,} bytes free and a backup takes about {needed:,}. Free "
            f"{needed - free:,} bytes there, or choose another directory. Nothing was written."
        )


def _copy_signing(home: Path, partial: Path) -> Head:
    """Copy the signer's files and return what it remembers; nothing where there is none yet."""
    files.make_folder(partial / LEDGER)
    for path in SIGNING:
        if path != MEMORY and files.present(home / path):
            files.copy(home / path, partial / path)
    if not files.present(home / MEMORY):
        return _NOTHING_SIGNED
    for left in reversed(range(_TRIES)):
        files.copy(home / MEMORY, partial / MEMORY)
        try:
            head = read_memory(partial / MEMORY)
        except MemoryInvalid as error:
            raise BackupRefused(
                f"The signer's memory {home / MEMORY} {error}: what it remembers cannot be backed "
                "up. `lmx ledger verify` says more."
            ) from error
        if not head.damaged or not left:
            return head  # half of it damaged is what a crash leaves: the other half counts
        (partial / MEMORY).unlink()  # it was being written
        time.sleep(_WAIT_S)
    raise AssertionError("the last try returns")


def _same_keys(home: Path, partial: Path) -> bool:
    """Whether the keys are still those that were copied, now that the database has been."""
    return all(
        _content(home / path) == _content(partial / path) for path in SIGNING if path != MEMORY
    )


def _content(path: Path) -> bytes | None:
    return files.read(path) if files.present(path) else None


def _copy_settings(home: Path, partial: Path) -> None:
    for name in SETTINGS:
        if files.present(home / name):
            files.copy(home / name, partial / name)
    if (home / SIGNERS).is_dir():
        files.make_folder(partial / SIGNERS)
        for path in sorted((home / SIGNERS).iterdir()):
            if path.is_file() and not path.is_symlink():
                files.copy(path, partial / SIGNERS / path.name)


def _checked(connection: sqlite3.Connection, head: Head) -> Facts:
    if damage := damage_in(connection, thoroughly=False):
        raise BackupRefused(
            f"The database is damaged, so no backup of it was made: {damage}. Restore the newest "
            "backup that `lmx backup verify` finds whole."
        )
    found = facts_of(connection)
    if found.events < head.size or (head.size and root_at(connection, head.size) != head.root):
        raise BackupRefused(
            "The database is not the one that the signer beside it has signed, so no backup was "
            "made. `lmx ledger verify` says how they differ."
        )
    return found


_WHY: Final[Mapping[bool, str]] = {
    True: "The disk is full. Free some space there, or choose another directory",
    False: "Choose another directory, or make this one yours and writable",
}


def _why(error: OSError, folder: Path) -> str:
    return (
        f"The backup could not be written in {folder}: {error.strerror or error}. "
        f"{_WHY[error.errno in _FULL]}. Nothing was left of it."
    )
