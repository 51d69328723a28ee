"""What the store holds and nobody needs: broken-off downloads, prompt caches, orphans.

Orphans are views and blobs that no model refers to; an entry of the trash holds its own names, so
it loses nothing with them. Only regular files are ever removed; what else lies there is named.
"""

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Engine

from app.authority.catalog.removal import handles, rows
from app.authority.catalog.removal.handles import Foreign, Identity
from app.authority.catalog.removal.purging import Removed
from app.authority.catalog.store import Catalog
from app.authority.warrants import Warrant, require_warrant
from app.domain.refusals import ModelBusy

ACT: Final = "cache_purge"
KINDS: Final[Mapping[str, tuple[str, ...]]] = {
    "downloads": ("store/incoming", "store/downloads"),
    "caches": ("cache", "store/caches"),
    "orphans": ("store/models", "store/blobs/sha256"),
}
"""Where each kind of leftovers lies, relative to the state directory."""
WAIT_S: Final = 60.0
MAX_DEPTH: Final = 8


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file that can go. `path` is relative to the state directory."""

    path: str
    identity: Identity
    mtime_ns: int
    allocated: int
    links: int


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Every method blocks and may be called from any thread.

    `busy`: directories that a pull works in, relative to the state directory; they are left alone.
    """

    home: Path
    catalog: Catalog
    engine: Engine
    busy: Callable[[], Iterable[str]] = tuple

    def find(self, kinds: Iterable[str]) -> tuple[list[Leftover], list[str]]:
        """What would go, by path, and what lies there and is no file. Raises OSError."""
        found: list[Leftover] = []
        others: list[str] = []
        busy = self._at_work()
        with handles.opened(self.home) as root:
            for folder in (folder for kind in kinds for folder in KINDS[kind]):
                for item in _walk(root, folder):
                    if (
                        f"{item}/".startswith(busy)
                        if isinstance(item, str)
                        else (item.path.startswith(busy))
                    ):
                        continue
                    if isinstance(item, str):
                        others.append(item)
                    else:
                        found.append(item)
        return self._unneeded(found), others

    def purge(self, warrant: Warrant) -> Removed:
        """Remove what the plan names, where it is still what it was. Safe to call again."""
        require_warrant(warrant, ACT)
        removed = Removed()
        if not self.catalog.placing.acquire(timeout=WAIT_S):
            raise ModelBusy("An import or a pull is at work. Try again when it is done.")
        try:
            with handles.opened(self.home) as root:
                for row in warrant.plan["files"]:
                    removed.add(self._remove(root, row))
                for folder in sorted(
                    {str(row["path"]).rsplit("/", 1)[0] for row in warrant.plan["files"]},
                    reverse=True,
                ):
                    _remove_emptied(root, folder)
        finally:
            self.catalog.placing.release()
        return removed

    def _at_work(self) -> tuple[str, ...]:
        return tuple(f"{folder}/" for folder in self.busy())

    def _unneeded(self, found: list[Leftover]) -> list[Leftover]:
        with self.engine.connect() as connection:
            return [item for item in found if not _needed(connection, item.path)]

    def _remove(self, root: int, row: Mapping[str, Any]) -> Removed:
        path = str(row["path"])
        *folders, name = path.split("/")
        expected = Identity(int(row["inode"]), int(row["size"]))
        try:
            if not _purgeable(path):
                raise Foreign("is not among what can be purged")
            if path.startswith(self._at_work()):
                raise Foreign("is where a pull is at work now")
            with self.engine.connect() as connection:
                if _needed(connection, path):
                    raise Foreign("is needed by a model now")
            with _writable(root, folders) as folder:
                if handles.going(folder, name, expected) is None:
                    return Removed()
                freed = handles.remove(folder, name, expected)
        except FileNotFoundError:
            return Removed()
        except (Foreign, OSError) as error:
            return Removed(failed=[f"{path}: {handles.said(error)}"])
        return Removed(freed_bytes=freed, files=1)


def _needed(connection: Any, path: str) -> bool:
    match path.split("/"):
        case ["store", "models", digest, *_]:
            return rows.is_viewed(connection, digest)
        case ["store", "blobs", "sha256", _, sha256]:
            return rows.is_used(connection, sha256)
    return False


def _purgeable(path: str) -> bool:
    return any(path.startswith(f"{folder}/") for folders in KINDS.values() for folder in folders)


@contextmanager
def _writable(root: int, folders: list[str]) -> Iterator[int]:
    """The open directory; a view, which is read-only, is opened up by its owner."""
    with handles.inside(root, *folders) as folder:
        if stat.S_IMODE(os.fstat(folder).st_mode) & 0o200 == 0:
            os.fchmod(folder, 0o700)
        yield folder


def _walk(root: int, folder: str) -> Iterator[Leftover | str]:
    try:
        with handles.inside(root, *folder.split("/")) as descriptor:
            yield from _below(descriptor, f"{folder}/", MAX_DEPTH)
    except FileNotFoundError:
        return
    except Foreign:
        yield folder


def _below(folder: int, prefix: str, depth: int) -> Iterator[Leftover | str]:
    for name in handles.names(folder):
        status = handles.look(folder, name)
        if status is None:
            continue
        if stat.S_ISDIR(status.st_mode) and depth:
            with suppress(FileNotFoundError, Foreign), handles.inside(folder, name) as below:
                yield from _below(below, f"{prefix}{name}/", depth - 1)
        elif stat.S_ISREG(status.st_mode):
            yield Leftover(
                prefix + name,
                Identity(status.st_ino, status.st_size),
                status.st_mtime_ns,
                status.st_blocks * handles.BLOCK_BYTES,
                status.st_nlink,
            )
        else:
            yield prefix + name


def _remove_emptied(root: int, folder: str) -> None:
    """The folder and those above it, as far as they are empty and not the kind's own."""
    parts = folder.split("/")
    while len(parts) > 2 and "/".join(parts) not in _OWN:
        *above, name = parts
        try:
            with handles.inside(root, *above) as descriptor:
                handles.remove_folder(descriptor, name)
        except (Foreign, OSError):
            return
        parts = above


_OWN: Final = {folder for folders in KINDS.values() for folder in folders}
