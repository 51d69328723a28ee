"""Which GGUF files are one model: a file, or a whole set of shards; and what they say together."""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.authority.catalog.gguf import Header
from app.authority.catalog.gguf_shapes import gguf_shape
from app.authority.catalog.tree import Tree, opened, opened_files, refuse
from app.domain.licences import claimed
from app.domain.shapes import ModelShape

ENDING: Final = ".gguf"
MAX_SHARDS: Final = 1024
_SHARD: Final = re.compile(r"(.+)-(\d{5})-of-(\d{5})", re.IGNORECASE)


def sets(paths: Iterable[str]) -> dict[str, list[str]]:
    """The files of each model, by its name without shard and ending; each list is sorted."""
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        found.setdefault(set_name(path), []).append(path)
    return found


def set_name(path: str) -> str:
    """What a model's files are all called; a name that is no GGUF's is left as it is."""
    if not path.lower().endswith(ENDING):
        return path
    stem = path[: -len(ENDING)]
    shard = _SHARD.fullmatch(stem)
    return shard[1] if shard else stem


@contextmanager
def opened_model(path: Path) -> Iterator[Tree]:
    """A model's directory, or that of a GGUF file with only the file and its shards in it."""
    if path.name.lower().endswith(ENDING) and not path.is_dir():
        name = set_name(path.name)
        if not path.exists():
            refuse(str(path), "does not exist; give the file's whole path")
        with opened_files(path.parent, lambda other: set_name(other) == name) as tree:
            yield tree
        return
    with opened(path) as tree:
        yield tree


def only_set(paths: Iterable[str], where: str) -> list[str]:
    """The files of the one model that is there. Raises IntakeRefused for several."""
    found = sets(paths)
    if len(found) > 1:
        refuse(
            where,
            f"holds several GGUF models ({', '.join(sorted(found)[:8])}); name one of them: import "
            "its file, or pull with --file",
        )
    return next(iter(found.values()))


def shape_of(headers: Mapping[str, Header]) -> ModelShape:
    """The shape of the model in these files, sorted by path. Raises IntakeRefused."""
    paths = list(headers)
    first = headers[paths[0]]
    _check_set(paths, headers)
    owner: dict[str, str] = {}
    for path, header in headers.items():
        for tensor in header.tensors:
            if tensor.name in owner:
                refuse(path, f"holds tensor {tensor.name!r}, as {owner[tensor.name]} does")
            owner[tensor.name] = path
    tensors = [tensor for header in headers.values() for tensor in header.tensors]
    if not tensors:
        refuse(paths[0], "holds no tensors, so there are no weights to load")
    return gguf_shape(first, tensors, path=paths[0])


def licence_of(headers: Mapping[str, Header]) -> str:
    """What the author says in the first of these files, sorted by path; empty: unknown."""
    return claimed(next(iter(headers.values())).metadata.get("general.license"))


def _check_set(paths: list[str], headers: Mapping[str, Header]) -> None:
    """Every shard is there once, and each says of itself what its name says."""
    named = [_SHARD.fullmatch(path[: -len(ENDING)]) for path in paths]
    count = int(named[0][3]) if named[0] else 1
    if not 1 <= count <= MAX_SHARDS:
        refuse(paths[0], f"is one of {count} shards; 1 to {MAX_SHARDS} are read")
    numbers = [int(name[2]) if name else 1 for name in named]
    totals = {int(name[3]) if name else 1 for name in named}
    if totals != {count} or numbers != list(range(1, count + 1)):
        refuse(paths[0], f"is a part of {count}, and they are not all there; get the others too")
    for number, path in enumerate(paths):
        _check_shard(path, headers[path], number, count)
    said = headers[paths[0]].metadata.get("split.tensors.count")
    held = sum(len(header.tensors) for header in headers.values())
    if count > 1 and said != held:
        refuse(paths[0], f"says {str(said)[:20]} tensors are in all shards, which hold {held}")


def _check_shard(path: str, header: Header, number: int, count: int) -> None:
    said = (header.metadata.get("split.no", 0), header.metadata.get("split.count", 1))
    # A file that was never split may say that it has no shards at all.
    if said not in ((number, count), *([(0, 0)] if count == 1 else [])):
        refuse(
            path, f"says it is shard {said[0]} of {said[1]}, but is {number} of {count} by its name"
        )
