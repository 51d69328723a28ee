"""The only place that walks and opens a directory that somebody else owns.

Every step is relative to an open directory and follows no link, so nothing outside can be reached,
even when the directory is changed meanwhile.
"""

import os
import stat
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

from app.domain.refusals import IntakeRefused

MAX_FILES = 4096
MAX_DEPTH = 4
MAX_FILE_BYTES = 1 << 40
# Left by tools that fetch or show files; never part of a model, so not even entered.
SKIPPED = (".git", ".cache", ".huggingface", ".DS_Store", "__MACOSX")

FLAGS: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file and what identified it when it was found."""

    path: str
    size: int
    mtime_ns: int


Look = Callable[[str, int, str], os.stat_result]
"""How a walk looks at a name in an open folder; the last argument is its path in the tree."""


class Tree:
    """An open directory of model files."""

    def __init__(self, root_fd: int, directory: Path) -> None:
        self._root_fd = root_fd
        self.directory = directory

    @property
    def descriptor(self) -> int:
        """Of the directory, while it is open."""
        return self._root_fd

    def files(self) -> list[Found]:
        """Every regular file, sorted by path. Raises IntakeRefused for anything that is neither."""
        found: list[Found] = []
        _walk(self._root_fd, "", found, self._look)
        _refuse_lookalikes(found)
        return sorted(found, key=lambda f: f.path)

    def names(self) -> set[str]:
        """Whatever lies directly in the directory."""
        return set(os.listdir(self._root_fd))  # noqa: PTH208 - relative to the descriptor

    @contextmanager
    def open(self, path: str) -> Iterator[int]:
        """A descriptor of the regular file at `path`, opened part by part."""
        *folders, name = path.split("/")
        held: list[int] = []
        try:
            for folder in folders:
                held.append(
                    _open(folder, held[-1] if held else self._root_fd, path, os.O_DIRECTORY)
                )
            descriptor = self._open_file(name, held[-1] if held else self._root_fd, path)
            held.append(descriptor)
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                refuse(path, "is not a regular file")
            yield descriptor
        finally:
            for descriptor in held:
                os.close(descriptor)

    def _look(self, name: str, folder_fd: int, path: str) -> os.stat_result:  # noqa: ARG002
        """What lies at `path`, by its last part in an open folder: itself, not what it leads to."""
        return os.stat(name, dir_fd=folder_fd, follow_symlinks=False)

    def _open_file(self, name: str, folder_fd: int, path: str) -> int:
        return _open(name, folder_fd, path)

    def read(self, path: str, *, limit: int) -> bytes:
        """The whole of a small file. Raises IntakeRefused beyond `limit` bytes."""
        with self.open(path) as descriptor:
            size = os.fstat(descriptor).st_size
            if size > limit:
                refuse(path, f"is {size} bytes long; at most {limit} are read")
            return read_exactly(descriptor, limit + 1, 0)


@contextmanager
def opened(directory: Path) -> Iterator[Tree]:
    """The directory as a `Tree`. Its own name may not be a link either."""
    try:
        descriptor = os.open(directory, FLAGS | os.O_DIRECTORY)
    except FileNotFoundError:
        refuse(str(directory), "does not exist; give the directory that holds the model's files")
    except OSError as error:
        if directory.is_symlink():
            refuse(str(directory), "is a link; give the directory that it leads to")
        refuse(str(directory), f"cannot be opened as a directory ({error.strerror})")
    except ValueError:  # a NUL in it
        refuse(ascii(str(directory)), "cannot be the name of a directory")
    try:
        yield Tree(descriptor, directory)
    finally:
        os.close(descriptor)


@contextmanager
def opened_files(directory: Path, belongs: Callable[[str], bool]) -> Iterator[Tree]:
    """The directory as if it held only the files directly in it whose names belong."""
    with opened(directory) as tree:
        yield _Chosen(tree, belongs)


class _Chosen(Tree):
    def __init__(self, tree: Tree, belongs: Callable[[str], bool]) -> None:
        super().__init__(tree.descriptor, tree.directory)
        self._belongs = belongs

    def names(self) -> set[str]:
        return {name for name in super().names() if self._belongs(name)}

    def files(self) -> list[Found]:
        found = []
        for name in sorted(self.names()):
            _check_name(name, name)
            status = self._look(name, self.descriptor, name)
            _check_regular(status, name)
            found.append(Found(name, status.st_size, status.st_mtime_ns))
            if len(found) > MAX_FILES:
                refuse(str(self.directory), f"holds more than {MAX_FILES} files")
        return found


def read_exactly(descriptor: int, count: int, offset: int) -> bytes:
    """Up to `count` bytes from `offset`: less only where the file ends."""
    parts = []
    while count > 0 and (part := os.pread(descriptor, count, offset)):
        parts.append(part)
        count, offset = count - len(part), offset + len(part)
    return b"".join(parts)


def _walk(folder_fd: int, prefix: str, found: list[Found], look: Look) -> None:
    if prefix.count("/") > MAX_DEPTH:
        refuse(prefix, f"is more than {MAX_DEPTH} directories deep")
    for name in sorted(os.listdir(folder_fd)):
        if name in SKIPPED:
            continue
        path = prefix + name
        _check_name(name, path)
        status = look(name, folder_fd, path)
        if stat.S_ISDIR(status.st_mode):
            _walk_into(name, folder_fd, path, found, look)
            continue
        _check_regular(status, path)
        found.append(Found(path, status.st_size, status.st_mtime_ns))
        if len(found) > MAX_FILES:
            refuse(prefix or "the directory", f"holds more than {MAX_FILES} files")


def _walk_into(name: str, folder_fd: int, path: str, found: list[Found], look: Look) -> None:
    descriptor = _open(name, folder_fd, path, os.O_DIRECTORY)
    try:
        _walk(descriptor, path + "/", found, look)
    finally:
        os.close(descriptor)


def _open(name: str, folder_fd: int, path: str, more: int = 0) -> int:
    try:
        return os.open(name, FLAGS | more, dir_fd=folder_fd)
    except OSError as error:
        refuse(path, f"cannot be opened ({error.strerror}); it must be a file you may read")


def _check_name(name: str, path: str) -> None:
    if not name.isprintable() or any(0xD800 <= ord(c) <= 0xDFFF for c in name) or "\\" in name:
        refuse(ascii(path), "has a name that cannot be shown safely; rename it")
    if len(name.encode("utf-8")) > 200:
        refuse(path[:80], "has a name that is too long; rename it")


def _check_regular(status: os.stat_result, path: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        refuse(path, "is a link; copy the file it leads to into the directory instead")
    if not stat.S_ISREG(status.st_mode):
        refuse(path, "is no regular file but a pipe, a socket or a device; remove it")
    if status.st_size > MAX_FILE_BYTES:
        refuse(path, f"claims {status.st_size} bytes; files of more than 1 TiB are not taken")


def _refuse_lookalikes(found: list[Found]) -> None:
    """Two names that some file system would take for one cannot both be stored."""
    seen: dict[str, str] = {}
    for file in found:
        folded = unicodedata.normalize("NFC", file.path).casefold()
        if folded in seen:
            refuse(file.path, f"has the same name as {seen[folded]} but for case or accents")
        seen[folded] = file.path


def refuse(path: str, why: str) -> NoReturn:
    raise IntakeRefused(f"{path} {why}.", details={"path": path})
