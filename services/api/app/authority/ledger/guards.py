"""The only place that knows what the database's own guards look like, and looks.

Each object that keeps the ledger and the keys append-only is compared with the SHA-256 of the SQL
that made it; one that is missing, altered or added is named.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, Engine, text

from app.authority.ledger.guarded_schema import EXPECTED

_OBJECTS: Final = text(
    "SELECT name, sql FROM sqlite_master WHERE tbl_name = :table AND sql IS NOT NULL"
)


def broken_guards(connection: Connection, tables: Iterable[str] = tuple(EXPECTED)) -> list[str]:
    """Return a sentence for every guard that is not what the migrations made; empty is good."""
    return [line for table in tables for line in _compare(table, _found(connection, table))]


def _compare(table: str, found: Mapping[str, str]) -> list[str]:
    expected = EXPECTED[table]
    missing = [f"{name} is missing" for name in sorted(expected.keys() - found.keys())]
    added = [f"{name} was added" for name in sorted(found.keys() - expected.keys())]
    altered = [
        f"{name} was altered"
        for name in sorted(expected.keys() & found.keys())
        if found[name] != expected[name]
    ]
    return missing + altered + added


def _found(connection: Connection, table: str) -> dict[str, str]:
    rows = connection.execute(_OBJECTS, {"table": table})
    return {name: hashlib.sha256(sql.encode()).hexdigest() for name, sql in rows}


def file_identity(engine: Engine) -> tuple[int, int] | None:
    """Return device and inode of the database's file, None where it is gone.

    A deleted or swapped file stays writable through the connections that have it open, and what is
    written to it is lost: the ledger compares this at every append.
    """
    try:
        found = Path(engine.url.database or "").stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
