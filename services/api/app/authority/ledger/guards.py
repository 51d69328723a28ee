"""The only place that looks at the guards of the database that the server writes to.

Each object that keeps the ledger and the keys append-only is compared with what the migrations made
(`app.evidence.guarded_schema`); one that is missing, altered or added is named.
"""

import os
from collections.abc import Iterable

from sqlalchemy import Connection, Engine

from app.evidence.guarded_schema import EXPECTED, OBJECTS_SQL, differences


def broken_guards(connection: Connection, tables: Iterable[str] = tuple(EXPECTED)) -> list[str]:
    """Return a sentence for every guard that is not what the migrations made; empty is good."""
    return [line for table in tables for line in differences(table, _found(connection, table))]


def _found(connection: Connection, table: str) -> dict[str, str]:
    rows = connection.exec_driver_sql(OBJECTS_SQL, (table,))
    return {str(name): str(sql) for name, sql in rows}


def file_identity(engine: Engine) -> tuple[int, int] | None:
    """Return device and inode of the database's file, None where it is gone.

    A deleted or swapped file stays writable through the connections that have it open, and what is
    written to it is lost: the ledger compares this at every append.
    """
    try:
        found = os.stat(engine.url.database or "")  # noqa: PTH116 - half the time, every append
    except OSError:
        return None
    return found.st_dev, found.st_ino
