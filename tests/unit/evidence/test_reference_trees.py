"""The tree against the reference vectors of Certificate Transparency (RFC 6962's own test data)."""

import hashlib

import pytest

from app.evidence import merkle
from app.evidence.merkle import Frontier, ProofInvalid, Subtree, leaf_hash, node_hash

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
_A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
_B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
_C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
_D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
_E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
_F = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
INCLUSION = [
    (0, 1, []),
    (0, 8, [_A, _B, _C]),
    (5, 8, [_D, _E, ROOTS[4]]),
    (2, 3, [ROOTS[2]]),
    (1, 5, [ROOTS[1], _B, _D]),
]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, [_A, _B, _C]),
    (6, 8, [_F, _E, ROOTS[4]]),
    (2, 5, [_B, _D]),
]


def _stored(hashes: list[bytes]) -> Subtree:
    def subtree(height: int, index: int) -> bytes:
        if height == 0:
            return hashes[index]
        return node_hash(subtree(height - 1, 2 * index), subtree(height - 1, 2 * index + 1))

    return subtree


HASHES = [leaf_hash(leaf) for leaf in LEAVES]
TREE = _stored(HASHES)


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_reference_ones(size: int) -> None:
    assert merkle.root(HASHES[:size]).hex() == ROOTS[size]
    assert merkle.root_of(size, TREE).hex() == ROOTS[size]
    assert merkle.frontier(size, TREE) == Frontier().append(HASHES[:size])


@pytest.mark.parametrize(("index", "size", "proof"), INCLUSION)
def test_inclusion_proofs_are_the_reference_ones(index: int, size: int, proof: list[str]) -> None:
    found = merkle.inclusion_proof(index, size, TREE)
    assert [item.hex() for item in found] == proof
    merkle.verify_inclusion(HASHES[index], index, size, found, bytes.fromhex(ROOTS[size]))


@pytest.mark.parametrize(("old", "new", "proof"), CONSISTENCY)
def test_consistency_proofs_are_the_reference_ones(old: int, new: int, proof: list[str]) -> None:
    found = merkle.consistency_proof(old, new, TREE)
    assert [item.hex() for item in found] == proof
    roots = [bytes.fromhex(root) for root in ROOTS]
    merkle.verify_consistency(old, roots[old], new, roots[new], found)


def test_a_node_offered_as_a_leaf_is_refused() -> None:
    """Second preimage: the two children's bytes as a body do not hash to the node above them."""
    body = HASHES[0] + HASHES[1]
    assert leaf_hash(body) != node_hash(HASHES[0], HASHES[1])
    root = bytes.fromhex(ROOTS[2])
    with pytest.raises(ProofInvalid):
        merkle.verify_inclusion(leaf_hash(body), 0, 1, [], root)
    # Without the leaf's own prefix, the same bytes would have been a leaf of that tree.
    assert hashlib.sha256(b"\x01" + body).digest() == root


@pytest.mark.parametrize(
    ("index", "size"), [(-1, 8), (8, 8), (0, 0), (2**63, 8), (0, -1), (5, 2**64)]
)
def test_a_place_outside_the_tree_has_no_inclusion_proof(index: int, size: int) -> None:
    with pytest.raises(ProofInvalid):
        merkle.verify_inclusion(HASHES[0], index, size, [], bytes.fromhex(ROOTS[1]))
    if size <= 8:
        with pytest.raises(ProofInvalid):
            merkle.inclusion_proof(index, size, TREE)


@pytest.mark.parametrize(("old", "new"), [(-1, 8), (9, 8), (1, 0), (1, -1)])
def test_sizes_that_do_not_follow_have_no_consistency_proof(old: int, new: int) -> None:
    root = bytes.fromhex(ROOTS[8])
    with pytest.raises(ProofInvalid):
        merkle.consistency_proof(old, new, TREE)
    with pytest.raises(ProofInvalid):
        merkle.verify_consistency(old, root, new, root, [])


def test_the_empty_tree_is_consistent_with_every_tree_and_only_by_an_empty_proof() -> None:
    root = bytes.fromhex(ROOTS[8])
    merkle.verify_consistency(0, merkle.EMPTY_ROOT, 8, root, [])
    with pytest.raises(ProofInvalid, match="too long"):
        merkle.verify_consistency(0, merkle.EMPTY_ROOT, 8, root, [root])
    with pytest.raises(ProofInvalid, match="empty tree"):
        merkle.verify_consistency(0, bytes(32), 8, root, [])
    with pytest.raises(ProofInvalid, match="two roots"):
        merkle.verify_consistency(8, root, 8, bytes(32), [])


def test_hashes_of_another_length_are_refused() -> None:
    root = bytes.fromhex(ROOTS[8])
    proof = merkle.inclusion_proof(0, 8, TREE)
    for bad in (proof[0][:31], proof[0] + b"\0", b""):
        with pytest.raises(ProofInvalid, match="32 bytes"):
            merkle.verify_inclusion(HASHES[0], 0, 8, [bad, *proof[1:]], root)
        with pytest.raises(ProofInvalid, match="32 bytes"):
            merkle.verify_inclusion(bad, 0, 8, proof, root)
        with pytest.raises(ValueError, match="32 bytes"):
            Frontier(1, (bad,))


@pytest.mark.parametrize("size", [-1, 0, 3, 6])
def test_a_frontier_has_one_root_for_every_bit_of_its_size(size: int) -> None:
    with pytest.raises(ValueError, match="cannot make up"):
        Frontier(size, (bytes(32),))


def test_a_subtree_is_announced_once_it_is_complete() -> None:
    seen: list[tuple[int, int, bytes]] = []
    Frontier().append(HASHES, lambda height, index, root: seen.append((height, index, root)))
    assert [(height, index) for height, index, _ in seen] == [
        (1, 0),
        (1, 1),
        (2, 0),
        (1, 2),
        (1, 3),
        (2, 1),
        (3, 0),
    ]
    assert all(root == TREE(height, index) for height, index, root in seen)


def test_a_forks_own_proof_shows_which_root_it_gives_the_older_tree() -> None:
    other = _stored([*HASHES[:3], *(leaf_hash(b"other%d" % n) for n in range(5))])
    old_root, root = merkle.root_of(6, other), merkle.root_of(8, other)
    proof = merkle.consistency_proof(6, 8, other)
    assert merkle.implied_old_root(6, 8, root, proof) == old_root != bytes.fromhex(ROOTS[6])
    assert merkle.implied_old_root(6, 8, bytes(32), proof) is None
    assert merkle.implied_old_root(6, 8, root, proof[:-1]) is None
    assert merkle.implied_old_root(6, 8, root, [*proof, root]) is None
    assert merkle.implied_old_root(6, 8, root, []) is None
    # A power of two: the proof begins with the old root that the reader already has.
    proof = merkle.consistency_proof(4, 8, other)
    assert merkle.implied_old_root(4, 8, root, proof) is None
