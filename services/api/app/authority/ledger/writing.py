"""The only place that begins a write transaction: one writer at a time, queued fairly.

SQLite allows one writer and makes others poll; within this process they wait on a lock instead.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
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


def _lock_of(engine: Engine) -> threading.Lock:
    with _making:
        return _locks.setdefault(engine.pool, threading.Lock())
