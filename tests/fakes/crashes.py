"""A process that ends at any one step of what it writes to the disk; files stay as they are."""

import fcntl
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest


class Crash(BaseException):
    """Not an Exception: no handler of the program may take it for one of its failures."""


_STEPS = (
    (os, "pwrite"),
    (os, "write"),
    (os, "fdatasync"),
    (os, "fsync"),
    (fcntl, "fcntl"),  # F_FULLFSYNC on macOS
    (os, "mkdir"),
    (os, "posix_fallocate"),
    (os, "truncate"),
    (os, "ftruncate"),
    (Path, "replace"),
    (Path, "unlink"),
)
_TORN = {"pwrite", "write"}
_STATEMENTS = ("BEGIN", "INSERT", "COMMIT")
"""What SQLite does inside a statement is its own: a statement is done, or it is not."""


def crash_points(
    where: Path, prepare: Callable[[Path], Callable[[], object]], *, every: int = 1
) -> Iterator[Path]:
    """Yield a directory for every step before and after which the act ended, and for its end.

    `prepare(directory)` returns the act; a write through pwrite or write is also torn in the
    middle. A statement to a database counts where the act itself opens the database. `every`: a
    sample instead, one step in so many.
    """
    for kind in ("before", "torn", "after"):
        step = 0
        while True:
            directory = where / f"{kind}-{step}"
            act = prepare(directory)
            ended = _ended(act, step, kind)
            assert ended or step > 0 or kind == "torn"
            yield directory
            if not ended:
                break
            step += every


def _ended(act: Callable[[], object], at: int, kind: str) -> bool:
    count = 0

    def counting(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count - 1 != at:
                return real(*arguments, **named)
            if kind == "torn":
                descriptor, data, *offset = arguments
                real(descriptor, data[: len(data) // 3], *offset)
            elif kind == "after":
                with suppress(Exception):  # what the step failed with is nobody's any more
                    real(*arguments, **named)
            raise Crash

        return step

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in _STEPS:
            if hasattr(owner, name) and (kind != "torn" or name in _TORN):
                patch.setattr(owner, name, counting(getattr(owner, name), name))
        if kind != "torn":
            patch.setattr(sqlite3.dbapi2, "connect", _counted(counting))
        try:
            act()
        except Crash:
            return True
    return False


def _counted(
    counting: Callable[[Callable[..., Any], str], Callable[..., Any]],
) -> Callable[..., sqlite3.Connection]:
    """`sqlite3.connect`, whose connections count what they write as steps."""

    def run(real: Callable[..., Any], sql: str, *arguments: Any) -> Any:
        step = counting(real, "statement") if sql.lstrip().startswith(_STATEMENTS) else real
        return step(sql, *arguments)

    class Cursor(sqlite3.Cursor):
        def execute(self, sql: str, *arguments: Any) -> Any:
            return run(super().execute, sql, *arguments)

        def executemany(self, sql: str, *arguments: Any) -> Any:
            return run(super().executemany, sql, *arguments)

    class Connection(sqlite3.Connection):
        def cursor(self, *_: Any) -> Any:
            return super().cursor(Cursor)

        def execute(self, sql: str, *arguments: Any) -> Any:
            return run(super().execute, sql, *arguments)

        def executemany(self, sql: str, *arguments: Any) -> Any:
            return run(super().executemany, sql, *arguments)

        def commit(self) -> None:
            counting(super().commit, "commit")()

    real_connect = sqlite3.connect

    def connect(*arguments: Any, **named: Any) -> sqlite3.Connection:
        return real_connect(*arguments, **{**named, "factory": Connection})

    return connect
