"""A process that ends at any one step of what it writes to the disk; files stay as they are."""

import fcntl
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest


class Crash(BaseException):
    """Not an Exception: no handler of the program may take it for one of its failures."""


_STEPS = (
    (os, "pwrite"),
    (os, "fdatasync"),
    (os, "fsync"),
    (fcntl, "fcntl"),  # F_FULLFSYNC on macOS
    (os, "mkdir"),
    (Path, "replace"),
    (Path, "unlink"),
)


def crash_points(where: Path, prepare: Callable[[Path], Callable[[], object]]) -> Iterator[Path]:
    """Yield a directory for every step before and after which the act ended, and for its end.

    `prepare(directory)` returns the act; a write through pwrite is also torn in the middle.
    """
    for kind in ("before", "torn", "after"):
        step = 0
        while True:
            directory = where / f"{kind}-{step}"
            act = prepare(directory)
            if not _ended(act, step, kind):
                assert step > 0
                yield directory
                break
            yield directory
            step += 1


def _ended(act: Callable[[], object], at: int, kind: str) -> bool:
    count = 0

    def counting(real: Callable[..., Any], name: str) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            nonlocal count
            count += 1
            if count - 1 != at:
                return real(*arguments, **named)
            if kind == "torn" and name == "pwrite":
                descriptor, data, offset = arguments
                real(descriptor, data[: len(data) // 3], offset)
            elif kind == "after":
                real(*arguments, **named)
            raise Crash

        return step

    with pytest.MonkeyPatch.context() as patch:
        for owner, name in _STEPS:
            if hasattr(owner, name):
                patch.setattr(owner, name, counting(getattr(owner, name), name))
        try:
            act()
        except Crash:
            return True
    return False
