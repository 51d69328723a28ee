"""The only place that writes an export's tiles: what arrives is hashed, counted and laid out.

The server sends events and, for those before the export, their hashes. Every tile above is computed
here, so the root at the end is this program's own finding and not the server's word.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from app.cli.outcomes import CommandError
from app.evidence.merkle import HASH_BYTES, Frontier, leaf_hash
from app.evidence.tiles import HEIGHT, MAX_ENTRY_BYTES, WIDTH, Tile, TileInvalid, entries_of

_LENGTH: Final = 4
_LARGEST_BUNDLE: Final = WIDTH * (MAX_ENTRY_BYTES + 2)


class TreeWriter:
    """Takes tiles of level 0, or bundles, in order; `roots_at` are sizes whose root is wanted."""

    def __init__(self, directory: Path, roots_at: Iterable[int] = ()) -> None:
        self._directory = directory
        self._frontier = Frontier()
        self._levels: list[list[bytes]] = [[]]
        self._written: list[int] = [0]
        self._wanted = sorted(set(roots_at))
        self.roots: dict[int, bytes] = {}
        self.bundles = 0

    @property
    def size(self) -> int:
        return self._frontier.size

    @property
    def tiles(self) -> int:
        return sum(self._written)

    @property
    def root(self) -> bytes:
        return self._frontier.root()

    def take_leaves(self, tile: bytes) -> None:
        """Take a tile of level 0: the hashes of events whose bodies are not in the export."""
        if not tile or len(tile) % HASH_BYTES or len(tile) > WIDTH * HASH_BYTES:
            raise CommandError("The server sent a tile of hashes with the wrong length.")
        self._take([tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)])

    def take_bundle(self, bundle: bytes) -> None:
        """Take an entry bundle and keep it; its hashes are computed here."""
        try:
            leaves = [leaf_hash(entry) for entry in entries_of(bundle)]
        except TileInvalid as error:
            raise CommandError(f"The server sent a bundle that is cut: {error}.") from error
        if not 0 < len(leaves) <= WIDTH:
            raise CommandError("The server sent a bundle with the wrong number of events.")
        tile = Tile(None, self.size // WIDTH, len(leaves))
        self._take(leaves)
        self._write(tile, bundle)
        self.bundles += 1

    def finish(self) -> None:
        """Write the tiles that are not full: those at the right edge of the tree."""
        for level, hashes in enumerate(self._levels):
            if hashes:
                self._write_hashes(level, hashes)

    def _take(self, leaves: list[bytes]) -> None:
        if self.size % WIDTH:
            raise CommandError("The server sent more after a tile that was not full.")
        before = self._frontier
        while self._wanted and self._wanted[0] <= before.size + len(leaves):
            size = self._wanted.pop(0)
            self.roots[size] = before.append(leaves[: size - before.size]).root()
        self._frontier = before.append(leaves, self._completed)
        self._add(0, leaves)

    def _completed(self, height: int, _index: int, root: bytes) -> None:
        level, between = divmod(height, HEIGHT)
        if level and not between:
            self._add(level, [root])

    def _add(self, level: int, hashes: list[bytes]) -> None:
        if level == len(self._levels):
            self._levels.append([])
            self._written.append(0)
        held = self._levels[level]
        held += hashes
        if len(held) == WIDTH:
            self._write_hashes(level, held)
            held.clear()

    def _write_hashes(self, level: int, hashes: list[bytes]) -> None:
        tile = Tile(level, self._written[level], len(hashes))
        self._write(tile, b"".join(hashes))
        self._written[level] += 1

    def _write(self, tile: Tile, content: bytes) -> None:
        file = self._directory / tile.path
        try:
            file.write_bytes(content)
        except FileNotFoundError:
            file.parent.mkdir(parents=True)
            file.write_bytes(content)


def frames(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Take a bulk answer apart: each frame stands behind its length in four bytes, big-endian."""
    held = bytearray()
    for piece in pieces:
        held += piece
        at = 0
        while len(held) - at >= _LENGTH:
            end = at + _LENGTH + int.from_bytes(held[at : at + _LENGTH], "big")
            if end - at > _LENGTH + _LARGEST_BUNDLE:
                raise CommandError("The server sent a frame that is larger than any tile.")
            if end > len(held):
                break
            yield bytes(held[at + _LENGTH : end])
            at = end
        del held[:at]
    if held:
        raise CommandError("The server's answer ended inside a tile. Start the export again.")


Fetch = Callable[[str, Mapping[str, int]], Iterator[bytes]]
"""(of, query) -> the pieces of a bulk answer."""


def fetch_tree(
    tree: TreeWriter, fetch: Fetch, *, first_bundle: int, size: int, told: Callable[[int], None]
) -> None:
    """Fill `tree`: hashes up to `first_bundle`, events from there on. `told` gets its size."""
    tiles = -(-size // WIDTH)
    for of, take, start, end in (
        ("leaves", tree.take_leaves, 0, first_bundle),
        ("entries", tree.take_bundle, first_bundle, tiles),
    ):
        at = start
        while at < end:
            got = 0
            for frame in frames(fetch(of, {"first": at, "count": end - at, "size": size})):
                take(frame)
                told(tree.size)
                got += 1
            if not 0 < got <= end - at:
                raise CommandError("The server sent another number of tiles than was asked for.")
            at += got
    tree.finish()
