"""The only place that changes the store: blobs named by their bytes, and each model's view of them.

    store/blobs/sha256/ab/ab12...   a file's bytes, read-only
    store/models/MANIFEST DIGEST/   hard links to blobs under the names a worker loads
    store/incoming/RANDOM/          an import at work, with a journal of what it is about to place

An import that fails takes its placements back. One that was killed is taken back at the next start,
by its journal: nothing is ever removed because it merely looks unused.
"""

import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from app.authority.catalog.hashing import hash_file
from app.authority.catalog.kinds import held_as
from app.domain.models import Artifact, Manifest
from app.files import sync_folder

JOURNAL: Final = ".journal"  # no name that a model's file may have
VIEW: Final = "view"


@dataclass(slots=True)
class Incoming:
    """A directory that one import works in; `placed` is what it put elsewhere in the store."""

    directory: Path
    kept: bool = False
    blobs: list[str] = field(default_factory=list)
    view: str | None = None

    @property
    def view_directory(self) -> Path:
        return self.directory / VIEW


class BlobStore:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def prepare(self) -> None:
        for folder in (self.directory, self._blobs, self._models, self._incoming):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def view(self, digest: str) -> Path:
        """Where the files of the model with this manifest digest lie."""
        return self._models / digest

    def blob(self, sha256: str) -> Path:
        return self._blobs / sha256[:2] / sha256

    def bytes_free(self) -> int:
        status = os.statvfs(self.directory)
        return status.f_bavail * status.f_frsize

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """A directory to work in. Unless the import is `kept`, everything of it is taken back."""
        directory = self._incoming / secrets.token_hex(8)
        directory.mkdir(mode=0o700)
        work = Incoming(directory)
        work.view_directory.mkdir(mode=0o700)
        try:
            yield work
        finally:
            if not work.kept:
                self._take_back(work.blobs, work.view)
            shutil.rmtree(directory)

    def place(self, work: Incoming, manifest: Manifest, files: Mapping[str, Path]) -> list[str]:
        """Move the hashed `files` (by model path) to their blobs and the view to its name.

        Returns the SHA-256 of blobs that are new, whose bytes are therefore those just hashed.
        """
        wanted = {artifact.sha256: artifact.path for artifact in manifest.artifacts}
        new = [sha256 for sha256 in wanted if not self.holds(sha256)]
        replaces = self.view(manifest.digest).exists()
        work.blobs = [sha256 for sha256 in new if not self.blob(sha256).exists()]
        work.view = None if replaces else manifest.digest
        self._write_journal(work)
        for sha256 in new:
            blob = self.blob(sha256)
            blob.parent.mkdir(mode=0o700, exist_ok=True)
            files[wanted[sha256]].rename(blob)
            sync_folder(blob.parent)
        for artifact in manifest.artifacts:
            name = work.view_directory / held_as(artifact.path)
            name.unlink(missing_ok=True)
            os.link(self.blob(artifact.sha256), name)
        self._place_view(work.view_directory, self.view(manifest.digest))
        return new

    def replace(self, work: Incoming, files: Mapping[str, Path]) -> None:
        """Put each file under its SHA-256 in the place of a damaged blob.

        The blob becomes another file: nothing is written through the names that the old one has.
        """
        for sha256, file in files.items():
            fresh = _fresh(work)
            os.link(file, fresh, follow_symlinks=False)
            blob = self.blob(sha256)
            blob.parent.mkdir(mode=0o700, exist_ok=True)
            _out_of_the_way(work, blob)
            fresh.replace(blob)
            sync_folder(blob.parent)

    def relink(
        self, work: Incoming, digest: str, files: Iterable[Artifact], foreign: Iterable[str]
    ) -> None:
        """Make these names of a view lead to their blobs, each at once, and no `foreign` any more.

        What does not belong there goes with the work's directory.
        """
        view = self.view(digest)
        if view.is_symlink() or not view.is_dir():
            _out_of_the_way(work, view, whatever=True)
            view.mkdir(mode=0o700)
        view.chmod(0o700)
        try:
            for stray in foreign:
                _out_of_the_way(work, view / stray, whatever=True)
            for artifact in files:
                fresh = _fresh(work)
                os.link(self.blob(artifact.sha256), fresh, follow_symlinks=False)
                name = view / held_as(artifact.path)
                _out_of_the_way(work, name)
                fresh.replace(name)
            sync_folder(view)
        finally:
            view.chmod(0o500)
        sync_folder(self._models)

    def place_view(self, work: Incoming, digest: str) -> None:
        """Move a view whose files lie elsewhere to its name; the journal says so first.

        Raises FileExistsError where there is one: a view is never mixed from two models.
        """
        view = self.view(digest)
        if view.exists() or view.is_symlink():
            raise FileExistsError(view)
        work.view = digest
        self._write_journal(work)
        self._place_view(work.view_directory, view)

    def interrupted(self) -> bool:
        """Whether there is an import that neither ended nor was taken back."""
        return any(self._incoming.iterdir())

    def sweep(self, known_digests: Collection[str], known_blobs: Collection[str]) -> None:
        """Take back what an import that was killed had placed and never recorded."""
        for directory in sorted(self._incoming.iterdir()):
            blobs, view = _read_journal(directory / JOURNAL)
            if view not in known_digests:
                unrecorded = [sha256 for sha256 in blobs if sha256 not in known_blobs]
                self._take_back(unrecorded, view)
            shutil.rmtree(directory)

    @property
    def _blobs(self) -> Path:
        return self.directory / "blobs" / "sha256"

    @property
    def _models(self) -> Path:
        return self.directory / "models"

    @property
    def _incoming(self) -> Path:
        return self.directory / "incoming"

    def holds(self, sha256: str) -> bool:
        """Whether the blob is there and still has its bytes; one that rotted is replaced."""
        try:
            descriptor = os.open(self.blob(sha256), os.O_RDONLY | os.O_NOFOLLOW)
        except OSError:
            return False
        try:
            return hash_file(descriptor, lambda _: None)[0] == sha256
        finally:
            os.close(descriptor)

    def _write_journal(self, work: Incoming) -> None:
        body = json.dumps({"blobs": work.blobs, "view": work.view})
        path = work.directory / JOURNAL
        with path.open("w", encoding="ascii") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        sync_folder(work.directory)

    def _place_view(self, made: Path, view: Path) -> None:
        sync_folder(made)
        if view.exists():
            if _inodes(view) == _inodes(made):
                return
            _remove_view(view)
        made.rename(view)
        view.chmod(0o500)
        sync_folder(self._models)

    def _take_back(self, blobs: Collection[str], view: str | None) -> None:
        if view is not None:
            _remove_view(self.view(view))
        for sha256 in blobs:
            self.blob(sha256).unlink(missing_ok=True)


def _fresh(work: Incoming) -> Path:
    return work.directory / secrets.token_hex(8)


def _out_of_the_way(work: Incoming, path: Path, *, whatever: bool = False) -> None:
    """Move a directory that lies where a file belongs, or `whatever` lies there."""
    if (whatever and os.path.lexists(path)) or (path.is_dir() and not path.is_symlink()):
        path.rename(_fresh(work))


def _remove_view(view: Path) -> None:
    if not view.is_dir() or view.is_symlink():
        return
    view.chmod(0o700)
    shutil.rmtree(view)


def _inodes(view: Path) -> dict[str, int]:
    return {entry.name: entry.inode() for entry in os.scandir(view)}


def _read_journal(path: Path) -> tuple[list[str], str | None]:
    """What an import had planned; one that was killed before it could say had placed nothing."""
    try:
        entries = json.loads(path.read_bytes())
        return [str(blob) for blob in entries["blobs"]], entries["view"]
    except (OSError, ValueError, KeyError, TypeError):
        return [], None
