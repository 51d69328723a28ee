"""Where a log's hashes and entries lie when it is served as files (c2sp.org/tlog-tiles). Pure."""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Self

WIDTH: Final = 256
HEIGHT: Final = 8
MAX_ENTRY_BYTES: Final = 2**16 - 1
ENTRIES: Final = "entries"

_PATH: Final = re.compile(
    r"tile/(entries|[0-9]|[1-5][0-9]|6[0-3])/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?"
)


class TileInvalid(ValueError):
    """A path or bytes that are not those of a tile."""


@dataclass(frozen=True, slots=True)
class Tile:
    """One file: hashes of a level, or (level None) the entries under one tile of level 0."""

    level: int | None
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        digits = f"{self.index:03d}"
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        number = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{ENTRIES if self.level is None else self.level}/{number}{partial}"

    @classmethod
    def parse(cls, path: str) -> Self:
        found = _PATH.fullmatch(path)
        if found is None:
            raise TileInvalid("a tile's path reads tile/LEVEL/NUMBER, or tile/LEVEL/NUMBER.p/WIDTH")
        level, number, width = found.groups()
        index = int(number.replace("x", "").replace("/", ""))
        tile = cls(None if level == ENTRIES else int(level), index, int(width or WIDTH))
        if tile.width > WIDTH or tile.path != path:
            raise TileInvalid("a partial tile has 1 to 255 hashes, and a number no needless zeroes")
        return tile


def hash_tiles(size: int) -> Iterator[Tile]:
    """Return every tile of hashes that a tree of `size` leaves has, level by level."""
    level, count = 0, size
    while count:
        yield from _row(level, count)
        level, count = level + 1, count // WIDTH


def leaf_tiles(size: int, first: int = 0) -> Iterator[Tile]:
    """Return the tiles of level 0 alone, from number `first` on."""
    return _row(0, size, first)


def entry_bundles(size: int, first: int = 0) -> Iterator[Tile]:
    return _row(None, size, first)


def _row(level: int | None, count: int, first: int = 0) -> Iterator[Tile]:
    full, partial = divmod(count, WIDTH)
    yield from (Tile(level, index) for index in range(first, full))
    if partial and first <= full:
        yield Tile(level, full, partial)


def bundle(entries: Iterable[bytes]) -> bytes:
    """Return an entry bundle: each entry behind its length in two bytes, big-endian."""
    parts: list[bytes] = []
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise TileInvalid(f"an entry has at most {MAX_ENTRY_BYTES} bytes")
        parts += (struct.pack(">H", len(entry)), entry)
    return b"".join(parts)


def entries_of(encoded: bytes) -> Iterator[bytes]:
    """Read an entry bundle to its last byte, or raise TileInvalid."""
    at = 0
    while at < len(encoded):
        start = at + 2
        if start > len(encoded):
            raise TileInvalid("an entry bundle ends inside a length")
        end = start + struct.unpack_from(">H", encoded, at)[0]
        if end > len(encoded):
            raise TileInvalid("an entry bundle ends inside an entry")
        yield encoded[start:end]
        at = end
