"""Proofs hold if and only if they are for this leaf, this place, this size and this root."""

import hashlib
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence import merkle
from app.evidence.merkle import ProofInvalid, leaf_hash, node_hash

SIZES = st.integers(1, 300)
HASHES = [leaf_hash(str(number).encode()) for number in range(300)]


@cache
def naive_root(start: int, end: int) -> bytes:
    """RFC 6962's MTH over leaves `start` to `end`, word for word."""
    if start == end:
        return hashlib.sha256(b"").digest()
    if end - start == 1:
        return hashlib.sha256(b"\x00" + str(start).encode()).digest()
    k = 1
    while k * 2 < end - start:
        k *= 2
    halves = naive_root(start, start + k) + naive_root(start + k, end)
    return hashlib.sha256(b"\x01" + halves).digest()


def naive_path(m: int, start: int, end: int) -> list[bytes]:
    """RFC 6962's PATH(m, D[start:end]), m counted from `start`."""
    if end - start == 1:
        return []
    k = 1
    while k * 2 < end - start:
        k *= 2
    if m < k:
        return [*naive_path(m, start, start + k), naive_root(start + k, end)]
    return [*naive_path(m - k, start + k, end), naive_root(start, start + k)]


def naive_subproof(m: int, start: int, end: int, *, whole: bool) -> list[bytes]:
    """RFC 6962's SUBPROOF(m, D[start:end], b)."""
    if m == end - start:
        return [] if whole else [naive_root(start, end)]
    k = 1
    while k * 2 < end - start:
        k *= 2
    if m <= k:
        return [*naive_subproof(m, start, start + k, whole=whole), naive_root(start + k, end)]
    return [*naive_subproof(m - k, start + k, end, whole=False), naive_root(start, start + k)]


@cache
def subtree(height: int, index: int) -> bytes:
    if height == 0:
        return HASHES[index]
    return node_hash(subtree(height - 1, 2 * index), subtree(height - 1, 2 * index + 1))


def test_every_size_has_the_rfcs_root() -> None:
    grown = merkle.Frontier()
    for size in range(301):
        expected = naive_root(0, size)
        assert merkle.root_of(size, subtree) == grown.root() == expected
        assert merkle.root(HASHES[:size]) == expected
        if size < 300:
            grown = grown.append([HASHES[size]])


def test_every_leaf_of_every_small_size_has_the_rfcs_path() -> None:
    for size in range(1, 70):
        for index in range(size):
            proof = merkle.inclusion_proof(index, size, subtree)
            assert proof == naive_path(index, 0, size)
            merkle.verify_inclusion(HASHES[index], index, size, proof, naive_root(0, size))


def test_every_pair_of_small_sizes_has_the_rfcs_consistency_proof() -> None:
    for new in range(70):
        for old in range(new + 1):
            proof = merkle.consistency_proof(old, new, subtree)
            if 0 < old < new:
                assert proof == naive_subproof(old, 0, new, whole=True)
            merkle.verify_consistency(old, naive_root(0, old), new, naive_root(0, new), proof)


@st.composite
def spoiled(draw: st.DrawFn, proof: list[bytes]) -> list[bytes]:
    """The proof with one bit flipped, one hash more, one fewer, or two of them swapped."""
    kinds = ["more"] if not proof else ["flip", "more", "fewer", "swap"]
    kind, at = draw(st.sampled_from(kinds)), draw(st.integers(0, max(0, len(proof) - 1)))
    if kind == "flip":
        bit = draw(st.integers(0, 255))
        flipped = bytearray(proof[at])
        flipped[bit // 8] ^= 1 << (bit % 8)
        return [*proof[:at], bytes(flipped), *proof[at + 1 :]]
    if kind == "more":
        extra = draw(st.sampled_from([*proof, bytes(32), merkle.EMPTY_ROOT]))
        at = draw(st.integers(0, len(proof)))
        return [*proof[:at], extra, *proof[at:]]
    if kind == "fewer":
        return [*proof[:at], *proof[at + 1 :]]
    return [*proof[at:], *proof[:at]]


@given(SIZES, st.data())
def test_an_inclusion_proof_holds_for_its_own_leaf_place_size_and_root_only(
    size: int, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, size - 1))
    root, leaf = naive_root(0, size), HASHES[index]
    proof = merkle.inclusion_proof(index, size, subtree)
    merkle.verify_inclusion(leaf, index, size, proof, root)

    other_leaf = data.draw(st.binary(min_size=32, max_size=32))
    other_root = data.draw(st.binary(min_size=32, max_size=32))
    other_index, other_size = data.draw(st.integers(-1, 310)), data.draw(st.integers(-1, 310))
    other_proof = data.draw(spoiled(proof))
    wrong = [
        (other_leaf, index, size, proof, root, other_leaf == leaf),
        (leaf, other_index, size, proof, root, other_index == index),
        (leaf, index, size, other_proof, root, other_proof == proof),
        (leaf, index, size, proof, other_root, other_root == root),
        # A path of one size may be the path of another size too, but never under its root.
        (
            leaf,
            index,
            other_size,
            proof,
            naive_root(0, max(0, min(other_size, 300))),
            other_size == size,
        ),
    ]
    for a_leaf, an_index, a_size, a_proof, a_root, same in wrong:
        if not same:
            with pytest.raises(ProofInvalid):
                merkle.verify_inclusion(a_leaf, an_index, a_size, a_proof, a_root)


def _proof(old: int, new: int) -> list[bytes]:
    """An empty proof is the right one for two pairs: from nothing, and from the size itself."""
    return merkle.consistency_proof(old, new, subtree)


@given(SIZES, st.data())
def test_a_consistency_proof_holds_for_its_own_sizes_and_roots_only(
    new: int, data: st.DataObject
) -> None:
    old = data.draw(st.integers(0, new))
    old_root, root = naive_root(0, old), naive_root(0, new)
    proof = merkle.consistency_proof(old, new, subtree)
    merkle.verify_consistency(old, old_root, new, root, proof)
    if 0 < old < new and old & (old - 1):
        assert merkle.implied_old_root(old, new, root, proof) == old_root

    other = data.draw(st.binary(min_size=32, max_size=32))
    other_proof = data.draw(spoiled(proof))
    other_old, other_new = data.draw(st.integers(0, new)), data.draw(st.integers(old, 300))
    wrong = [
        (old, other, new, root, proof, other == old_root),
        # An empty log is the beginning of every log, whatever its root.
        (old, old_root, new, other, proof, other == root or (old == 0 and new > 0)),
        (old, old_root, new, root, other_proof, other_proof == proof),
        (other_old, naive_root(0, other_old), new, root, proof, proof == _proof(other_old, new)),
        # A proof may have the shape of another size's; the root of that size it does not lead to.
        (old, old_root, other_new, naive_root(0, other_new), proof, other_new == new or old == 0),
    ]
    for an_old, an_old_root, a_new, a_root, a_proof, same in wrong:
        if not same:
            with pytest.raises(ProofInvalid):
                merkle.verify_consistency(an_old, an_old_root, a_new, a_root, a_proof)


@given(st.integers(2, 300), st.data())
def test_a_tree_that_was_rewritten_below_the_old_size_is_never_consistent(
    new: int, data: st.DataObject
) -> None:
    """The fork's own, honestly made proofs do not lead from the root that was remembered."""
    old = data.draw(st.integers(1, new))
    at = data.draw(st.integers(0, old - 1))
    hashes = [*HASHES[:at], leaf_hash(b"rewritten"), *HASHES[at + 1 :]]

    def rewritten(height: int, index: int) -> bytes:
        return merkle.root(hashes[index << height : (index + 1) << height])

    proof = merkle.consistency_proof(old, new, rewritten)
    root = merkle.root_of(new, rewritten)
    with pytest.raises(ProofInvalid):
        merkle.verify_consistency(old, naive_root(0, old), new, root, proof)
    implied = merkle.implied_old_root(old, new, root, proof)
    assert implied in (None, merkle.root_of(old, rewritten))
