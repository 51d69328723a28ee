"""The only place that moves or removes files of the store once they are there, and of the trash.

Every step is relative to an open directory and follows no link, and every name is one part of a
path. A file is touched only when it is the one that was meant: a regular file with the expected
inode and size, on the volume of its directory. What was swapped in under the remover is therefore
named (`Foreign`), never followed; a file outside keeps its own name whatever happens here.

Hard links are the rule in the store (a view's file is a blob), so their number is not checked: to
take one name away frees nothing while another one leads to the same file.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

BLOCK_BYTES: Final = 512
"""What st_blocks counts in, on every system."""

_FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Foreign(Exception):
    """Something is not what was meant. The message says what it is instead; nothing was done."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Which file was meant. Device numbers change with a restart, so its directory says that."""

    ino: int
    size: int


def plain(name: str) -> str:
    """`name` when it is one part of a path that stays where it is; raises Foreign."""
    if name in ("", ".", "..") or "/" in name or "\0" in name:
        raise Foreign("has a name that leads elsewhere")
    return name


@contextmanager
def opened(directory: Path) -> Iterator[int]:
    """A descriptor of a directory that is no link. Raises OSError."""
    descriptor = os.open(directory, _FLAGS | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def inside(folder: int, *names: str, make: bool = False) -> Iterator[int]:
    """A descriptor of a directory below `folder`, opened name by name; `make`: where it lacks.

    Raises Foreign where a name is taken by something else, FileNotFoundError where it is not there.
    """
    held: list[int] = []
    try:
        for name in names:
            above = held[-1] if held else folder
            if make and look(above, name) is None:
                os.mkdir(plain(name), 0o700, dir_fd=above)
                os.fsync(above)
            held.append(_directory(above, name))
        yield held[-1] if held else folder
    finally:
        for descriptor in reversed(held):
            os.close(descriptor)


def look(folder: int, name: str) -> os.stat_result | None:
    """What has this name, itself and not what it leads to; None when nothing has it."""
    try:
        return os.stat(plain(name), dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def names(folder: int) -> list[str]:
    return sorted(os.listdir(folder))


def identity(folder: int, status: os.stat_result) -> Identity:
    """Raises Foreign for what is no regular file, or lies on another volume."""
    if not stat.S_ISREG(status.st_mode):
        raise Foreign(f"is {_kind(status.st_mode)}, not a file")
    if status.st_dev != os.fstat(folder).st_dev:
        raise Foreign("lies on another volume")
    return Identity(status.st_ino, status.st_size)


@contextmanager
def file(folder: int, name: str, expected: Identity | None = None) -> Iterator[int]:
    """The open file of that name, when it is the expected one. Raises Foreign, OSError."""
    status = look(folder, name)
    if status is None:
        raise Foreign("is not there")
    identity(folder, status)  # a pipe or a device is not even opened
    descriptor = os.open(name, _FLAGS, dir_fd=folder)
    try:
        _same(identity(folder, os.fstat(descriptor)), expected)
        yield descriptor
    finally:
        os.close(descriptor)


def going(folder: int, name: str, expected: Identity) -> os.stat_result | None:
    """What has this name, or the one under which `remove` was interrupted; None when nothing."""
    found = look(folder, name)
    return look(folder, _parting(expected)) if found is None else found


def remove(folder: int, name: str, expected: Identity) -> int:
    """Take one name away; returns the bytes that are free now, 0 while another name leads to them.

    The file gets a name of its own first and is looked at once more, so that what was swapped in
    at the last moment is put back instead. What is measured is the file that was open when its
    last name went. Goes on where an earlier call was interrupted.
    """
    parting = _parting(expected)
    if look(folder, parting) is None:
        move(folder, name, folder, parting, expected)
    with file(folder, parting, expected) as descriptor:
        before = os.fstat(descriptor)
        os.unlink(parting, dir_fd=folder)
        after = os.fstat(descriptor)
    if after.st_nlink >= before.st_nlink:
        raise Foreign("was replaced while it was removed")
    return 0 if after.st_nlink else before.st_blocks * BLOCK_BYTES


def _parting(expected: Identity) -> str:
    return f".{expected.ino}.going"


def discard(folder: int, name: str) -> None:
    """Take away a note of our own, where it is there: a file, whichever."""
    status = look(folder, name)
    if status is not None:
        identity(folder, status)
        os.unlink(name, dir_fd=folder)


def remove_link(folder: int, name: str, expected: Identity) -> int:
    """Take a symbolic link away, not what it leads to; frees nothing that counts."""
    status = _there(folder, name)
    if not stat.S_ISLNK(status.st_mode) or status.st_ino != expected.ino:
        raise Foreign("is not the link that was meant")
    os.unlink(name, dir_fd=folder)
    return 0


def move(source: int, name: str, target: int, new: str, expected: Identity) -> None:
    """Rename one file. What turns out to be another file is put back. Raises Foreign, OSError."""
    _same(identity(source, _there(source, name)), expected)
    _rename(source, name, target, new)
    try:
        _same(identity(target, _there(target, new)), expected)
    except Foreign:
        os.rename(new, name, src_dir_fd=target, dst_dir_fd=source)
        raise


def move_folder(source: int, name: str, target: int, new: str) -> None:
    """Rename a directory, which is opened for writing by its owner first. As `move`."""
    with inside(source, name) as descriptor:
        os.fchmod(descriptor, 0o700)  # a directory that changes its parent must be writable
        meant = os.fstat(descriptor)
        _rename(source, name, target, new)
        moved = _there(target, new)
        if (moved.st_dev, moved.st_ino) != (meant.st_dev, meant.st_ino):
            os.rename(new, name, src_dir_fd=target, dst_dir_fd=source)
            raise Foreign("was replaced while it was moved")


def link(source: int, name: str, target: int, new: str, expected: Identity) -> None:
    """Give a file a further name. Raises Foreign, OSError."""
    _same(identity(source, _there(source, name)), expected)
    _free(target, new)
    os.link(name, new, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
    try:
        _same(identity(target, _there(target, new)), expected)
    except Foreign:
        os.unlink(new, dir_fd=target)
        raise


def remove_folder(folder: int, name: str) -> None:
    """Take an empty directory away; raises OSError for one that is not empty, or no directory."""
    os.rmdir(plain(name), dir_fd=folder)


def write(folder: int, name: str, content: bytes) -> None:
    """Put a small file there, durably and in one step.

    What has the name it is written under is a rest of an interrupted attempt, or somebody else's
    name for a file of theirs: the name goes, and nothing is written into it.
    """
    made = f"{plain(name)}.new"
    with suppress(FileNotFoundError):
        os.unlink(made, dir_fd=folder)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(made, flags, 0o600, dir_fd=folder)
    try:
        rest = content
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(made, name, src_dir_fd=folder, dst_dir_fd=folder)
    os.fsync(folder)


def read(folder: int, name: str, *, limit: int) -> bytes:
    """A small file's bytes. Raises Foreign, OSError."""
    with file(folder, name) as descriptor:
        if os.fstat(descriptor).st_size > limit:
            raise Foreign(f"is larger than {limit} bytes")
        return b"".join(iter(lambda: os.read(descriptor, 1 << 20), b""))


def said(error: Exception) -> str:
    """Why a step failed, in words that name no path."""
    if isinstance(error, OSError):
        return f"could not be changed ({error.strerror or type(error).__name__})"
    return str(error)


def _rename(source: int, name: str, target: int, new: str) -> None:
    _free(target, new)
    os.rename(plain(name), plain(new), src_dir_fd=source, dst_dir_fd=target)


def _free(folder: int, name: str) -> None:
    if look(folder, name) is not None:
        raise Foreign(f"cannot have the name {name}, which is taken")


def _there(folder: int, name: str) -> os.stat_result:
    status = look(folder, name)
    if status is None:
        raise Foreign("is not there")
    return status


def _same(found: Identity, expected: Identity | None) -> None:
    if expected is not None and found != expected:
        raise Foreign("is another file than the one that was meant")


def _directory(folder: int, name: str) -> int:
    status = look(folder, name)
    if status is None:
        raise FileNotFoundError(2, "No such file or directory", name)
    if not stat.S_ISDIR(status.st_mode):
        raise Foreign(f"is {_kind(status.st_mode)}, not a directory")
    return os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=folder)


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a directory"), (stat.S_ISFIFO, "a pipe"))
    return next((name for check, name in kinds if check(mode)), "a device, a socket or a file")
