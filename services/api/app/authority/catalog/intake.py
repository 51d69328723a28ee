"""Brings a directory's files into the store: checked, copied and hashed in one pass over them."""

import errno
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.authority.catalog.blobs import Incoming
from app.authority.catalog.hashing import FILES_AT_ONCE, copy_hashed
from app.authority.catalog.kinds import held_as
from app.authority.catalog.tree import Found, Tree, refuse
from app.authority.ports import Clock
from app.domain.feasibility import gib
from app.domain.models import Artifact, Manifest
from app.domain.refusals import DiskFull, IntakeRefused, LoadCancelled

PROGRESS_EVERY_S: Final = 0.1
# Left free on the store's volume whatever comes: the ledger must stay writable.
RESERVE_BYTES: Final = 64 << 20

_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(frozen=True, slots=True)
class ImportProgress:
    """How far one file is: bytes done of its total."""

    path: str
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told of an import's progress, and who may stop it."""

    progress: Callable[[ImportProgress], None]
    cancelled: Callable[[], bool]
    clock: Clock

    def stop_if_cancelled(self) -> None:
        if self.cancelled():
            raise LoadCancelled("The import was cancelled. Nothing of it was kept.")


@dataclass(frozen=True, slots=True)
class Copied:
    """The files of a model as they lie in an import's own directory, by model path."""

    manifest: Manifest
    files: dict[str, Path]


def check_space(taken: tuple[Found, ...], *, bytes_free: int) -> None:
    """Raise DiskFull before anything is written that would not end well."""
    needed = sum(file.size for file in taken) + RESERVE_BYTES
    if needed > bytes_free:
        raise disk_full(needed, bytes_free)


def disk_full(needed: int, bytes_free: int) -> DiskFull:
    return DiskFull(
        f"The store's disk has {gib(bytes_free)} free, but the import needs {gib(needed)}. "
        "Nothing was kept. Free some space and import again.",
        details={"needed_bytes": needed, "free_bytes": bytes_free},
    )


@contextmanager
def disk_errors_refused(taken: tuple[Found, ...], bytes_free: Callable[[], int]) -> Iterator[None]:
    """Turn a disk that fills up half-way, or fails, into the refusal that says so."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise disk_full(sum(file.size for file in taken), bytes_free()) from error
        path = str(error.filename or "the model's files")
        raise IntakeRefused(
            f"{path} could not be copied into the store ({error.strerror}). Nothing was kept. "
            "Check the disk and who may write to the store, then import again.",
            details={"path": path},
        ) from error


def copy_all(tree: Tree, taken: tuple[Found, ...], work: Incoming, watch: Watch) -> Copied:
    """Copy the files into the import's directory, several at once, and hash what is written.

    The first that fails stops the others.
    """
    stop = threading.Event()
    watching = Watch(watch.progress, lambda: stop.is_set() or watch.cancelled(), watch.clock)
    with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="intake") as pool:
        # The largest first: what is left at the end is short.
        order = sorted(taken, key=lambda file: -file.size)
        copies = [pool.submit(_copy, tree, file, work, watching) for file in order]
        done, _ = wait(copies, return_when=FIRST_EXCEPTION)
        stop.set()
    for copy in copies:
        # What was stopped because another failed is not the reason that people are told.
        if copy in done:
            copy.result()
    artifacts = tuple(sorted(copy.result() for copy in copies))
    files = {artifact.path: work.directory / held_as(artifact.path) for artifact in artifacts}
    for path, file in files.items():
        os.link(file, work.view_directory / held_as(path))
    return Copied(Manifest(artifacts), files)


def _copy(tree: Tree, file: Found, work: Incoming, watch: Watch) -> Artifact:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    target = os.open(work.directory / held_as(file.path), flags, 0o600)
    try:
        with tree.open(file.path) as source:
            sha256, size = copy_hashed(source, target, steps(file, watch))
            status = os.fstat(source)
        if (size, status.st_mtime_ns) != (file.size, file.mtime_ns):
            refuse(file.path, "changed while it was read; let it come to rest and import again")
        os.fchmod(target, 0o400)
    finally:
        os.close(target)
    watch.progress(ImportProgress(file.path, size, size))
    return Artifact(file.path, size, sha256)


def steps(file: Found, watch: Watch) -> Callable[[int], None]:
    """Counts bytes, tells of them a few times a second, and stops a cancelled import."""
    done, told_at = 0, watch.clock.monotonic()

    def step(count: int) -> None:
        nonlocal done, told_at
        watch.stop_if_cancelled()
        done += count
        now = watch.clock.monotonic()
        if now - told_at >= PROGRESS_EVERY_S:
            told_at = now
            watch.progress(ImportProgress(file.path, done, file.size))

    return step
