"""The only place that hashes: RFC 6962 leaves, nodes and the root over them. Pure."""

import hashlib
from collections.abc import Iterable

EMPTY_ROOT = hashlib.sha256(b"").digest()


def leaf_hash(body: bytes) -> bytes:
    return hashlib.sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Iterable[bytes]) -> bytes:
    """Return the tree's root over leaf hashes, in one pass and logarithmic memory."""
    complete: list[tuple[int, bytes]] = []  # (height, hash), heights strictly falling
    for leaf in leaves:
        height, joined = 0, leaf
        while complete and complete[-1][0] == height:
            joined = node_hash(complete.pop()[1], joined)
            height += 1
        complete.append((height, joined))
    if not complete:
        return EMPTY_ROOT
    _, top = complete.pop()
    while complete:
        top = node_hash(complete.pop()[1], top)
    return top
