"""The only place that begins a write transaction: one writer at a time, queued fairly.

SQLite allows one writer and makes others poll; within this process they wait on a lock instead.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import Pool

_locks: "WeakKeyDictionary[Pool, threading.Lock]" = WeakKeyDictionary()
_making = threading.Lock()


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Hold the database's write lock for one transaction: commit at the end, or roll back."""
    immediate = engine.execution_options(sqlite_begin="IMMEDIATE")
    with _lock_of(engine), immediate.begin() as connection:
        yield connection


@contextmanager
def writing_directly(engine: Engine) -> Iterator[sqlite3.Connection]:
    """As `writing`, on the driver's connection: a fifth of the time, for the ledger's own rows."""
    with _lock_of(engine), reading_directly(engine) as connection:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.rollback()  # does nothing after a commit that succeeded


@contextmanager
def reading_directly(engine: Engine) -> Iterator[sqlite3.Connection]:
    """Lend the driver's connection; each statement sees what is committed."""
    with closing(engine.raw_connection()) as pooled:
        yield cast(sqlite3.Connection, pooled.dbapi_connection)


def _lock_of(engine: Engine) -> threading.Lock:
    with _making:
        return _locks.setdefault(engine.pool, threading.Lock())
