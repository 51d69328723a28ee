"""Tiles and entry bundles lie where c2sp.org/tlog-tiles says, byte for byte."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.tiles import Tile, TileInvalid, bundle, entries_of, entry_bundles, hash_tiles

PATHS = {
    "tile/0/x001/x234/067": Tile(0, 1234067),
    "tile/0/000": Tile(0, 0),
    "tile/0/999": Tile(0, 999),
    "tile/1/x001/000.p/17": Tile(1, 1000, 17),
    "tile/63/000": Tile(63, 0),
    "tile/63/000.p/1": Tile(63, 0, 1),
    "tile/entries/000.p/255": Tile(None, 0, 255),
    "tile/entries/x001/x234/067": Tile(None, 1234067),
    "tile/0/x999/x999/x999/x999/x999/x999/999": Tile(0, 10**21 - 1),
}
BAD_PATHS = [
    "",
    "tile/0",
    "tile/0/",
    "tile/0/0",
    "tile/0/00",
    "tile/0/0000",
    "tile/0/1234067",
    "tile/0/x000/001",
    "tile/0/x000/x001/000",
    "tile/0/x001/x234/x067",
    "tile/0/001/234",
    "tile/0/X001/234",
    "tile/0/-01",
    "tile/0/٠٠١",
    "tile/00/000",
    "tile/64/000",
    "tile/-1/000",
    "tile/8/0/000",
    "tile/0/000.p/0",
    "tile/0/000.p/256",
    "tile/0/000.p/007",
    "tile/0/000.p/",
    "tile/0/000.p",
    "tile/0/000.p/-1",
    "tile/0/000.p/1/2",
    "/tile/0/000",
    "tile/0/000/",
    "tile/0/000\n",
    "tile//000",
    "tile/0/../000",
    "tile/data/000",
    "tile/entries/entries",
    "tile/0/" + "x001/" * 7 + "000",
    "tile/0/" + "x001/" * 3000 + "000",
]


@pytest.mark.parametrize("path", PATHS)
def test_paths_are_read_and_written(path: str) -> None:
    assert Tile.parse(path) == PATHS[path]
    assert PATHS[path].path == path


@pytest.mark.parametrize("path", BAD_PATHS)
def test_what_is_not_a_tiles_path_is_refused(path: str) -> None:
    with pytest.raises(TileInvalid):
        Tile.parse(path)


@given(st.none() | st.integers(0, 63), st.integers(0, 2**56), st.integers(1, 256))
def test_every_tile_has_one_path(level: int | None, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert Tile.parse(tile.path) == tile


def test_a_tree_of_70000_has_the_tiles_of_the_specification() -> None:
    tiles = list(hash_tiles(70_000))
    full = Counter(tile.level for tile in tiles if tile.width == 256)
    assert full == {0: 273, 1: 1}
    assert {tile.path for tile in tiles if tile.width < 256} == {
        "tile/0/273.p/112",
        "tile/1/001.p/17",
        "tile/2/000.p/1",
    }


@pytest.mark.parametrize(
    ("size", "paths"),
    [
        (0, []),
        (1, ["tile/0/000.p/1"]),
        (255, ["tile/0/000.p/255"]),
        (256, ["tile/0/000", "tile/1/000.p/1"]),
        (257, ["tile/0/000", "tile/0/001.p/1", "tile/1/000.p/1"]),
    ],
)
def test_small_trees_have_no_empty_tile(size: int, paths: list[str]) -> None:
    assert [tile.path for tile in hash_tiles(size)] == paths
    bundles = [tile.path.replace("entries", "0") for tile in entry_bundles(size)]
    assert bundles == [path for path in paths if path.startswith("tile/0/")]


@given(st.integers(0, 300_000))
def test_a_level_has_as_many_hashes_as_the_level_below_has_full_tiles(size: int) -> None:
    levels: dict[int | None, int] = Counter()
    for tile in hash_tiles(size):
        levels[tile.level] += tile.width
    below = size
    for level in range(len(levels)):
        assert levels[level] == below
        below //= 256
    assert below == 0
    assert sum(tile.width for tile in entry_bundles(size)) == size


def test_an_entry_stands_behind_its_length() -> None:
    encoded = bundle([b"", b"ab", b"\0" * 256])
    assert encoded == b"\0\0" + b"\0\x02ab" + b"\x01\0" + b"\0" * 256
    assert list(entries_of(encoded)) == [b"", b"ab", b"\0" * 256]
    assert list(entries_of(b"")) == []


def test_an_entry_has_at_most_65535_bytes() -> None:
    largest = b"x" * 65_535
    assert list(entries_of(bundle([largest, b"y"]))) == [largest, b"y"]
    with pytest.raises(TileInvalid, match="65535"):
        bundle([largest + b"x"])


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_bundle_with_missing_bytes_is_refused(cut: int) -> None:
    encoded = bundle([b"first", b"ab"])
    whole = list(entries_of(encoded))
    assert whole == [b"first", b"ab"]
    if cut == 4:  # exactly one entry less: the bytes alone cannot tell, the tile of hashes does
        assert list(entries_of(encoded[:-cut])) == [b"first"]
        return
    with pytest.raises(TileInvalid, match="ends inside"):
        list(entries_of(encoded[:-cut]))


@pytest.mark.parametrize("tail", [b"\0", b"\0\x01", b"\xff\xff" + b"x" * 65_534])
def test_a_bundle_with_trailing_bytes_is_refused(tail: bytes) -> None:
    with pytest.raises(TileInvalid, match="ends inside"):
        list(entries_of(bundle([b"first"]) + tail))


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_entries_come_back_as_they_were(entries: list[bytes]) -> None:
    assert list(entries_of(bundle(entries))) == entries
