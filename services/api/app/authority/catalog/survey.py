"""The only place that says what the store's bytes are for: whose they are, each counted once.

`walk` looks at every file without following a link or reading a byte of it; `survey` is arithmetic.
A file that several names lead to (hard links) is one file: it counts once, for whoever needs it.
"""

import os
import stat
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

BLOCK_BYTES: Final = 512
"""What st_blocks counts in, on every system."""
MAX_DEPTH: Final = 8
PLACES: Final[Mapping[str, str]] = {"store": "", "trash": "trash/", "cache": "caches/"}
"""Folders of the state directory that are looked at, and how the survey calls their files."""
NAMES_SHOWN: Final = 20


class Use(StrEnum):
    """What a file is there for, the strongest first: a file in two places has the first use."""

    MODELS = "models"
    TRASH = "trash"
    INCOMING = "incoming"
    DOWNLOADS = "downloads"
    CACHES = "caches"
    ORPHANS = "orphans"


FOLDERS: Final[Mapping[str, Use]] = {
    "incoming": Use.INCOMING,
    "downloads": Use.DOWNLOADS,
    "caches": Use.CACHES,
    "trash": Use.TRASH,
}
"""What a folder of the store is for, where its name says it. `blobs` and `models` are judged by who
refers to them; whatever has another name is an orphan."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One name of one file. `path` is relative to the store, or begins with `trash/`.

    `apparent` is the file's length, `allocated` what it takes on the disk; both in bytes.
    """

    path: str
    identity: tuple[int, int]
    apparent: int
    allocated: int
    links: int = 1


@dataclass(slots=True)
class Bytes:
    files: int = 0
    apparent: int = 0
    allocated: int = 0

    def add(self, seen: Seen) -> None:
        self.files += 1
        self.apparent += seen.apparent
        self.allocated += seen.allocated

    def as_dict(self) -> dict[str, int]:
        return {"files": self.files, "bytes": self.allocated, "apparent_bytes": self.apparent}


@dataclass(frozen=True, slots=True)
class Owner:
    """A model as the survey needs it: its view's name and the SHA-256 of its files."""

    id: str
    digest: str
    blobs: frozenset[str]


@dataclass(slots=True)
class ModelUse:
    """`own` goes when the model goes; `shared` is needed by others too.

    `elsewhere`, a part of both, has a further name outside the store: deleting here frees nothing.
    """

    own: Bytes = field(default_factory=Bytes)
    shared: Bytes = field(default_factory=Bytes)
    elsewhere: Bytes = field(default_factory=Bytes)

    def as_dict(self) -> dict[str, Any]:
        return {
            "own": self.own.as_dict(),
            "shared": self.shared.as_dict(),
            "elsewhere": self.elsewhere.as_dict(),
            "total_bytes": self.own.allocated + self.shared.allocated,
        }


@dataclass(slots=True)
class Survey:
    """Every byte of the store under exactly one use; `shared` is the part of MODELS that more than
    one model needs. `orphans` names what nobody refers to, sorted."""

    uses: dict[Use, Bytes] = field(default_factory=lambda: {use: Bytes() for use in Use})
    shared: Bytes = field(default_factory=Bytes)
    models: dict[str, ModelUse] = field(default_factory=dict)
    trash: dict[str, Bytes] = field(default_factory=lambda: defaultdict(Bytes))
    orphans: list[str] = field(default_factory=list)

    @property
    def total(self) -> Bytes:
        found = self.uses.values()
        return Bytes(
            sum(u.files for u in found),
            sum(u.apparent for u in found),
            sum(u.allocated for u in found),
        )

    def as_dict(self) -> dict[str, Any]:
        return {
            "total": self.total.as_dict(),
            "uses": {str(use): found.as_dict() for use, found in self.uses.items()},
            "shared": self.shared.as_dict(),
            "models": [
                {"id": model_id, **use.as_dict()} for model_id, use in sorted(self.models.items())
            ],
            "orphans": self.orphans[:NAMES_SHOWN],
            "orphans_count": len(self.orphans),
        }


def survey_of(home: Path, owners: Iterable[Owner]) -> Survey:
    """Of the state directory as it is now."""
    seen = (file for folder, under in PLACES.items() for file in walk(home / folder, under))
    return survey(seen, owners)


def survey(seen: Iterable[Seen], owners: Iterable[Owner]) -> Survey:
    """Whose every file is. Pure."""
    known = tuple(owners)
    by_view, by_blob = _references(known)
    found = Survey(models={owner.id: ModelUse() for owner in known})
    for names in _by_identity(seen).values():
        needed = {
            model_id for name in names for model_id in _models_of(name.path, by_view, by_blob)
        }
        use = Use.MODELS if needed else min((_use(n.path) for n in names), key=list(Use).index)
        one = names[0]
        found.uses[use].add(one)
        if use is Use.MODELS:
            _count_for(found, one, needed, elsewhere=one.links > len(names))
        elif use is Use.TRASH:
            entry = next(n.path for n in names if _use(n.path) is Use.TRASH).split("/")[1]
            found.trash[entry].add(one)
        elif use is Use.ORPHANS:
            found.orphans.extend(name.path for name in names)
    found.orphans.sort()
    return found


def volume_of(directory: Path) -> dict[str, int]:
    """The volume of the store, in bytes; `free` is what this account may still take."""
    status = os.statvfs(directory)
    return {
        "total_bytes": status.f_blocks * status.f_frsize,
        "free_bytes": status.f_bavail * status.f_frsize,
    }


def walk(root: Path, prefix: str = "") -> Iterator[Seen]:
    """Every file below `root` by lstat, relative to open directories; a link counts as itself.

    What cannot be looked at, or vanishes meanwhile, is left out: the store goes on changing.
    """
    try:
        descriptor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        yield from _walk(descriptor, prefix, MAX_DEPTH)
    finally:
        os.close(descriptor)


def _walk(folder: int, prefix: str, depth: int) -> Iterator[Seen]:
    for name in sorted(os.listdir(folder)):
        try:
            status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                if depth:
                    yield from _walk_into(folder, name, prefix, depth)
                continue
        except OSError:
            continue
        yield Seen(
            prefix + name,
            (status.st_dev, status.st_ino),
            status.st_size,
            status.st_blocks * BLOCK_BYTES,
            status.st_nlink,
        )


def _walk_into(folder: int, name: str, prefix: str, depth: int) -> Iterator[Seen]:
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=folder)
    try:
        yield from _walk(descriptor, f"{prefix}{name}/", depth - 1)
    finally:
        os.close(descriptor)


def _references(owners: tuple[Owner, ...]) -> tuple[dict[str, set[str]], dict[str, set[str]]]:
    by_view: dict[str, set[str]] = defaultdict(set)
    by_blob: dict[str, set[str]] = defaultdict(set)
    for owner in owners:
        by_view[owner.digest].add(owner.id)
        for blob in owner.blobs:
            by_blob[blob].add(owner.id)
    return by_view, by_blob


def _by_identity(seen: Iterable[Seen]) -> dict[tuple[int, int], list[Seen]]:
    files: dict[tuple[int, int], list[Seen]] = defaultdict(list)
    for name in seen:
        files[name.identity].append(name)
    return files


def _models_of(
    path: str, by_view: Mapping[str, set[str]], by_blob: Mapping[str, set[str]]
) -> set[str]:
    match path.split("/"):
        case ["models", digest, *_]:
            return by_view.get(digest, set())
        case ["blobs", "sha256", _, sha256]:
            return by_blob.get(sha256, set())
    return set()


def _use(path: str) -> Use:
    return FOLDERS.get(path.split("/", 1)[0], Use.ORPHANS)


def _count_for(found: Survey, one: Seen, needed: set[str], *, elsewhere: bool) -> None:
    if len(needed) > 1:
        found.shared.add(one)
    for model_id in needed:
        use = found.models[model_id]
        (use.shared if len(needed) > 1 else use.own).add(one)
        if elsewhere:
            use.elsewhere.add(one)


__all__ = [
    "Bytes",
    "ModelUse",
    "Owner",
    "Seen",
    "Survey",
    "Use",
    "survey",
    "survey_of",
    "volume_of",
    "walk",
]
