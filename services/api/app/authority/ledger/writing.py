"""The only place that begins a write transaction: one writer at a time, queued fairly.

SQLite allows one writer and makes others poll; within this process they wait on a lock instead.
What follows a commit and must keep its order (signing, sinks) is done before the lock is let go.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import cast
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Engine
from sqlalchemy.pool import Pool

from app.authority.ledger.failures import audit_unavailable

DriverConnection = sqlite3.Connection
"""What `driver` returns, for those who need not know whose it is."""

_locks: "WeakKeyDictionary[Pool, threading.Lock]" = WeakKeyDictionary()
_making = threading.Lock()


@contextmanager
def one_writer(engine: Engine) -> Iterator[None]:
    """Hold the right to write. Not reentrant: a holder that asks again would wait for itself."""
    with _making:
        lock = _locks.setdefault(engine.pool, threading.Lock())
    with lock:
        yield


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """Hold the database's write lock for one transaction: commit at the end, or roll back."""
    with one_writer(engine), transaction(engine) as connection:
        yield connection


@contextmanager
def transaction(engine: Engine) -> Iterator[Connection]:
    """One transaction of whoever is the writer."""
    immediate = engine.execution_options(sqlite_begin="IMMEDIATE")
    with immediate.begin() as connection:
        yield connection


@contextmanager
def transaction_directly(engine: Engine) -> Iterator[sqlite3.Connection]:
    """As `transaction`, on the driver's connection: a fifth of the time, for the ledger's rows."""
    with reading_directly(engine) as connection:
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


@contextmanager
def asking_directly(engine: Engine) -> Iterator[sqlite3.Connection]:
    """As `reading_directly`, for those who answer callers: a failure is AuditUnavailable."""
    try:
        with reading_directly(engine) as connection:
            yield connection
    except sqlite3.Error as error:
        raise audit_unavailable(error) from error


def emptied_log(engine: Engine) -> bool:
    """Bring everything into the database's own file and empty the write-ahead log beside it.

    False where somebody is reading or the database refuses; nothing is lost then either.
    """
    try:
        with one_writer(engine), reading_directly(engine) as connection:
            busy: int = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error:
        return False
    return not busy


def kept_connection(engine: Engine) -> sqlite3.Connection:
    """A connection outside the pool, for as long as its owner keeps it; the owner closes it."""
    pooled = engine.raw_connection()
    connection = cast(sqlite3.Connection, pooled.dbapi_connection)
    pooled.detach()
    return connection


def driver(connection: Connection) -> sqlite3.Connection:
    """The driver's connection under SQLAlchemy's, in the same transaction."""
    return cast(sqlite3.Connection, connection.connection.dbapi_connection)
