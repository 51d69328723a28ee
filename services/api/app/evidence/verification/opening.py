"""The only place that opens a database for verifying: for reading, and leaving no trace.

A database that a server has open has a write-ahead log beside it and is read through that. A copy
without one is read as it is, so that SQLite makes no files next to somebody's evidence.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from app.evidence.guarded_schema import EXPECTED, OBJECTS_SQL, differences

_PRAGMAS: Final = (
    "PRAGMA query_only = ON",
    "PRAGMA trusted_schema = OFF",
    "PRAGMA cell_size_check = ON",
    "PRAGMA busy_timeout = 5000",
    "PRAGMA cache_size = -8000",
)
_LEDGER: Final = tuple(table for table in EXPECTED if table.startswith("ledger_"))


class NotReadable(Exception):
    """There is no database there that could be read; the message says why."""


def address(path: Path) -> str:
    """Return what SQLite opens; decided once, so that every process reads the same thing."""
    if not path.is_file():
        raise NotReadable(f"{path} is not a file.")
    journal = path.with_name(path.name + "-wal")
    mode = "mode=ro" if journal.exists() else "mode=ro&immutable=1"
    return f"file:{quote(str(path.absolute()))}?{mode}"


@contextmanager
def reading(uri: str) -> Iterator[sqlite3.Connection]:
    """Lend a connection that is inside one transaction: it sees the database of one moment."""
    connection = sqlite3.connect(uri, uri=True, isolation_level=None)
    try:
        for pragma in _PRAGMAS:
            connection.execute(pragma).fetchall()
        connection.execute("BEGIN")
        yield connection
    finally:
        connection.close()


def missing_tables(connection: sqlite3.Connection) -> list[str]:
    """Return the ledger's tables that are not there at all: another release's, or none of ours."""
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    return sorted(set(_LEDGER) - {name for (name,) in rows})


def broken_guards(connection: sqlite3.Connection) -> list[str]:
    """Return a sentence for every guard that is not the one this release has."""
    return [
        line
        for table in EXPECTED
        for line in differences(table, dict(connection.execute(OBJECTS_SQL, (table,)).fetchall()))
    ]
