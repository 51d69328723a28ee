"""The only place that hashes the tree: RFC 6962 leaves, nodes and roots, RFC 9162 proofs. Pure.

Leaves are numbered from 0, as the RFCs do: event `seq` is leaf `seq - 1`. Hashes are 32 bytes.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
HASH_BYTES: Final = 32

Subtree = Callable[[int, int], bytes]
"""(height, index) -> hash of the complete subtree over leaves index * 2^height onwards."""

Completed = Callable[[int, int, bytes], None]
"""(height, index, hash) of a subtree that has just become complete."""


class ProofInvalid(ValueError):
    """A proof that does not prove what it was given for; the message says which part."""


def leaf_hash(body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """The roots of the complete subtrees that make up a tree, largest first: enough to grow it.

    For `size` leaves there is one root for every bit that is set in `size`.
    """

    size: int = 0
    roots: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.roots) != self.size.bit_count():
            raise ValueError(f"{len(self.roots)} subtree roots cannot make up {self.size} leaves")
        if any(len(root) != HASH_BYTES for root in self.roots):
            raise ValueError("a subtree root has 32 bytes")

    def append(self, leaves: Iterable[bytes], completed: Completed | None = None) -> Self:
        """Return the frontier after these leaf hashes; `completed` is told of each new subtree."""
        size, roots = self.size, list(self.roots)
        for leaf in leaves:
            joined, index, height = leaf, size, 0
            while index & 1:
                joined = node_hash(roots.pop(), joined)
                index, height = index >> 1, height + 1
                if completed is not None:
                    completed(height, index, joined)
            roots.append(joined)
            size += 1
        return type(self)(size, tuple(roots))

    def root(self) -> bytes:
        return _fold(self.roots)


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the root over leaf hashes, in one pass and logarithmic memory."""
    return Frontier().append(leaves).root()


def frontier(size: int, subtree: Subtree) -> Frontier:
    """Return the frontier of the first `size` leaves of a stored tree."""
    return Frontier(size, tuple(subtree(height, index) for height, index in _covering(0, size)))


def root_of(size: int, subtree: Subtree) -> bytes:
    return frontier(size, subtree).root()


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """Return RFC 9162's PATH for leaf `index` of the first `size`, from the leaf upwards."""
    if not 0 <= index < size:
        raise ProofInvalid(f"a tree of {size} has no leaf {index}")
    return _path(index, 0, size, subtree)


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """Return RFC 9162's PROOF that the first `old` leaves begin the first `new`."""
    if not 0 <= old <= new:
        raise ProofInvalid(f"a tree of {new} does not contain one of {old}")
    return [] if old in (0, new) else _subproof(old, 0, new, subtree, whole=True)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], expected: bytes
) -> None:
    """RFC 9162, 2.1.3.2. Raise ProofInvalid unless `leaf` is number `index` under the root."""
    if not 0 <= index < size:
        raise ProofInvalid(f"a tree of {size} has no leaf {index}")
    _check_lengths(proof, leaf, expected)
    number, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofInvalid("the inclusion proof is too long")
        if number & 1 or number == last:
            found = node_hash(sibling, found)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the inclusion proof is too short")
    if found != expected:
        raise ProofInvalid(f"leaf {index} is not under this root")


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    """RFC 9162, 2.1.4.2. Raise ProofInvalid unless the new tree begins with the old one."""
    if not 0 <= old <= new:
        raise ProofInvalid(f"a tree of {new} does not contain one of {old}")
    _check_lengths(proof, old_root, new_root)
    if old in (0, new):
        _check_trivial(old, old_root, new, new_root, proof)
        return
    if not proof:
        raise ProofInvalid("the consistency proof is too short")
    path = [old_root, *proof] if _complete(old) else proof
    from_old, from_new = _both_roots(old, new, path)
    if from_old != old_root:
        raise ProofInvalid(f"the proof does not lead to the old root at size {old}")
    if from_new != new_root:
        raise ProofInvalid(f"the proof does not lead to the new root at size {new}")


def implied_old_root(old: int, new: int, new_root: bytes, proof: Sequence[bytes]) -> bytes | None:
    """Return the root that the new tree has over its first `old` leaves, where the proof shows it.

    Whoever holds another root for that size holds evidence of a rewritten log. None: the proof does
    not lead to the new root, or takes the old one for granted (`old` is a power of two).
    """
    if not 0 < old < new or _complete(old) or not proof:
        return None
    try:
        _check_lengths(proof, new_root)
        from_old, from_new = _both_roots(old, new, proof)
    except ProofInvalid:
        return None
    return from_old if from_new == new_root else None


def _complete(size: int) -> bool:
    """Whether `size` leaves are one complete subtree, whose root no proof has to repeat."""
    return size & (size - 1) == 0


def _both_roots(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the roots of the old and the new tree that the path of a proof leads to."""
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    from_old = from_new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofInvalid("the consistency proof is too long")
        if number & 1 or number == last:
            from_old, from_new = node_hash(sibling, from_old), node_hash(sibling, from_new)
            while not number & 1 and number:
                number, last = number >> 1, last >> 1
        else:
            from_new = node_hash(from_new, sibling)
        number, last = number >> 1, last >> 1
    if last != 0:
        raise ProofInvalid("the consistency proof is too short")
    return from_old, from_new


def _check_trivial(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> None:
    if proof:
        raise ProofInvalid("the consistency proof is too long")
    if old == 0 and old_root != EMPTY_ROOT:
        raise ProofInvalid("this is not the root of an empty tree")
    if old == new and old_root != new_root:
        raise ProofInvalid(f"there are two roots for size {new}")


def _check_lengths(hashes: Sequence[bytes], *more: bytes) -> None:
    if any(len(found) != HASH_BYTES for found in (*hashes, *more)):
        raise ProofInvalid("a hash of a proof has 32 bytes")


def _fold(roots: Sequence[bytes]) -> bytes:
    if not roots:
        return EMPTY_ROOT
    found = roots[-1]
    for left in reversed(roots[:-1]):
        found = node_hash(left, found)
    return found


def _covering(start: int, end: int) -> list[tuple[int, int]]:
    """Return the largest complete subtrees that make up leaves `start` to `end`, in order."""
    found = []
    while start < end:
        height = (end - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        found.append((height, start >> height))
        start += 1 << height
    return found


def _range_root(start: int, end: int, subtree: Subtree) -> bytes:
    return _fold([subtree(height, index) for height, index in _covering(start, end)])


def _split(start: int, end: int) -> int:
    """The RFC's k: the largest power of two below the number of leaves, as a position."""
    return start + (1 << ((end - start - 1).bit_length() - 1))


def _path(index: int, start: int, end: int, subtree: Subtree) -> list[bytes]:
    if end - start == 1:
        return []
    middle = _split(start, end)
    if index < middle:
        return [*_path(index, start, middle, subtree), _range_root(middle, end, subtree)]
    return [*_path(index, middle, end, subtree), _range_root(start, middle, subtree)]


def _subproof(old: int, start: int, end: int, subtree: Subtree, *, whole: bool) -> list[bytes]:
    if old == end:
        return [] if whole else [_range_root(start, end, subtree)]
    middle = _split(start, end)
    if old <= middle:
        below = _subproof(old, start, middle, subtree, whole=whole)
        return [*below, _range_root(middle, end, subtree)]
    below = _subproof(old, middle, end, subtree, whole=False)
    return [*below, _range_root(start, middle, subtree)]
