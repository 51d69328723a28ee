"""Goes through a range of an export's tiles: entries against hashes, hashes into roots."""

from dataclasses import dataclass
from pathlib import Path

from app.evidence.merkle import HASH_BYTES, leaf_hash
from app.evidence.tiles import WIDTH, Tile, TileInvalid, entries_of
from app.evidence.verification.bodies import BodyInvalid, examined
from app.evidence.verification.findings import Part
from app.evidence.verification.quick import leaves_if_canonical
from app.evidence.verification.results import NOTHING, Scanned, joined, note_roots


@dataclass(frozen=True, slots=True)
class ExportTask:
    """Events `first` to `last` of `size`; `sizes`: where the root will be wanted."""

    directory: str
    first: int
    last: int
    bodies_from: int
    size: int
    sizes: frozenset[int]


def exported(task: ExportTask) -> Scanned:
    result = Scanned(task.first, task.last)
    for first in range(task.first, task.last + 1, WIDTH):
        last = min(first + WIDTH - 1, task.last)
        recorded = _hashes(task, first, last, result)
        leaves = recorded
        if first >= task.bodies_from:
            leaves = _leaves(task, first, last, result)
        for seq, (leaf, known) in enumerate(zip(leaves, recorded, strict=True), first):
            if leaf != known and NOTHING not in (leaf, known):
                result.mismatched.append(seq)
        wanted = {size for size in task.sizes if first <= size <= last}
        if last == task.last:
            wanted.add(last)
        note_roots(
            result, last, wanted, joined(leaves), joined(recorded) if recorded != leaves else None
        )
    return result


def hashes_in(directory: Path, tile: Tile) -> list[bytes] | None:
    """Return a tile's hashes; None where it is missing or has the wrong length."""
    try:
        content = (directory / tile.path).read_bytes()
    except OSError:
        return None
    if len(content) != tile.width * HASH_BYTES:
        return None
    return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]


def _hashes(task: ExportTask, first: int, last: int, result: Scanned) -> list[bytes]:
    tile = Tile(0, (first - 1) // WIDTH, last - first + 1)
    found = hashes_in(Path(task.directory), tile)
    if found is None:
        result.findings.add(Part.NODE, first, f"{tile.path} is missing, or has the wrong length.")
        result.missing.add(tile.index)
    return found or [NOTHING] * tile.width


def _leaves(task: ExportTask, first: int, last: int, result: Scanned) -> list[bytes]:
    tile = Tile(None, (first - 1) // WIDTH, last - first + 1)
    try:
        entries = list(entries_of((Path(task.directory) / tile.path).read_bytes()))
    except OSError as error:
        return _absent(tile, first, f"{tile.path} cannot be read: {error.strerror}.", result)
    except TileInvalid as error:
        return _absent(tile, first, f"{tile.path} is damaged: {error}.", result)
    if len(entries) != tile.width:
        why = f"{tile.path} has {len(entries):,} events instead of {tile.width:,}."
        return _absent(tile, first, why, result)
    leaves = leaves_if_canonical(first, entries)
    if leaves is not None:
        return leaves
    for seq, body in enumerate(entries, first):
        try:
            examined(body, seq, None)
        except BodyInvalid as error:
            result.findings.add(Part.EVENT, seq, f"Event {seq:,} {error}.")
    return [leaf_hash(body) for body in entries]


def _absent(tile: Tile, first: int, why: str, result: Scanned) -> list[bytes]:
    result.findings.add(Part.EVENT, first, why)
    result.missing.add(tile.index)
    return [NOTHING] * tile.width
