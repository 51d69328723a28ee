"""Somebody who puts other things in the place of files, at any one step of whoever removes them."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

CONTENT = b"not ours"
_STEPS = ("stat", "open", "rename", "unlink", "link", "fstat", "rmdir", "mkdir")


@dataclass(frozen=True)
class Outside:
    """A directory that has nothing to do with the store, and what must still be in it."""

    directory: Path

    @property
    def file(self) -> Path:
        return self.directory / "precious"

    def is_unharmed(self) -> bool:
        return list(self.directory.iterdir()) == [self.file] and self.file.read_bytes() == CONTENT


def outside_at(directory: Path) -> Outside:
    directory.mkdir()
    made = Outside(directory)
    made.file.write_bytes(CONTENT)
    return made


def _away(path: Path) -> None:
    path.parent.chmod(0o700)
    if path.is_dir() and not path.is_symlink():
        path.chmod(0o700)
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def by_symlink(path: Path, outside: Outside) -> None:
    target = outside.directory if path.is_dir() else outside.file
    _away(path)
    path.symlink_to(target)


def by_hardlink(path: Path, outside: Outside) -> None:
    _away(path)
    os.link(outside.file, path)


def by_fifo(path: Path, outside: Outside) -> None:
    del outside
    _away(path)
    os.mkfifo(path)


def by_directory(path: Path, outside: Outside) -> None:
    del outside
    _away(path)
    path.mkdir()


KINDS: dict[str, Callable[[Path, Outside], None]] = {
    "symlink": by_symlink,
    "hardlink": by_hardlink,
    "fifo": by_fifo,
    "directory": by_directory,
}


@contextmanager
def at_step(number: int, act: Callable[[], object]) -> Iterator[list[int]]:
    """Run `act` just before the system call with this number; yields how many there were."""
    count = [0]
    busy = [False]

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def step(*arguments: Any, **named: Any) -> Any:
            if not busy[0]:
                if count[0] == number:
                    busy[0] = True
                    act()
                    busy[0] = False
                count[0] += 1
            return real(*arguments, **named)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for name in _STEPS:
            patch.setattr(os, name, wrapped(getattr(os, name)))
        yield count
