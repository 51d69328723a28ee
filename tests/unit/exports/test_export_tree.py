"""The tiles that the command line lays out are those of the tree, however the bytes arrive."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cli.export_tree import TreeWriter, fetch_tree, frames
from app.cli.outcomes import CommandError
from app.evidence.merkle import leaf_hash, root
from app.evidence.tiles import bundle, hash_tiles


def entries(size: int) -> list[bytes]:
    return [b"%d" % seq for seq in range(1, size + 1)]


def framed(parts: list[bytes]) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


@pytest.mark.parametrize("size", [1, 255, 256, 257, 512, 700, 65_536, 65_537, 66_000])
def test_all_tiles_are_there_and_lead_to_the_root(tmp_path: Path, size: int) -> None:
    bodies = entries(size)
    leaves = [leaf_hash(body) for body in bodies]
    tree = TreeWriter(tmp_path, [1, size // 2 or 1, size])
    for at in range(0, size, 256):
        if at < size // 3:
            tree.take_leaves(b"".join(leaves[at : at + 256]))
        else:
            tree.take_bundle(bundle(bodies[at : at + 256]))
    tree.finish()
    assert tree.root == root(leaves)
    assert tree.roots == {n: root(leaves[:n]) for n in (1, size // 2 or 1, size)}
    expected = list(hash_tiles(size))
    assert tree.tiles == len(expected)
    for tile in expected:
        span = 256**tile.level if tile.level else 1
        spans = range(tile.index * 256, tile.index * 256 + tile.width)
        held = (tmp_path / tile.path).read_bytes()
        assert held == b"".join(root(leaves[i * span : (i + 1) * span]) for i in spans)
    found = {f.relative_to(tmp_path).as_posix() for f in tmp_path.rglob("*") if f.is_file()}
    assert {tile.path for tile in expected} <= found


@settings(max_examples=50)
@given(parts=st.lists(st.binary(max_size=50), max_size=9), cut=st.integers(1, 17))
def test_frames_come_apart_wherever_the_pieces_are_cut(parts: list[bytes], cut: int) -> None:
    whole = framed(parts)
    pieces = [whole[at : at + cut] for at in range(0, len(whole), cut)]
    assert list(frames(pieces)) == parts


@pytest.mark.parametrize("spoilt", [b"\0", b"\0\0\0\x05abcd", b"\xff\xff\xff\xff"])
def test_frames_that_are_cut_or_too_large_are_refused(spoilt: bytes) -> None:
    with pytest.raises(CommandError):
        list(frames([framed([b"x"]), spoilt]))


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [bundle(entries(256)), bundle(entries(1)), bundle(entries(1))],
        [bundle(entries(1)), bundle(entries(1))],
        [bundle(entries(257))],
        [b""],
        [b"\0\x05abc"],
    ],
)
def test_an_answer_with_other_tiles_than_were_asked_for_is_refused(
    tmp_path: Path, answer: list[bytes]
) -> None:
    with pytest.raises(CommandError):
        fetch_tree(
            TreeWriter(tmp_path),
            lambda _of, _query: iter([framed(answer)]),
            first_bundle=0,
            size=257,
            told=lambda _: None,
        )
