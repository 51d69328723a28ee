"""How a model's files go into the trash and come back. Every step may be repeated after a crash."""

import errno
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from app.authority.catalog.hashing import hash_file
from app.authority.catalog.removal import handles
from app.authority.catalog.removal.entry import BLOBS, VIEW, Entry, Kept
from app.authority.catalog.removal.handles import Foreign, Identity

MODELS: Final = "models"
SHELVES: Final = ("blobs", "sha256")
READ_ONLY: Final = 0o500


class OtherVolume(Exception):
    """The trash does not lie where a rename reaches it."""


@dataclass(frozen=True, slots=True)
class Places:
    """Descriptors of the store's directory and of the trash's."""

    store: int
    trash: int


@contextmanager
def places(store: Path, trash: Path) -> Iterator[Places]:
    """Raises OtherVolume, OSError."""
    with handles.opened(store) as store_fd, handles.opened(trash) as trash_fd:
        if os.fstat(store_fd).st_dev != os.fstat(trash_fd).st_dev:
            raise OtherVolume
        yield Places(store_fd, trash_fd)


def examine(
    at: Places, digest: str, files: Sequence[Kept], receipts: Mapping[str, Identity]
) -> tuple[tuple[Kept, ...], list[str]]:
    """The files with which they are, and what is not the model's and so will not be touched.

    A file is the model's when view and blob are one file, when it is the one that was verified, or
    when it has the bytes. Raises Foreign, OSError where the view itself is something else.
    """
    failed: list[str] = []
    found: list[Kept] = []
    with _view(at, digest) as view:
        for file in files:
            try:
                found.append(replace(file, identity=_identity(at, view, file, receipts)))
            except (Foreign, OSError) as error:
                failed.append(f"{file.path}: {handles.said(error)}")
                found.append(file)
        known = {file.name for file in files}
        extra = [] if view is None else [name for name in handles.names(view) if name not in known]
    failed += [f"{ascii(name)[1:-1]}: does not belong to the model" for name in extra]
    return tuple(found), failed


def recognized(at: Places, entry: Entry) -> Entry:
    """The entry with its files as they are now: a copy of LMX_HOME gives them other inodes.

    Only a file whose bytes are the model's is taken for it; nothing is read where inodes agree.
    """
    try:
        with handles.inside(at.trash, entry.id, VIEW) as view:
            return entry.with_files([_recognized(view, file) for file in entry.files])
    except (FileNotFoundError, Foreign):
        return entry


def _recognized(view: int, file: Kept) -> Kept:
    if file.identity is None or file.adopted:
        return file
    try:
        now = _regular(view, file.name)
        if now is None or now == file.identity:
            return file
        return replace(
            file, identity=_proven(view, file.name, now, sha256=file.sha256, receipts={})
        )
    except (Foreign, OSError):
        return file


def to_trash(at: Places, entry: Entry) -> list[str]:
    """Move the view and the blobs that nobody else needs; returns what could not be, and why.

    Raises OtherVolume, OSError, Foreign where the view cannot be moved; `from_trash` undoes it.
    """
    failed: list[str] = []
    with (
        handles.inside(at.trash, entry.id, make=True) as home,
        handles.inside(home, BLOBS, make=True) as box,
    ):
        for sha256, identity in _alone(entry).items():
            try:
                _move_blob(at, sha256, box, identity)
            except (Foreign, OSError) as error:
                _refuse_other_volume(error)
                failed.append(f"{_path_of(entry, sha256)}: {handles.said(error)}")
        os.fsync(box)
        if entry.shared_view:
            failed += _link_view(at, entry, home)
        else:
            _move_view(at, entry, home)
        os.fsync(home)
    os.fsync(at.trash)
    return failed


def from_trash(at: Places, entry: Entry) -> None:
    """The inverse. Raises Foreign, OSError."""
    with handles.inside(at.trash, entry.id) as home:
        if handles.look(home, BLOBS) is not None:
            with handles.inside(home, BLOBS) as box:
                for sha256, identity in _alone(entry).items():
                    _return_blob(at, sha256, box, identity)
                os.fsync(box)
        with handles.inside(at.store, MODELS, make=True) as models:
            if handles.look(home, VIEW) is not None and handles.look(models, entry.digest) is None:
                handles.move_folder(home, VIEW, models, entry.digest)
            if handles.look(models, entry.digest) is not None:
                _join(at, entry, models)
            os.fsync(models)
        os.fsync(home)


@contextmanager
def _view(at: Places, digest: str) -> Iterator[int | None]:
    with handles.inside(at.store, MODELS) as models:
        if handles.look(models, digest) is None:
            yield None
            return
        with handles.inside(models, digest) as view:
            yield view


@contextmanager
def _shelf(at: Places, sha256: str, *, make: bool = False) -> Iterator[int]:
    with handles.inside(at.store, *SHELVES, sha256[:2], make=make) as shelf:
        yield shelf


def _identity(
    at: Places, view: int | None, file: Kept, receipts: Mapping[str, Identity]
) -> Identity | None:
    """Raises Foreign for what is in the place of the model's file, after what is ours was found."""
    handles.plain(file.name)
    if file.adopted:
        return _adopted(view, file)
    in_view = _regular(view, file.name)
    with _shelf_if_any(at, file.sha256) as shelf:
        in_store = _regular(shelf, file.sha256)
        if in_view == in_store:
            return in_view
        if in_view is None and shelf is not None and in_store is not None:
            found = (shelf, file.sha256, in_store)
        elif in_store is None and view is not None and in_view is not None:
            found = (view, file.name, in_view)
        else:
            raise Foreign("is another file than the model's")
        return _proven(*found, sha256=file.sha256, receipts=receipts)


def _adopted(view: int | None, file: Kept) -> Identity | None:
    """Our name for a file that another program keeps: a link of either kind."""
    status = None if view is None else handles.look(view, file.name)
    if status is None:
        return None
    if not (stat.S_ISLNK(status.st_mode) or stat.S_ISREG(status.st_mode)):
        raise Foreign("is neither a file nor a link")
    return Identity(status.st_ino, status.st_size)


@contextmanager
def _shelf_if_any(at: Places, sha256: str) -> Iterator[int | None]:
    try:
        with _shelf(at, sha256) as shelf:
            yield shelf
    except FileNotFoundError:
        yield None


def _regular(folder: int | None, name: str) -> Identity | None:
    status = None if folder is None else handles.look(folder, name)
    return None if status is None or folder is None else handles.identity(folder, status)


def _proven(
    folder: int, name: str, identity: Identity, *, sha256: str, receipts: Mapping[str, Identity]
) -> Identity:
    """The only one of two names is believed for its receipt or its bytes. Raises Foreign."""
    if receipts.get(sha256) != identity:
        with handles.file(folder, name, identity) as descriptor:
            if hash_file(descriptor, lambda _: None)[0] != sha256:
                raise Foreign("does not have the model's bytes")
    return identity


def _alone(entry: Entry) -> dict[str, Identity]:
    return {
        file.sha256: file.identity
        for file in entry.files
        if file.alone and file.identity is not None and not file.adopted
    }


def _path_of(entry: Entry, sha256: str) -> str:
    return next(file.path for file in entry.files if file.sha256 == sha256)


def _move_blob(at: Places, sha256: str, box: int, identity: Identity) -> None:
    with _shelf_if_any(at, sha256) as shelf:
        if shelf is None or handles.look(shelf, sha256) is None:
            return  # moved before, or never there: the view has the bytes
        handles.move(shelf, sha256, box, sha256, identity)
        os.fsync(shelf)


def _return_blob(at: Places, sha256: str, box: int, identity: Identity) -> None:
    if handles.look(box, sha256) is None:
        return
    with _shelf(at, sha256, make=True) as shelf:
        if handles.look(shelf, sha256) is None:  # otherwise an import has brought it again
            handles.move(box, sha256, shelf, sha256, identity)
            os.fsync(shelf)


def _move_view(at: Places, entry: Entry, home: int) -> None:
    with handles.inside(at.store, MODELS) as models:
        if handles.look(models, entry.digest) is None:
            return
        try:
            handles.move_folder(models, entry.digest, home, VIEW)
        except OSError as error:
            _refuse_other_volume(error)
            raise
        os.fsync(models)


def _link_view(at: Places, entry: Entry, home: int) -> list[str]:
    """Names of our own for the files of a view that another model needs too."""
    failed = []
    with _view(at, entry.digest) as view, handles.inside(home, VIEW, make=True) as mine:
        for file in entry.files:
            if view is None or file.identity is None or handles.look(mine, file.name) is not None:
                continue
            try:
                handles.link(view, file.name, mine, file.name, file.identity)
            except (Foreign, OSError) as error:
                failed.append(f"{file.path}: {handles.said(error)}")
        os.fsync(mine)
    return failed


def _join(at: Places, entry: Entry, models: int) -> None:
    """One file for view and blob again, whichever was there first."""
    with handles.inside(models, entry.digest) as view:
        os.fchmod(view, 0o700)
        for file in entry.files:
            if not file.adopted and file.identity is not None:
                _join_file(at, view, file, file.identity)
        os.fsync(view)
        os.fchmod(view, READ_ONLY)


def _join_file(at: Places, view: int, file: Kept, identity: Identity) -> None:
    in_view = _regular(view, file.name)
    with _shelf(at, file.sha256, make=True) as shelf:
        in_store = _regular(shelf, file.sha256)
        if in_store is None and in_view is not None:
            handles.link(view, file.name, shelf, file.sha256, in_view)
            os.fsync(shelf)
        elif in_store is not None and in_view == identity != in_store:
            made = f".{file.sha256}"
            handles.link(shelf, file.sha256, view, made, in_store)
            os.rename(made, file.name, src_dir_fd=view, dst_dir_fd=view)


def _refuse_other_volume(error: Exception) -> None:
    if isinstance(error, OSError) and error.errno == errno.EXDEV:
        raise OtherVolume from error
