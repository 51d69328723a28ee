"""A migrated database for a test, copied from one that was migrated once per process."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from sqlalchemy import Engine, event
from sqlalchemy.pool import Pool

from app.database import migrate, open_engine


def fresh_database(directory: Path) -> Path:
    path = directory / "lmx.db"
    path.write_bytes(_template())
    path.chmod(0o600)
    return path


def weakened_engine(path: Path, *pragmas: str) -> Engine:
    """An engine whose connections also run `pragmas`, which the authorizer would refuse."""
    engine = open_engine(path)

    @event.listens_for(engine, "connect")
    def weaken(connection: object, _record: object) -> None:
        connection.set_authorizer(None)  # type: ignore[attr-defined]
        for pragma in pragmas:
            connection.execute(pragma).fetchall()  # type: ignore[attr-defined]

    return engine


_opened: list[sqlite3.Connection] = []


@contextmanager
def connections_closed() -> Iterator[None]:
    """Close every connection that was opened meanwhile: Python 3.13 warns of one left open."""

    def note(connection: sqlite3.Connection, _record: object) -> None:
        _opened.append(connection)

    event.listen(Pool, "connect", note)
    try:
        yield
    finally:
        event.remove(Pool, "connect", note)
        while _opened:
            _opened.pop().close()


def foreign_connection(path: Path, *, timeout: float = 5.0) -> sqlite3.Connection:
    """Another program's connection: no authorizer, SQLite's own defaults."""
    connection = sqlite3.connect(path, isolation_level=None, timeout=timeout)
    _opened.append(connection)
    return connection


@cache
def _template() -> bytes:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "lmx.db"
        migrate(path)
        return path.read_bytes()
