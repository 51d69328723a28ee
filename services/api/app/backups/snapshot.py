"""The only place where backups read a database: a copy of one moment, and questions about copies.

The copy is made by SQLite's own backup, from inside one read transaction: a server that writes
meanwhile is never made to wait, and its later writes are not in the copy. The copy is one file.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from app.backups.contents import Model
from app.evidence.merkle import Frontier
from app.files import sync_file

Progress = Callable[[int, int], None]
"""(done, of) in pages."""

_PAGES: Final = 1024
"""Pages of 4 KiB copied at a time; after each the disk has them and the server its turn."""
_LONGEST_PAUSE_S: Final = 0.2
_LEAVES: Final = "SELECT leaf FROM ledger_event WHERE seq <= ? ORDER BY seq"


@dataclass(frozen=True, slots=True)
class Facts:
    """What a database holds, as far as a manifest says it."""

    schema: str
    events: int
    models: tuple[Model, ...]


def copy_database(source: Path, target: Path, progress: Progress, *, politely: bool) -> None:
    """Copy `source` to `target`, which must not exist. Raises sqlite3.Error, OSError.

    `politely`: a server is at work beside, so half of the time is left to it.
    """
    os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    # Opened for writing so that SQLite tidies up after a server that was killed; it writes nothing.
    uri = f"file:{quote(str(source.absolute()))}?mode=rw"
    reader = sqlite3.connect(uri, uri=True, isolation_level=None)
    writer = sqlite3.connect(target, isolation_level=None)
    try:
        reader.execute("PRAGMA query_only = ON")
        reader.execute("PRAGMA busy_timeout = 5000")
        writer.execute("PRAGMA synchronous = OFF")  # the file is synced here, piece by piece
        writer.execute("PRAGMA cache_size = -4096")
        reader.execute("BEGIN")
        reader.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # from here on: one moment
        began = time.monotonic()

        def step(_status: int, left: int, total: int) -> None:
            nonlocal began
            sync_file(target)
            progress(total - left, total)
            if politely and left:
                time.sleep(min(_LONGEST_PAUSE_S, time.monotonic() - began))
            began = time.monotonic()

        reader.backup(writer, pages=_PAGES, progress=step)
        # One file, which reading leaves as it is; a server turns its own log on again.
        writer.execute("PRAGMA journal_mode = DELETE").fetchall()
    finally:
        writer.close()
        reader.close()
    sync_file(target)


@contextmanager
def looking(copy: Path) -> Iterator[sqlite3.Connection]:
    """Read a database that nobody writes to, leaving no trace beside it."""
    uri = f"file:{quote(str(copy.absolute()))}?mode=ro&immutable=1"
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA trusted_schema = OFF")
        yield connection
    finally:
        connection.close()


def facts_of(connection: sqlite3.Connection) -> Facts:
    """Raises sqlite3.Error where it is no database of ours."""
    schema: str = connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]
    tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    events = connection.execute("SELECT COALESCE(MAX(seq), 0) FROM ledger_event").fetchone()[0]
    models: tuple[Model, ...] = ()
    if "model" in tables:
        rows = connection.execute("SELECT id, digest, size_bytes FROM model ORDER BY id")
        models = tuple(Model(*row) for row in rows)
    return Facts(schema, events, models)


def root_at(connection: sqlite3.Connection, size: int) -> bytes:
    """The root over the first `size` events, from their leaves."""
    leaves = (leaf for (leaf,) in connection.execute(_LEAVES, (size,)))
    return Frontier().append(leaves).root()


def damage_in(connection: sqlite3.Connection, *, thoroughly: bool) -> str | None:
    """What SQLite finds wrong with the file, if anything."""
    check = "integrity_check" if thoroughly else "quick_check"
    try:
        found = connection.execute(f"PRAGMA {check}(1)").fetchone()[0]
    except sqlite3.Error as error:
        return str(error)
    return None if found == "ok" else str(found)
