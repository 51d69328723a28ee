"""Which files of a hub's listing are fetched: an allow-list, on names that nobody vouches for.

What is not needed to load a model is left out and named. What could lead outside, hide or be taken
for another file makes the whole listing unusable: a hub that says it once is not believed.
"""

import unicodedata
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Final, NoReturn

from app.authority.catalog import signatures
from app.authority.catalog.config import PATH
from app.authority.catalog.gguf_files import ENDING, set_name, sets
from app.authority.catalog.inspection import LOADED
from app.authority.catalog.kinds import Kind, is_hidden, kind_of
from app.authority.catalog.tree import MAX_FILE_BYTES, MAX_FILES
from app.domain.hub import HubFile, HubRevision
from app.domain.refusals import HubRefused, IntakeRefused

MAX_PATH: Final = 500
"""Characters. What a plan names is kept for good: a hub must not decide how much that is."""

MAX_NAMED: Final = 12
"""Models that a refusal lists to choose from."""

_PICKLES: Final = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")
_OTHER_FORMATS: Final = (
    (_PICKLES, "only as pickles, which run code when they are read"),
    ((".onnx", ".h5", ".msgpack", ".npz"), "only in a format that this release cannot load"),
)


@dataclass(frozen=True, slots=True)
class Picked:
    """What is fetched, sorted by path, and the paths of what is not.

    `signature` is fetched too where there is one: it is about the model and no part of it.
    """

    taken: tuple[HubFile, ...]
    left_out: tuple[str, ...]
    signature: HubFile | None = None

    @property
    def size_bytes(self) -> int:
        return sum(file.size for file in self.taken)


def pick(at: HubRevision, choice: str | None = None) -> Picked:
    """Raise HubRefused for a listing that cannot be used, or that holds no model to load.

    `choice` names a GGUF file, or the quantization that its name ends with; without one, a model in
    safetensors is taken where there is one, else the only GGUF.
    """
    if len(at.files) > MAX_FILES:
        _refuse(at, f"lists {len(at.files)} files; at most {MAX_FILES} are looked at")
    for file in at.files:
        _check_path(at, file.path)
    taken = _gguf(at, choice) or _safetensors(at)
    _refuse_lookalikes(at, taken)
    for file in taken:
        if file.size > MAX_FILE_BYTES:
            _refuse(at, f"says that {file.path} has {file.size} bytes; at most 1 TiB are taken")
        if file.sha256 is None and file.git_blob is None:
            _refuse(at, f"gives no digest of {file.path}, so its bytes could not be checked")
    paths = {file.path for file in taken}
    _refuse_without_weights(at, paths)
    signature = next((f for f in at.files if f.path == signatures.NAME), None)
    if signature is not None:
        _check_signature(at, signature)
        paths.add(signature.path)
    return Picked(taken, left_out(at, paths), signature)


def _path(file: HubFile) -> str:
    return file.path


def _gguf(at: HubRevision, choice: str | None) -> tuple[HubFile, ...]:
    """The files of one model in GGUF; none where the listing's safetensors are meant."""
    files = {file.path: file for file in at.files if _kind(file) is Kind.GGUF}
    if choice is None and (not files or any(fnmatchcase(f.path, LOADED) for f in at.files)):
        return ()
    found = sets(files)
    fitting = found if choice is None else [name for name in found if _fits(name, choice)]
    if len(fitting) != 1:
        names = ", ".join(sorted(found)[:MAX_NAMED])
        which = "" if choice is None else f" {len(fitting) or 'none'} called {choice[:80]!a}:"
        _refuse(
            at,
            f"holds {len(found)} models in GGUF,{which} {names}; name one of them, as in "
            f"lmx models pull {at.repo} --file {next(iter(found), 'NAME')}.gguf",
        )
    return tuple(files[path] for path in found[next(iter(fitting))])


def _fits(name: str, choice: str) -> bool:
    """A whole name, with or without shard and ending, or what it ends with: Q4_K_M."""
    name, wanted = name.casefold(), set_name(choice).casefold()
    return name == wanted or name.endswith((f"-{wanted}", f".{wanted}"))


def _refuse_without_weights(at: HubRevision, paths: Collection[str]) -> None:
    if any(path.lower().endswith(ENDING) for path in paths):
        return
    if PATH not in paths:
        _refuse(at, f"holds no {PATH}, so it is not a model that can be loaded")
    if not any(fnmatchcase(path, LOADED) for path in paths):
        _refuse(
            at, f"holds weights {_other_format(at.files)}; choose a version in safetensors or GGUF"
        )


def left_out(at: HubRevision, fetched: Collection[str]) -> tuple[str, ...]:
    """The paths of the listing that are not fetched."""
    return tuple(sorted(file.path for file in at.files if file.path not in fetched))


def _check_signature(at: HubRevision, file: HubFile) -> None:
    if file.size > signatures.MAX_BYTES:
        _refuse(at, f"has a signature of more than {signatures.MAX_BYTES} bytes")
    if file.sha256 is None and file.git_blob is None:
        _refuse(at, f"gives no digest of {file.path}, so its bytes could not be checked")


def _kind(file: HubFile) -> Kind:
    try:
        return kind_of(file.path)
    except IntakeRefused:  # code, pickles, what nobody knows: an import refuses it, a pull skips it
        return Kind.LEFT_OUT


def _safetensors(at: HubRevision) -> tuple[HubFile, ...]:
    names = {file.path for file in at.files}
    needed = (file for file in sorted(at.files, key=_path) if _is_needed(file))
    return tuple(file for file in needed if not is_hidden(file.path, names))


def _is_needed(file: HubFile) -> bool:
    """Of a model in safetensors."""
    kind = _kind(file)
    if kind is Kind.WEIGHTS:
        return fnmatchcase(file.path, LOADED)
    return kind.taken and kind is not Kind.GGUF


def _check_path(at: HubRevision, path: str) -> None:
    parts = path.split("/")
    if path.startswith("/") or any(part in {"", ".", ".."} for part in parts):
        _refuse(at, f"lists {path[:80]!a}, a path that leads elsewhere")
    if len(path) > MAX_PATH:
        _refuse(at, f"lists a path of {len(path)} characters; at most {MAX_PATH} are kept")
    shown = path.isprintable() and not any(0xD800 <= ord(c) <= 0xDFFF for c in path)
    if not shown or "\\" in path or any(len(part.encode()) > 200 for part in parts):
        _refuse(at, f"lists {path[:80]!a}, a name that cannot be used as one safely")


def _refuse_lookalikes(at: HubRevision, taken: Iterable[HubFile]) -> None:
    """Two names that some file system would take for one cannot both be stored."""
    seen: dict[str, str] = {}
    for file in taken:
        folded = unicodedata.normalize("NFKC", file.path).casefold()
        if folded in seen:
            _refuse(at, f"lists {file.path!a} beside {seen[folded]!a}, which looks alike")
        seen[folded] = file.path


def _other_format(files: Iterable[HubFile]) -> str:
    endings = {PurePosixPath(file.path).suffix.lower() for file in files}
    found = (why for kinds, why in _OTHER_FORMATS if endings & set(kinds))
    return next(found, "nowhere that a loader looks")


def _refuse(at: HubRevision, why: str) -> NoReturn:
    raise HubRefused(f"{at.repo} on the hub {why}. Nothing was fetched.")
