"""The order in which an older database becomes one of this release. Whatever ends it, one is there.

Backup; copy; the migrations, on the copy; the copy is compared with what it was made from; one
rename. Until the rename the old release's state is what is there, after it this release's: a start
that is killed does it again, or finds it done. What fails leaves the old state and says what to do.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from app.backups import create
from app.backups.contents import moment
from app.database import current_revision, migrate, newer, upgrade
from app.domain.refusals import BackupRefused, StartRefused
from app.domain.revisions import REVISIONS
from app.evidence.verification.memory import Head, read_memory
from app.files import sync_folder
from app.upgrading import files, journal, proving
from app.upgrading.journal import Upgraded

log = structlog.get_logger(__name__)

Step = Callable[[str], None]
"""Told the name of each step before it is made; a test ends the process there."""
Trial = Callable[[Path], None]
"""Opens the copy as this release would, for reading; whatever it raises, the copy is refused."""

STEPS: Final = ("close", "backup", "remember", "copy", "migrate", "prove", "try", "swap", "done")


def bring_up_to_date(
    home: Path,
    *,
    trial: Trial = lambda _: None,
    step: Step = lambda _: None,
    make_backup: Callable[[Path], str] | None = None,
) -> Upgraded | None:
    """Bring `home`'s database to this release's schema; the caller holds the home.

    Returns the upgrade that the ledger is still to record: this one, or that of a start which ended
    before it was. Raises StartRefused; then what was there is there as before.
    """
    database = home / "lmx.db"
    if refusal := files.missing(database, home / "ledger" / "signer"):
        raise refusal
    found = current_revision(database) if files.is_used(database) else None
    if found is None or found == REVISIONS[-1]:
        files.remove_copy(database)
        migrate(database)  # a first start's, or nothing to do
        return _unrecorded(home, found)
    if found not in REVISIONS:
        raise newer(database, found)
    log.info("upgrade_begins", before=found, after=REVISIONS[-1])
    done = _upgraded(home, found, trial=trial, step=step, make_backup=make_backup or _backup)
    log.info("upgrade_done", before=done.before, after=done.after, backup=done.backup)
    return done


def _unrecorded(home: Path, found: str | None) -> Upgraded | None:
    """An upgrade whose start ended between the swap and the record; old notes are nobody's."""
    left = journal.remembered(home)
    if left is None or found != left.after:
        return None
    return left


def _upgraded(
    home: Path, found: str, *, trial: Trial, step: Step, make_backup: Callable[[Path], str]
) -> Upgraded:
    database = home / "lmx.db"
    backup = ""
    try:
        files.remove_copy(database)
        files.refuse_small_disk(database)
        step("close")
        files.close_log(database)
        done = _backed_up(home, found, step=step, make_backup=make_backup)
        backup = done.backup
        before = proving.said_by(database)
        step("copy")
        files.refuse_small_disk(database)
        copy = files.make_copy(database)
        step("migrate")
        upgrade(copy, REVISIONS[-1])
        files.close_log(copy)
        step("prove")
        if wrong := list(proving.faults(copy, before, _signed(home))):
            raise StartRefused("the upgraded copy did not stand the tests: " + "; ".join(wrong))
        step("try")
        trial(copy)
        step("swap")
        files.swap(database)
    except Exception as error:  # a defect in a migration too must leave the old state as it was
        if copy_is_gone := _remove_copy(database):
            log.error("upgrade_failed", before=found, after=REVISIONS[-1], error=copy_is_gone)
        raise _refused(database, found, backup, error) from error
    step("done")
    try:
        sync_folder(home)
    except OSError as error:
        raise StartRefused(
            f"{database} is of schema {REVISIONS[-1]} now, but the disk did not say that it keeps "
            f"it: {error.strerror or error}. Check the volume of LMX_HOME, then start again."
        ) from error
    return done


def _backed_up(
    home: Path, found: str, *, step: Step, make_backup: Callable[[Path], str]
) -> Upgraded:
    """Make the backup, unless a start that failed made one of this very database."""
    status = (home / "lmx.db").stat()
    left = journal.remembered(home)
    if (
        left is not None
        and (left.before, left.after) == (found, REVISIONS[-1])
        and (left.size, left.mtime_ns) == (status.st_size, status.st_mtime_ns)
        and (home / "backups" / left.backup / "manifest.json").is_file()
    ):
        return left
    step("backup")
    name = make_backup(home)
    made = Upgraded(found, REVISIONS[-1], name, status.st_size, status.st_mtime_ns)
    step("remember")
    journal.remember(home, made)
    return made


def _backup(home: Path) -> str:
    """Make one; a start that was killed may have made one a moment ago, which has the name."""
    now_us = time.time_ns() // 1000
    while any((home / "backups").glob(f"lmx-{moment(now_us)}-*")):
        now_us += 1_000_000
    return create(home, now_us=now_us).name


def _signed(home: Path) -> Head | None:
    """What the signer remembers; there was none before schema 0003."""
    memory = home / "ledger" / "signer"
    return read_memory(memory) if memory.exists() else None


def _remove_copy(database: Path) -> str:
    """Remove the copy; a sentence where that fails too: the next start does it."""
    try:
        files.remove_copy(database)
    except OSError as error:
        return str(error)
    return ""


def _refused(database: Path, found: str, backup: str, error: Exception) -> StartRefused:
    why = error.message if isinstance(error, StartRefused | BackupRefused) else _reason(error)
    kept = f" A backup was made before: lmx backup verify {database.parent / 'backups' / backup}"
    return StartRefused(
        f"{database} could not be brought from schema {found} to {REVISIONS[-1]}: "
        f"{why.rstrip('.')}. Nothing was changed, and the release that wrote it still opens it. "
        f"Remedy that and start again.{kept if backup else ''}",
        details={"before": found, "after": REVISIONS[-1], "backup": backup or None},
    )


def _reason(error: Exception) -> str:
    lines = str(getattr(error, "orig", None) or error).splitlines()
    text = lines[0] if lines else type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if "full" in text:
        return f"{text}. Free some disk space"
    return text
