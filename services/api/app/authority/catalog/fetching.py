"""The only place that writes downloads: a quarantine of files on their way from a hub.

    store/downloads/SHA-256/        of "repository@commit"; .journal says which
        NAME.part                   bytes so far: the next pull goes on where they end
        NAME                        complete, and what its digest says
        NAME.wrong                  complete, and not: kept to be looked at, fetched anew

Nothing here can be loaded: a model is loaded from its view only, which `publishing` makes.
"""

import errno
import hashlib
import json
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.authority.catalog.blobs import BlobStore
from app.authority.catalog.hashing import FILES_AT_ONCE, git_blob_of, hash_file
from app.authority.catalog.intake import PROGRESS_EVERY_S, RESERVE_BYTES
from app.authority.catalog.kinds import held_as
from app.authority.catalog.watching import Moved, PullProgress, PullWatch
from app.authority.ports import Hub
from app.domain.feasibility import gib
from app.domain.hub import HubFile, HubRevision
from app.domain.models import Artifact, Manifest
from app.domain.refusals import DigestMismatch, DiskFull, IntakeRefused
from app.files import sync_folder, write_all

PART: Final = ".part"
WRONG: Final = ".wrong"
JOURNAL: Final = ".journal"  # no name that a model's file may have
# Not waiting: what took the place of a part meanwhile may be a pipe that nobody reads.
_MORE: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class Fetched:
    """The files of a model in quarantine, each with the digest that was expected of it.

    `signature`: the bytes of the signature that came along.
    """

    manifest: Manifest
    files: Mapping[str, Path]
    signature: bytes | None = None


def folder_of(revision: str) -> str:
    """Where the download of "repository@commit" lies, in `store/downloads`."""
    return hashlib.sha256(revision.encode()).hexdigest()


class Download:
    """The quarantine of one repository at one commit."""

    def __init__(self, store: BlobStore, at: HubRevision) -> None:
        self._store = store
        self._at = at
        name = folder_of(f"{at.repo}@{at.commit}")
        self.directory = store.directory / "downloads" / name

    def have(self, files: tuple[HubFile, ...]) -> int:
        """Bytes of `files` that need not be fetched, as far as a look at sizes tells."""
        return sum(self._has(file) for file in files)

    def fetch_all(
        self,
        hub: Hub,
        model: tuple[HubFile, ...],
        moved: Moved,
        watch: PullWatch,
        *,
        signature: HubFile | None = None,
    ) -> Fetched:
        """Fetch and check every file, several at once; the first that fails stops the others.

        Raises DigestMismatch, DiskFull, HubRefused, HubUnreachable, LoadCancelled. What was fetched
        is kept, except what is not what it should be.
        """
        files = model if signature is None else (*model, signature)
        self._begin(files)
        self._check_space(sum(file.size for file in files) - self.have(files))
        stop = threading.Event()
        watching = PullWatch(
            watch.progress, lambda: stop.is_set() or watch.cancelled(), watch.clock
        )
        one = _OneFile(self.directory, self._store, hub, self._at, moved, watching)
        with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="pull") as pool:
            order = sorted(files, key=lambda file: -file.size)  # what is left at the end is short
            fetches = [pool.submit(one.bring, file) for file in order]
            done, _ = wait(fetches, return_when=FIRST_EXCEPTION)
            stop.set()
        for fetch in fetches:
            # What was stopped because another failed is not the reason that people are told.
            if fetch in done:
                fetch.result()
        aside = "" if signature is None else signature.path
        artifacts = tuple(sorted(f.result() for f in fetches if f.result().path != aside))
        return Fetched(
            Manifest(artifacts),
            {artifact.path: self.directory / held_as(artifact.path) for artifact in artifacts},
            (self.directory / aside).read_bytes() if aside else None,
        )

    def discard(self) -> None:
        """The model is published: what is left here are second names of its files."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _has(self, file: HubFile) -> int:
        for name in (held_as(file.path), held_as(file.path) + PART):
            size = _size_of(self.directory / name)
            if size is not None and size <= file.size:
                return size
        if file.sha256 is not None and _size_of(self._store.blob(file.sha256)) == file.size:
            return file.size
        return 0

    def _begin(self, files: tuple[HubFile, ...]) -> None:
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        journal = {
            "repo": self._at.repo,
            "revision": self._at.commit,
            "files": [{"path": file.path, "size": file.size} for file in files],
        }
        (self.directory / JOURNAL).unlink(missing_ok=True)
        with (self.directory / JOURNAL).open("x", encoding="utf-8") as file:
            file.write(json.dumps(journal))
        sync_folder(self.directory.parent)

    def _check_space(self, missing: int) -> None:
        free = self._store.bytes_free()
        if missing + RESERVE_BYTES > free:
            raise disk_full(missing + RESERVE_BYTES, free)


class _OneFile:
    """Brings files, each on a thread of its own; all names are relative to the quarantine."""

    def __init__(  # noqa: PLR0917 - made in one place, by its parts
        self,
        directory: Path,
        store: BlobStore,
        hub: Hub,
        at: HubRevision,
        moved: Moved,
        watch: PullWatch,
    ) -> None:
        self._directory = directory
        self._store = store
        self._hub = hub
        self._at = at
        self._moved = moved
        self._watch = watch

    def bring(self, file: HubFile) -> Artifact:
        """The file, complete and right, under its own name."""
        with disk_errors_refused(file.size, self._store.bytes_free):
            return self._brought(file)

    def _brought(self, file: HubFile) -> Artifact:
        self._watch.check()
        held = self._held(file)
        if held is not None:
            return held
        self._fetch(file)
        part = self._path(file, PART)
        found = self._checked(file, part)
        if found is None:
            part.replace(self._path(file, WRONG))
            raise DigestMismatch(
                f"{file.path} of {self._at.repo} came, but is not what {_known_as(file)} says. It "
                "stays in quarantine and is never loaded. Pull again to fetch it anew; if it "
                "stays so, do not use this model.",
                details={"path": file.path},
            )
        part.chmod(0o400)
        part.replace(self._path(file))
        return found

    def _held(self, file: HubFile) -> Artifact | None:
        """The file from an earlier pull, or from another model's, if its bytes are right."""
        if _size_of(self._path(file)) is None and file.sha256 is not None:
            blob = self._store.blob(file.sha256)
            if _size_of(blob) == file.size:
                os.link(blob, self._path(file), follow_symlinks=False)
        if _size_of(self._path(file)) is None:
            return None
        found = self._checked(file, self._path(file))
        if found is None:
            self._path(file).unlink()
        return found

    def _fetch(self, file: HubFile) -> None:
        name = self._path(file, PART)
        _discard_foreign(name)
        begin = _size_of(name) or 0
        part = os.open(name, _MORE, 0o600)
        try:
            if not _is_ours(os.fstat(part)):
                raise OSError(errno.EEXIST, "is a name of another file", str(name))
            if begin > file.size:
                os.ftruncate(part, begin := 0)
            step = self._steps("fetching", file, begin)

            def sink(piece: bytes) -> None:
                write_all(part, piece)
                self._moved.add(len(piece))
                step(len(piece))

            self._hub.fetch(self._at, file, begin, sink, self._watch.check)
            os.fsync(part)
        finally:
            os.close(part)
        self._watch.progress(PullProgress("fetching", file.path, file.size, file.size))

    def _checked(self, file: HubFile, path: Path) -> Artifact | None:
        """What lies there, where its bytes are the expected ones."""
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags)
        try:
            sha256, size = hash_file(descriptor, self._steps("checking", file, 0))
            if file.sha256 is not None:
                right = sha256 == file.sha256
            else:
                right = git_blob_of(descriptor) == file.git_blob
        finally:
            os.close(descriptor)
        return Artifact(file.path, size, sha256) if right and size == file.size else None

    def _steps(self, what: str, file: HubFile, begin: int) -> Callable[[int], None]:
        """Counts bytes, tells of them a few times a second, and stops a cancelled pull."""
        done, told_at = begin, self._watch.clock.monotonic()

        def step(count: int) -> None:
            nonlocal done, told_at
            self._watch.check()
            done += count
            now = self._watch.clock.monotonic()
            if now - told_at >= PROGRESS_EVERY_S:
                told_at = now
                self._watch.progress(PullProgress(what, file.path, done, file.size))

        return step

    def _path(self, file: HubFile, ending: str = "") -> Path:
        return self._directory / (held_as(file.path) + ending)


@contextmanager
def disk_errors_refused(needed: int, bytes_free: Callable[[], int]) -> Iterator[None]:
    """Turn a disk that fills up half-way, or fails, into the refusal that says so."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(needed, bytes_free()) from error
        path = Path(str(error.filename or "the store")).name
        raise IntakeRefused(
            f"{path} could not be kept ({error.strerror}). Nothing of it can be loaded. Check the "
            "disk and who may write to the store, then pull again.",
            details={"path": path},
        ) from error


def disk_full(needed: int, bytes_free: int) -> DiskFull:
    return DiskFull(
        f"The store's disk has {gib(bytes_free)} free, but the pull needs {gib(needed)} more. What "
        "was fetched is kept. Free some space and pull again.",
        details={"needed_bytes": needed, "free_bytes": bytes_free},
    )


def _discard_foreign(path: Path) -> None:
    """Take a name away that is not of a file of our own: nothing is written into another's."""
    with suppress(FileNotFoundError):
        if not _is_ours(path.lstat()):
            path.unlink()


def _is_ours(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1


def _size_of(path: Path) -> int | None:
    """None where there is no regular file."""
    try:
        return path.lstat().st_size if path.is_file() and not path.is_symlink() else None
    except OSError:
        return None


def _known_as(file: HubFile) -> str:
    return "its known SHA-256" if file.sha256 is not None else "its id in the repository"
