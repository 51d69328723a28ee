"""Says whether a model's files in the store are still the bytes that were taken in.

A file whose identity is that of its receipt is not read again. Everything else is hashed.
"""

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

from app.authority.catalog.hashing import FILES_AT_ONCE, hash_file
from app.authority.catalog.intake import ImportProgress, Watch, steps
from app.authority.catalog.kinds import held_as
from app.authority.catalog.records import FileReceipt
from app.authority.catalog.tree import FLAGS, Found, Tree, opened, refuse
from app.domain.models import Artifact, Manifest
from app.domain.refusals import IntakeRefused

# A file changed in the same tick as it was verified would keep its times. A receipt counts only
# when the file had been at rest for this long when it was hashed.
AT_REST_US: Final = 2_000_000


@dataclass(frozen=True, slots=True)
class Wrong:
    """A file of a view that is not as it was taken in, and why; `foreign` ones are not known."""

    path: str
    why: str
    foreign: bool = False

    @property
    def shown(self) -> str:
        """Its name as it may be said and recorded: nobody chose that of a foreign file."""
        return ascii(self.path) if self.foreign else self.path


class WrongBytes(Exception):
    """A model's files are not those of its manifest: every one that is not, the first in words."""

    def __init__(self, wrong: Sequence[Wrong]) -> None:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        super().__init__(f"{wrong[0].shown} {wrong[0].why}{more}")
        self.wrong = tuple(wrong)

    @property
    def path(self) -> str:
        return self.wrong[0].shown


@dataclass(frozen=True, slots=True)
class Checked:
    """Receipts for the files that had to be hashed; none when all receipts held."""

    receipts: tuple[FileReceipt, ...]
    hashed_bytes: int


def check_files(
    view: Path,
    manifest: Manifest,
    receipts: Mapping[str, FileReceipt],
    *,
    now_us: Callable[[], int],
    adopted: Mapping[str, str] = MappingProxyType({}),
    watch: Watch | None = None,
) -> Checked:
    """Compare the files in `view` with the manifest; raises WrongBytes that names all that differ.

    `adopted` says where files that another program keeps lie; a link in the view may lead there.
    """
    hashing = _Hashing(now_us, watch)
    try:
        with opened(view) as folder:
            tree = ViewTree(folder.descriptor, view, adopted)
            wrong, present = _names(tree, manifest)
            suspects = [a for a in present if not _receipt_holds(tree, a, receipts)]
            if not suspects and not wrong:
                return Checked((), 0)
            with ThreadPoolExecutor(FILES_AT_ONCE, thread_name_prefix="verify") as pool:
                found = list(pool.map(lambda a: hashing.again(tree, a), suspects))
    except IntakeRefused as refusal:
        every = [Wrong(artifact.path, "is missing") for artifact in manifest.artifacts]
        raise WrongBytes(every) from refusal  # there is no view, or what is there is none
    wrong += [each for each in found if isinstance(each, Wrong)]
    if wrong:
        raise WrongBytes(wrong)
    fresh = tuple(each for each in found if not isinstance(each, Wrong))
    return Checked(fresh, sum(artifact.size for artifact in suspects))


class ViewTree(Tree):
    """A view; the links in it are our own, and lead where the catalog says or are refused."""

    def __init__(self, root_fd: int, directory: Path, adopted: Mapping[str, str]) -> None:
        super().__init__(root_fd, directory)
        self._adopted = {held_as(path): place for path, place in adopted.items()}

    @contextmanager
    def open(self, path: str) -> Iterator[int]:
        """A descriptor of the file at `path` of the model, which the view holds without folders."""
        with super().open(held_as(path)) as descriptor:
            yield descriptor

    def _open_file(self, name: str, folder_fd: int, path: str) -> int:
        place = self._adopted.get(path)
        if place is None or not stat.S_ISLNK(self._look(name, folder_fd, path).st_mode):
            return super()._open_file(name, folder_fd, path)
        if os.readlink(name, dir_fd=folder_fd) != place:
            refuse(path, "leads elsewhere than it did")
        try:
            return os.open(place, FLAGS)
        except OSError as error:
            refuse(path, f"cannot be opened where it lies ({error.strerror})")


def receipt_of(descriptor: int, sha256: str, *, verified_us: int) -> FileReceipt:
    """What identifies the open file now."""
    status = os.fstat(descriptor)
    return FileReceipt(
        sha256=sha256,
        dev=status.st_dev,
        ino=status.st_ino,
        size=status.st_size,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        verified_us=verified_us,
    )


def _names(tree: Tree, manifest: Manifest) -> tuple[list[Wrong], list[Artifact]]:
    """What is missing or does not belong, and the files that are there to be looked at."""
    held = tree.names()
    wanted = {held_as(artifact.path): artifact for artifact in manifest.artifacts}
    lacking = sorted(artifact.path for name, artifact in wanted.items() if name not in held)
    missing = [Wrong(path, "is missing") for path in lacking]
    strays = sorted(held - wanted.keys())
    extra = [Wrong(name, "does not belong to the model", foreign=True) for name in strays]
    return missing + extra, [a for a in manifest.artifacts if held_as(a.path) in held]


def _receipt_holds(tree: Tree, artifact: Artifact, receipts: Mapping[str, FileReceipt]) -> bool:
    receipt = receipts.get(artifact.sha256)
    if receipt is None or receipt.verified_us - receipt.ctime_ns // 1000 < AT_REST_US:
        return False
    try:
        with tree.open(artifact.path) as descriptor:
            now = receipt_of(descriptor, artifact.sha256, verified_us=receipt.verified_us)
    except IntakeRefused:  # a link, a pipe: the hashing says so
        return False
    return receipt == now


class _Hashing:
    """Reads files whole; whoever watches is told of each, and may stop it."""

    def __init__(self, now_us: Callable[[], int], watch: Watch | None) -> None:
        self._now_us = now_us
        self._watch = watch

    def again(self, tree: Tree, artifact: Artifact) -> FileReceipt | Wrong:
        """The receipt of a file that has its bytes, or what is wrong with it."""
        path, size, watch = artifact.path, artifact.size, self._watch
        if watch is not None:
            watch.stop_if_cancelled()
        step = _ignored if watch is None else steps(Found(path, size, 0), watch)
        try:
            with tree.open(path) as descriptor:
                before = receipt_of(descriptor, artifact.sha256, verified_us=self._now_us())
                if before.size != size:
                    return Wrong(path, f"has {before.size} bytes instead of {size}")
                sha256, _ = hash_file(descriptor, step)
                if sha256 != artifact.sha256:
                    return Wrong(path, "does not have the bytes that were imported")
                after = receipt_of(descriptor, artifact.sha256, verified_us=before.verified_us)
        except IntakeRefused:
            # A link, a pipe or an unreadable file where a model's file should be.
            return Wrong(path, "is not a readable file")
        if after != before:
            return Wrong(path, "changed while it was read")
        if watch is not None:
            watch.progress(ImportProgress(path, size, size))
        return before


def _ignored(_: int) -> None:
    """For whom nobody watches."""
