"""The only place that keeps the tree in the database: which nodes are stored, and reading them.

Level 0 is the events' own leaves. A node of level 1 is the root over 256 events, of level 2 over
65,536, and so on: the hashes that C2SP's tiles are made of, each written once, when it is complete.
"""

import sqlite3
from collections.abc import Iterable
from typing import Final

from app.evidence.merkle import Frontier, Subtree, frontier, node_hash
from app.evidence.tiles import HEIGHT

Node = tuple[int, int, bytes]
"""(level, index, hash), a row of `ledger_node`."""

_LEAVES: Final = "SELECT leaf FROM ledger_event WHERE seq > ? AND seq <= ? ORDER BY seq"
_NODES: Final = "SELECT hash FROM ledger_node WHERE level = ? AND idx >= ? AND idx < ? ORDER BY idx"


class NodeMissing(Exception):
    """The database does not hold a node that a tree of its size has."""


def grown(tree: Frontier, leaves: Iterable[bytes]) -> tuple[Frontier, list[Node]]:
    """Return the tree after these leaves, and the nodes that are to be stored with them."""
    nodes: list[Node] = []

    def completed(height: int, index: int, root: bytes) -> None:
        level, between = divmod(height, HEIGHT)
        if not between:
            nodes.append((level, index, root))

    return tree.append(leaves, completed), nodes


def stored_subtree(connection: sqlite3.Connection) -> Subtree:
    """Return the reader of complete subtrees that proofs are made with; raises NodeMissing."""

    def subtree(height: int, index: int) -> bytes:
        level, rest = divmod(height, HEIGHT)
        first, last = index << rest, (index + 1) << rest
        query, bounds = (_NODES, (level, first, last)) if level else (_LEAVES, (first, last))
        hashes = [row[0] for row in connection.execute(query, bounds)]
        if len(hashes) != last - first:
            raise NodeMissing(f"the tree's nodes {first} to {last} of level {level} are not there")
        while len(hashes) > 1:
            pairs = zip(hashes[::2], hashes[1::2], strict=True)
            hashes = [node_hash(left, right) for left, right in pairs]
        return bytes(hashes[0])

    return subtree


def stored_tree(connection: sqlite3.Connection, size: int) -> Frontier:
    """Return the tree over the first `size` events, or raise NodeMissing."""
    return frontier(size, stored_subtree(connection))
