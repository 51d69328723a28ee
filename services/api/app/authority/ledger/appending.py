"""The only place that puts events into the database: rows, finished nodes, and the commit's tag.

Everything here happens inside the caller's transaction: either a whole group is there, or none.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from app.authority.ledger.events import Draft, Stamp, canonical
from app.authority.ledger.signing import Signer
from app.authority.ledger.tree import NodeMissing, grown, stored_tree
from app.domain.refusals import AuditUnavailable
from app.evidence.indexing import IndexRow, index_row
from app.evidence.merkle import Frontier, leaf_hash

# As SQL text: compiling it anew for each append cost more than running it.
_SIZE: Final = "SELECT COALESCE(MAX(seq), 0) FROM ledger_event"
_EVENT: Final = "INSERT INTO ledger_event (seq, event_id, body, leaf) VALUES (?, ?, ?, ?)"
_NODE: Final = "INSERT INTO ledger_node (level, idx, hash) VALUES (?, ?, ?)"
_NODES: Final = "SELECT level, idx, hash FROM ledger_node"
_COMMIT: Final = "INSERT INTO ledger_commit (size, tag) VALUES (?, ?)"
_LAST_COMMIT: Final = "SELECT size, tag FROM ledger_commit ORDER BY size DESC LIMIT 1"
_LEAVES: Final = "SELECT leaf FROM ledger_event ORDER BY seq"
_HAS_BLOB: Final = "SELECT 1 FROM ledger_blob WHERE digest = ?"
_BLOB: Final = "INSERT INTO ledger_blob (digest, bytes) VALUES (?, ?)"


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where an event stands, once it does."""

    seq: int
    event_id: str
    leaf: bytes


@dataclass(frozen=True, slots=True)
class Written:
    """A group in the database: the tree that includes it, and what must be read back from there."""

    tree: Frontier
    root: bytes
    receipts: tuple[Receipt, ...]
    rows: tuple[IndexRow, ...] = ()
    """What the index will hold of these events."""


def append(
    connection: sqlite3.Connection,
    drafts: Sequence[Draft],
    head: Frontier,
    signer: Signer,
    stamp: Callable[[int], Stamp],
) -> Written:
    """Insert a group behind `head`, the tree that the database has now."""
    rows: list[tuple[int, str, bytes, bytes]] = []
    indexed: list[IndexRow] = []
    for number, draft in enumerate(drafts, head.size + 1):
        stamped = stamp(number)
        fields = draft.fields(stamped)
        body = canonical(fields)
        rows.append((number, stamped.event_id, body, leaf_hash(body)))
        indexed.append(index_row(fields))
    tree, nodes = grown(head, (row[3] for row in rows))
    connection.executemany(_EVENT, rows)
    if nodes:
        connection.executemany(_NODE, nodes)
    root = tree.root()
    connection.execute(_COMMIT, (tree.size, signer.tag(tree.size, root)))
    for draft in drafts:
        if draft.event.evidence:
            _attach(connection, draft.event.evidence)
    receipts = tuple(Receipt(seq, event_id, leaf) for seq, event_id, _, leaf in rows)
    return Written(tree, root, receipts, tuple(indexed))


def current_head(
    connection: sqlite3.Connection, known: Frontier | None, signer: Signer
) -> Frontier:
    """Return the tree over what is in the database; AuditUnavailable unless the signer made it.

    Events that another program inserted, however well formed, lack the tag of their commit.
    """
    size = stored_size(connection)
    if known is not None and known.size == size:
        return known
    if size < signer.size:
        raise AuditUnavailable(
            f"The ledger's end was cut off: it has {size} events, and {signer.size} were signed. "
            f"{_EVIDENCE}"
        )
    if size == 0:
        return Frontier()
    last = connection.execute(_LAST_COMMIT).fetchone()
    if last is None and signer.size == 0:
        return _first_tree(connection)
    try:
        tree, signed = stored_tree(connection, size), stored_tree(connection, signer.size)
    except NodeMissing as error:
        raise AuditUnavailable(f"The ledger's tree is damaged: {error}. {_EVIDENCE}") from error
    if signed.root() != signer.root:
        raise AuditUnavailable(
            f"The ledger's first {signer.size} events are not the ones that were signed: they were "
            f"rewritten, or another copy was put in their place. {_EVIDENCE}"
        )
    if last is None or last[0] != size or not signer.check_tag(size, tree.root(), last[1]):
        raise AuditUnavailable(
            f"The ledger's last events, up to number {size}, were not written by this server: "
            f"their commit does not carry its tag. {_EVIDENCE}"
        )
    return tree


def stored_size(connection: sqlite3.Connection) -> int:
    size: int = connection.execute(_SIZE).fetchone()[0]
    return size


def _first_tree(connection: sqlite3.Connection) -> Frontier:
    """A log from before there were nodes: build them, from the leaves.

    A start that ended before it signed left them there; one that differs is refused as a second.
    """
    tree, nodes = grown(Frontier(), (row[0] for row in connection.execute(_LEAVES)))
    stored = set(connection.execute(_NODES))
    connection.executemany(_NODE, (node for node in nodes if node not in stored))
    return tree


def _attach(connection: sqlite3.Connection, evidence: Iterable[bytes]) -> None:
    for blob in evidence:
        digest = hashlib.sha256(blob).hexdigest()
        if connection.execute(_HAS_BLOB, (digest,)).fetchone() is None:
            connection.execute(_BLOB, (digest, blob))


_EVIDENCE: Final = (
    "Stop the server, keep a copy of LMX_HOME as evidence, look at it with `lmx ledger verify`, "
    "and restore a backup."
)
