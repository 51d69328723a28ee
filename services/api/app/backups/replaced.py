"""What a restore takes away: the state that is there now, compared with the one in a backup.

The ledger of the backup does not say what happened after it. What must not come back with it is
found here: keys that were revoked since, names that were erased since. So is what an earlier
restore took away: in the states it kept, and in its mark where no start has recorded it yet.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app import files
from app.backups.contents import DATABASE, MEMORY
from app.backups.mark import unrecorded
from app.backups.snapshot import looking
from app.evidence.verification.memory import MemoryInvalid, read_memory
from app.evidence.verification.opening import NotReadable, address, reading

_KEYS: Final = "SELECT id FROM access_key"
_REVOKED: Final = "SELECT id FROM access_key WHERE revoked_us IS NOT NULL"
_NAMED: Final = "SELECT person FROM person_name"
_PEOPLE: Final = "SELECT id FROM person"
_WAITING: Final = (
    "SELECT COUNT(*) FROM ask WHERE state IN"
    " ('pending', 'approved', 'revision_required', 'claimed')"
)
_BYTES: Final = "SELECT DISTINCT model_id, sha256 FROM artifact ORDER BY model_id"


@dataclass(frozen=True, slots=True)
class Losses:
    """What restoring would take away. `size` is None where there is no state to replace.

    `revoked`: keys of the backup that were revoked since. `erased`: persons of it whose names were
    erased since. `missing`: its models whose bytes are not all in store/. `unread`: why the present
    database, or one that was replaced before, could not be compared. `origin`: the present log's
    name, where known.
    """

    size: int | None
    root: str
    revoked: tuple[str, ...]
    erased: tuple[str, ...]
    asks: int
    missing: tuple[str, ...]
    unread: str = ""
    origin: str = ""


def losses(home: Path, backup: Path) -> Losses:
    """Compare `home`, which no server uses, with a backup that was verified."""
    size, root, origin = _signed(home)
    revoked: frozenset[str] = frozenset()
    erased: frozenset[str] = frozenset()
    unread = ""
    if files.present(home / DATABASE):
        try:
            with reading(address(home / DATABASE)) as now:
                if size is None:
                    size = _count(now, "SELECT MAX(seq) FROM ledger_event")
                revoked, erased = _ended(now)
        except (sqlite3.Error, NotReadable) as error:
            unread = str(error)
    for kept in sorted(home.glob("replaced/*/lmx.db")):
        try:
            with reading(address(kept)) as then:
                keys, names = _ended(then)
            revoked, erased = revoked | keys, erased | names
        except (sqlite3.Error, NotReadable) as error:
            unread = unread or f"{kept.relative_to(home)}: {error}"
    if (before := unrecorded(home)) is not None:
        revoked |= set(before.revoked)
        if (before.replaced_size or 0) > (size or 0):
            size, root = before.replaced_size, before.replaced_root
    with looking(backup / DATABASE) as old:
        asks, missing = _count(old, _WAITING), _missing(old, home)
        active = _column(old, _KEYS) - _column(old, _REVOKED)
        named = _column(old, _NAMED)
    return Losses(
        size=size,
        root=root,
        revoked=tuple(sorted(revoked & active)),
        erased=tuple(sorted(erased & named)),
        asks=asks,
        missing=missing,
        unread=unread,
        origin=origin,
    )


def forget(database: Path, persons: tuple[str, ...]) -> None:
    """Erase names from a copy that is about to become the state. Raises sqlite3.Error."""
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("PRAGMA secure_delete = ON").fetchall()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        rows = ((person,) for person in persons)
        connection.executemany("DELETE FROM person_name WHERE person = ?", rows)
        connection.execute("COMMIT")


def _signed(home: Path) -> tuple[int | None, str, str]:
    try:
        head = read_memory(home / MEMORY)
    except (OSError, MemoryInvalid):
        return None, "", ""
    return head.size, head.root.hex(), head.origin


def _ended(connection: sqlite3.Connection) -> tuple[frozenset[str], frozenset[str]]:
    """Keys that were revoked, and persons whose names were erased."""
    return _column(connection, _REVOKED), _column(connection, _PEOPLE) - _column(connection, _NAMED)


def _column(connection: sqlite3.Connection, query: str) -> frozenset[str]:
    """Empty where there is no such table yet: a backup may be of an older release."""
    try:
        return frozenset(str(value) for (value,) in connection.execute(query))
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return frozenset()
        raise


def _count(connection: sqlite3.Connection, query: str) -> int:
    try:
        return int(connection.execute(query).fetchone()[0] or 0)
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return 0
        raise


def _missing(connection: sqlite3.Connection, home: Path) -> tuple[str, ...]:
    try:
        rows = connection.execute(_BYTES).fetchall()
    except sqlite3.OperationalError:
        return ()
    blobs = home / "store/blobs/sha256"
    found = (model for model, sha256 in rows if not _is_there(blobs, str(sha256)))
    return tuple(dict.fromkeys(found))


def _is_there(blobs: Path, sha256: str) -> bool:
    return (blobs / sha256[:2] / sha256).is_file()
