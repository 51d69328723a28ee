"""Puts a backup back, step by step, so that a crash at any of them can be brought to its end.

The new state is built beside the present one. Then a journal is written: from there on the restore
goes forward only, by renames, and whoever comes next (`finish`: a start, or another restore) ends
what was begun. What is replaced is kept in `replaced/`; nothing is deleted.

A restored state says so: `ledger/restored.json` goes with it, and the next start records it before
anything else. A server that finds it has no way to answer before it did.
"""

import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from app import files
from app.backups import places
from app.backups.contents import DATABASE, LEDGER, SETTINGS, SIGNERS, UPGRADING, Manifest, moment
from app.backups.mark import MARK, Restored
from app.backups.removing import ORDER
from app.backups.replaced import Losses, forget, losses
from app.backups.snapshot import looking, root_at
from app.domain.refusals import BackupRefused
from app.home import hold_home

BUILT: Final = ".restoring"
JOURNAL: Final = "run/restoring.json"
REPLACED: Final = "replaced"

ITEMS: Final = (
    ORDER,
    *UPGRADING,
    f"{DATABASE}-wal",
    f"{DATABASE}-shm",
    f"{DATABASE}-journal",
    DATABASE,
    LEDGER,
    *SETTINGS,
    SIGNERS,
)
"""What is replaced, in this order: a write-ahead log never meets another database than its own.

An order to remove everything goes first: the approval that it names may be in the backup, unused.
"""

Step = Callable[[str], None]
"""Told before each step; tests end the process there."""


def restore(
    home: Path,
    backup: Path,
    manifest: Manifest,
    digest: str,
    lost: Losses,
    *,
    step: Step = lambda _name: None,
) -> Path | None:
    """Put back a backup that was verified; returns where the replaced state is, if there was one.

    `lost` is what a person was shown. Raises BackupRefused or StartRefused: before the journal is
    written nothing has changed; after it the same command, or the next start, goes on.
    """
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BackupRefused(f"{home} cannot be made: {error.strerror or error}.") from error
    with hold_home(home):
        if is_under_way(home):
            raise BackupRefused(
                "A restore was begun here and not brought to its end. It goes on with: "
                "lmx backup restore --continue"
            )
        return _restored(home, backup, manifest, digest, lost, step=step)


def is_under_way(home: Path) -> bool:
    return files.present(home / JOURNAL)


def finish(home: Path, *, step: Step = lambda _name: None) -> bool:
    """Bring a restore to its end that was cut off; whether there was one. The home is held.

    Raises BackupRefused where it cannot.
    """
    if not is_under_way(home):
        return False
    try:
        fields = json.loads(files.read(home / JOURNAL))
        into = home / REPLACED / Path(fields["replaced"]).name
        _place(home, into, frozenset(map(str, fields["parts"])), step)
    except (ValueError, KeyError, TypeError) as error:
        raise BackupRefused(
            f"{home / JOURNAL} is damaged, so the restore that it is about cannot be ended by "
            f"itself. The backup's files are in {home / BUILT}, and the replaced ones in "
            f"{home / REPLACED}: restore the backup into an empty LMX_HOME."
        ) from error
    except OSError as error:
        raise BackupRefused(
            f"The restore that was begun cannot go on: {error.strerror or error}. Cure that, then "
            "start again: what was done stays done."
        ) from error
    return True


def _restored(
    home: Path, backup: Path, manifest: Manifest, digest: str, lost: Losses, *, step: Step
) -> Path | None:
    into = _free(home / REPLACED / moment(time.time_ns() // 1000))
    built = home / BUILT
    try:
        step("building")
        if files.present(built):
            shutil.rmtree(built)  # of a restore that was cut off before its journal: never in use
        _build(built, backup, manifest)
        if losses(home, built) != lost:
            shutil.rmtree(built)
            raise BackupRefused(
                "The state changed while you were asked: a server ran meanwhile. Nothing was "
                "changed. Look at what is lost now: lmx backup restore DIR"
            )
        if lost.erased:
            forget(built / DATABASE, lost.erased)
            files.sync_file(built / DATABASE)
        _mark(built, manifest, digest, lost, into)
    except (OSError, sqlite3.Error) as error:
        shutil.rmtree(built, ignore_errors=True)
        raise BackupRefused(
            f"The backup could not be copied into {home}: {error}. Nothing was changed."
        ) from error
    try:
        step("journal")
        parts = frozenset(path.name for path in built.iterdir())
        _write_journal(home, into, manifest.name, parts)
        return into if _place(home, into, parts, step) else None
    except OSError as error:
        raise BackupRefused(
            f"The restore was cut off: {error.strerror or error}. Nothing is lost. Cure that, then "
            "go on with: lmx backup restore --continue"
        ) from error


def _build(built: Path, backup: Path, manifest: Manifest) -> None:
    """Copy every file, and compare what has arrived with the manifest."""
    built.mkdir(mode=0o700)
    for file in manifest.files:
        target = built / file.path
        target.parent.mkdir(mode=0o700, exist_ok=True)
        files.copy(backup / file.path, target)
        if places.known(built, file.path) != file:
            raise OSError(5, f"{file.path} was changed while it was copied")
    (built / LEDGER).mkdir(mode=0o700, exist_ok=True)


def _mark(built: Path, manifest: Manifest, digest: str, lost: Losses, into: Path) -> None:
    """Say in the new state what it is, and have all of it on the disk."""
    with looking(built / DATABASE) as connection:
        root = root_at(connection, manifest.events)  # the manifest's is over what was signed
    found = Restored(
        name=manifest.name,
        size=manifest.events,
        root=root.hex(),
        manifest=digest,
        made_us=manifest.made_us,
        replaced_size=lost.size,
        replaced_root=lost.root,
        revoked=lost.revoked,
        asks=lost.asks,
        replaced=f"{REPLACED}/{into.name}",
    )
    files.write(built / MARK, found.encoded())
    for folder in (built / LEDGER, built / SIGNERS, built):
        if folder.is_dir():
            files.sync_folder(folder)


def _write_journal(home: Path, into: Path, name: str, parts: frozenset[str]) -> None:
    (home / "run").mkdir(mode=0o700, exist_ok=True)
    said = {"replaced": f"{REPLACED}/{into.name}", "name": name, "parts": sorted(parts)}
    files.replace(home / JOURNAL, json.dumps(said).encode())
    files.sync_folder(home)


def _place(home: Path, into: Path, parts: frozenset[str], step: Step) -> bool:
    """Move the present state aside and the new one in; each step may be done twice.

    `parts` are the names of the new state: one that is not in `.restoring` any more was placed.
    Returns whether anything was replaced.
    """
    step("replaced")
    for folder in (into.parent, into):
        folder.mkdir(mode=0o700, exist_ok=True)
    files.sync_folder(home)
    for name in ITEMS:
        new, now, kept = home / BUILT / name, home / name, into / Path(name).name
        comes = files.present(new)
        old = comes or (name not in parts and not files.present(kept))
        if old and files.present(now):
            step(f"aside {name}")
            now.rename(_free(kept))  # a start in between may have made an empty one: kept too
        if comes:
            step(f"place {name}")
            new.rename(now)
    step("synced")
    for folder in (home, into):
        files.sync_folder(folder)
    step("ended")
    if files.present(home / BUILT):
        shutil.rmtree(home / BUILT)
    any_kept = any(into.iterdir())
    if not any_kept:
        into.rmdir()
    (home / JOURNAL).unlink()
    files.sync_folder(home / "run")
    return any_kept


def _free(path: Path) -> Path:
    """`path`, or the first of its kind that is not there."""
    for number in range(1, 100):
        found = path if number == 1 else path.with_name(f"{path.name}.{number}")
        if not os.path.lexists(found):
            return found
    raise OSError(17, f"{path} and a hundred like it are there already")
