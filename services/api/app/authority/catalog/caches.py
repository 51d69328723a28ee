"""The only place that knows how other programs keep models; nothing of theirs is ever written.

Hugging Face   models--ORG--NAME/blobs/ID             a file: ID is its SHA-256 or its git blob id
               models--ORG--NAME/snapshots/COMMIT/    links into blobs: the only ones followed
               models--ORG--NAME/refs/main            the commit that `main` was
LM Studio      PUBLISHER/NAME/                        files
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from app.authority.catalog.tree import FLAGS, Tree, opened, refuse
from app.domain.refusals import IntakeRefused

MAX_MODELS: Final = 2000
_REPOSITORY: Final = re.compile(r"models--(?:(?P<org>[^/]+?)--)?(?P<name>[^/]+)")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")
_BLOB: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


class Program(StrEnum):
    HUGGING_FACE = "hf"
    LM_STUDIO = "lmstudio"


# Relative to the home directory of the account that runs the server.
USUAL: Final[Mapping[Program, tuple[str, ...]]] = {
    Program.HUGGING_FACE: (".cache/huggingface/hub",),
    Program.LM_STUDIO: (".lmstudio/models", ".cache/lm-studio/models"),
}


@dataclass(frozen=True, slots=True)
class Kept:
    """A model in another program's cache. `directory` holds its files, or the links to them."""

    program: Program
    name: str
    directory: Path
    commit: str | None = None


class KeptTree(Tree):
    """A directory of another program's, with where each file really lies."""

    def place(self, path: str) -> Path:
        """The absolute path of the file itself."""
        return self.directory / path

    def said(self, path: str) -> str | None:  # noqa: ARG002
        """The digest that the cache says the file has, SHA-256 or git blob id; None: none."""
        return None


class SnapshotTree(KeptTree):
    """A snapshot of a Hugging Face cache: its links lead into `blobs` of the same model, or are
    refused. One that is changed after it was looked at leads there too, or nowhere."""

    def __init__(self, root_fd: int, directory: Path, *, blobs_fd: int, blobs: Path) -> None:
        super().__init__(root_fd, directory)
        self._blobs_fd = blobs_fd
        self._blobs = blobs
        self._names: dict[str, str] = {}

    def place(self, path: str) -> Path:
        blob = self._names.get(path)
        return super().place(path) if blob is None else self._blobs / blob

    def said(self, path: str) -> str | None:
        return self._names.get(path)

    def _look(self, name: str, folder_fd: int, path: str) -> os.stat_result:
        status = super()._look(name, folder_fd, path)
        if not stat.S_ISLNK(status.st_mode):
            return status
        blob = self._blob(name, folder_fd, path)
        self._names[path] = blob
        try:
            return os.stat(blob, dir_fd=self._blobs_fd, follow_symlinks=False)
        except FileNotFoundError:
            refuse(path, "was never downloaded to the end; download it again")

    def _open_file(self, name: str, folder_fd: int, path: str) -> int:
        status = super()._look(name, folder_fd, path)
        if not stat.S_ISLNK(status.st_mode):
            return super()._open_file(name, folder_fd, path)
        blob = self._blob(name, folder_fd, path)
        if self._names.setdefault(path, blob) != blob:
            refuse(path, "was changed while it was looked at")
        return super()._open_file(blob, self._blobs_fd, path)

    @staticmethod
    def _blob(name: str, folder_fd: int, path: str) -> str:
        """The blob that a link names. Its text is judged; no step of it is ever walked."""
        target = os.readlink(name, dir_fd=folder_fd)
        up = "../" * (2 + path.count("/")) + "blobs/"
        blob = target.removeprefix(up)
        if blob == target or not _BLOB.fullmatch(blob):
            refuse(path, "is a link that does not lead to a blob of this cache")
        return blob


@contextmanager
def opened_kept(kept: Kept) -> Iterator[KeptTree]:
    """The model's directory. Raises IntakeRefused."""
    with ExitStack() as stack:
        if kept.commit is None:
            tree = stack.enter_context(opened(kept.directory))
            yield KeptTree(tree.descriptor, kept.directory)
            return
        home = kept.directory.parent.parent
        root = stack.enter_context(opened(home)).descriptor
        blobs = _enter(stack, root, "blobs", home)
        snapshots = _enter(stack, root, "snapshots", home)
        snapshot = _enter(stack, snapshots, kept.commit, home)
        yield SnapshotTree(snapshot, kept.directory, blobs_fd=blobs, blobs=home / "blobs")


def find(roots: Mapping[Program, tuple[Path, ...]]) -> Iterator[Kept]:
    """What the caches hold, by name as far as it can be told without opening a model's file."""
    for root in roots.get(Program.HUGGING_FACE, ()):
        for folder in _folders(root):
            if _REPOSITORY.fullmatch(folder.name):
                yield from _in_repository(folder)
    for root in roots.get(Program.LM_STUDIO, ()):
        for publisher in _folders(root):
            for folder in _folders(publisher):
                yield Kept(Program.LM_STUDIO, f"{publisher.name}/{folder.name}", folder)


def named(program: Program, what: str, roots: Mapping[Program, tuple[Path, ...]]) -> Kept:
    """The model that is meant: by the absolute path of its directory, or by `ORG/NAME`.

    Raises IntakeRefused.
    """
    if what.startswith("/"):
        return _at(program, Path(what))
    found = [kept for kept in find({program: roots.get(program, ())}) if kept.name == what]
    if not found:
        refuse(what[:200], "is not in that cache; lmx models adopt lists what is")
    if len(found) > 1:
        refuse(what[:200], "is there more than once; give the path of the one you mean")
    return found[0]


def _at(program: Program, path: Path) -> Kept:
    """Only the last part may not be a link: where a cache lies is its owner's business."""
    if not path.name or ".." in path.parts or "\0" in str(path):
        refuse(str(path)[:200], "is not the path of a model's directory")
    try:
        directory = path.parent.resolve(strict=True) / path.name
    except OSError:
        refuse(str(path)[:200], "does not exist; give the directory of the model")
    if program is Program.LM_STUDIO:
        return Kept(program, f"{directory.parent.name}/{directory.name}", directory)
    if directory.parent.name == "snapshots" and _COMMIT.fullmatch(directory.name):
        name = _name_of(directory.parent.parent)
        return Kept(program, name, directory, directory.name)
    found = _in_repository(directory)
    if not found:
        refuse(str(directory), "holds no snapshot; give a directory models--ORG--NAME")
    if len(found) > 1:
        refuse(str(directory), "holds several snapshots; give the path of one of them")
    return found[0]


def _in_repository(folder: Path) -> list[Kept]:
    """The snapshot that `main` leads to, or every one where that cannot be told."""
    commits = [f.name for f in _folders(folder / "snapshots") if _COMMIT.fullmatch(f.name)]
    main = _main(folder / "refs")
    chosen = [main] if main in commits else commits
    return [
        Kept(Program.HUGGING_FACE, _name_of(folder), folder / "snapshots" / commit, commit)
        for commit in chosen
        if commit is not None
    ]


def _main(refs: Path) -> str | None:
    try:
        with opened(refs) as tree:
            commit = tree.read("main", limit=100).decode("ascii", "replace").strip()
    except IntakeRefused:
        return None
    return commit if _COMMIT.fullmatch(commit) else None


def _name_of(folder: Path) -> str:
    found = _REPOSITORY.fullmatch(folder.name)
    if found is None:
        return folder.name
    return f"{found['org']}/{found['name']}" if found["org"] else found["name"]


def _folders(root: Path) -> list[Path]:
    """Directories directly in `root`, links to directories not among them."""
    try:
        names = sorted(
            entry.name for entry in os.scandir(root) if entry.is_dir(follow_symlinks=False)
        )
    except OSError:
        return []
    return [root / name for name in names if name.isprintable()][:MAX_MODELS]


def _enter(stack: ExitStack, folder_fd: int, name: str, home: Path) -> int:
    try:
        descriptor = os.open(name, FLAGS | os.O_DIRECTORY, dir_fd=folder_fd)
    except OSError as error:
        refuse(str(home / name), f"cannot be opened as a directory ({error.strerror})")
    stack.callback(os.close, descriptor)
    return descriptor
