"""How the bytes of a trashed model go for good, and how what is free afterwards is measured.

What is counted is the blocks of every file whose last name went, as its open descriptor says; the
file system's free space would count what others do meanwhile. Files that share their blocks with a
copy (clones) count in full. What an interrupted purge had removed is known from the note it began
with: the files that had no name outside the entry.
"""

import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from app.authority.catalog.kinds import held_as
from app.authority.catalog.removal import handles
from app.authority.catalog.removal.entry import BEGUN, BLOBS, MAX_NOTE_BYTES, NOTE, VIEW, Entry
from app.authority.catalog.removal.handles import BLOCK_BYTES, Foreign, Identity
from app.authority.catalog.removal.moving import Places


@dataclass(slots=True)
class Removed:
    """What was taken away, as measured; `failed` names what was not, and why."""

    freed_bytes: int = 0
    files: int = 0
    failed: list[str] = field(default_factory=list)
    earlier_bytes: int = 0
    """What plans before this one had freed of the same entry."""

    def add(self, other: "Removed") -> None:
        self.freed_bytes += other.freed_bytes
        self.files += other.files
        self.failed += other.failed


@dataclass(frozen=True, slots=True)
class _Name:
    """One name in the entry of one file; `path` is the model's own name for it."""

    folder: str
    name: str
    path: str
    identity: Identity
    adopted: bool


def purge_entry(at: Places, entry: Entry, plan: str, *, freed: int = 0) -> Removed:
    """Remove every file of the entry that is the model's; `finish` follows. Safe to call again.

    Measured is what went under the plan with that hash, in however many attempts; `freed` is what
    is recorded of the entry so far.
    """
    if handles.look(at.trash, entry.id) is None:
        return Removed()
    with handles.inside(at.trash, entry.id) as home:
        begun = _begun(home, entry, plan, freed)
        removed = _removed_before(home, entry, begun)
        for name in _names(entry):
            removed.add(_remove(home, name))
        _remove_emptied(home, removed)
        os.fsync(home)
    return removed


def finish(at: Places, entry: Entry) -> None:
    """Remove the entry's notes and its directory, once what was measured is recorded."""
    if handles.look(at.trash, entry.id) is None:
        return
    with handles.inside(at.trash, entry.id) as home:
        for note in (BEGUN, NOTE):
            handles.discard(home, note)
    handles.remove_folder(at.trash, entry.id)
    os.fsync(at.trash)


def tidy(at: Places, entry: Entry) -> list[str]:
    """Remove what is left of an entry whose model is back: names of files that the store has."""
    removed = Removed()
    if handles.look(at.trash, entry.id) is None:
        return []
    with handles.inside(at.trash, entry.id) as home:
        kept = _in_store(at, entry)
        for name in _names(entry):
            if held_as(name.path) in kept:
                removed.add(_remove(home, name))
        _remove_emptied(home, removed)
    if not removed.failed:
        finish(at, entry)
    return removed.failed


def _in_store(at: Places, entry: Entry) -> set[str]:
    try:
        with handles.inside(at.store, "models", entry.digest) as view:
            return set(handles.names(view))
    except FileNotFoundError:
        return set()


def _names(entry: Entry) -> list[_Name]:
    """Every name the entry may hold, the blobs first: the view's is then the last one."""
    ours = [(file, file.identity) for file in entry.files if file.identity is not None]
    blobs = {
        file.sha256: _Name(BLOBS, file.sha256, file.path, identity, adopted=False)
        for file, identity in ours
        if file.alone and not file.adopted
    }
    view = [_Name(VIEW, file.name, file.path, identity, file.adopted) for file, identity in ours]
    return [*blobs.values(), *view]


def _begun(home: int, entry: Entry, plan: str, freed: int) -> Mapping[str, Any]:
    """What there was when the purge by this plan began: names, and bytes of files without a name
    elsewhere. What an earlier plan took away is not this one's."""
    if handles.look(home, BEGUN) is not None:
        found: Mapping[str, Any] = {}
        with suppress(Foreign, OSError, ValueError):
            found = orjson.loads(handles.read(home, BEGUN, limit=MAX_NOTE_BYTES))
        if found.get("plan", plan) == plan:
            return found
    counts: dict[str, list[int]] = {}
    for name in _names(entry):
        status = _status(home, name)
        if status is not None and not name.adopted:
            known = counts.setdefault(
                str(status.st_ino), [0, status.st_nlink, status.st_blocks * BLOCK_BYTES]
            )
            known[0] += 1
    alone = {ino: size for ino, (mine, links, size) in counts.items() if mine == links}
    names = [f"{n.folder}/{n.name}" for n in _present(home, entry)]
    begun = {"plan": plan, "earlier": freed, "alone": alone, "names": names}
    handles.write(home, BEGUN, orjson.dumps(begun))
    return begun


def _removed_before(home: int, entry: Entry, begun: Mapping[str, Any]) -> Removed:
    """What an interrupted purge of this entry had removed."""
    there = {f"{n.folder}/{n.name}" for n in _present(home, entry)}
    inodes = {str(n.identity.ino) for n in _present(home, entry)}
    gone = [name for name in begun.get("names", ()) if name not in there]
    files = sum(1 for name in gone if name.startswith(VIEW))
    freed = sum(size for ino, size in begun.get("alone", {}).items() if ino not in inodes)
    return Removed(freed_bytes=freed, files=files, earlier_bytes=begun.get("earlier", 0))


def _present(home: int, entry: Entry) -> list[_Name]:
    return [name for name in _names(entry) if _status(home, name) is not None]


def _status(home: int, name: _Name) -> os.stat_result | None:
    try:
        with handles.inside(home, name.folder) as folder:
            status = handles.going(folder, name.name, name.identity)
    except (Foreign, OSError):
        return None
    return status if status is not None and status.st_ino == name.identity.ino else None


def _remove(home: int, name: _Name) -> Removed:
    try:
        with handles.inside(home, name.folder) as folder:
            status = handles.going(folder, name.name, name.identity)
            if status is None:
                return Removed()
            if name.adopted and stat.S_ISLNK(status.st_mode):
                freed = handles.remove_link(folder, name.name, name.identity)
            else:
                freed = handles.remove(folder, name.name, name.identity)
    except FileNotFoundError:
        return Removed()
    except (Foreign, OSError) as error:
        return Removed(failed=[f"{name.path}: {handles.said(error)}"])
    return Removed(freed_bytes=freed, files=int(name.folder == VIEW))


def _remove_emptied(home: int, removed: Removed) -> None:
    for folder in (BLOBS, VIEW):
        if handles.look(home, folder) is not None:
            _remove_folder(home, folder, removed)


def _remove_folder(above: int, name: str, removed: Removed) -> None:
    try:
        with handles.inside(above, name) as folder:
            left = handles.names(folder)
        if not left:
            handles.remove_folder(above, name)
            return
    except (Foreign, OSError) as error:
        removed.failed.append(f"{name}: {handles.said(error)}")
        return
    named = {held_as(failure.split(":", 1)[0]) for failure in removed.failed}
    removed.failed += [
        f"{ascii(other)[1:-1]}: is not a file of the model; it stays in the trash"
        for other in left
        if other not in named
    ]
