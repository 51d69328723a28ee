"""What a ledger's database holds besides events and index, read in one transaction."""

import hashlib
import sqlite3
from dataclasses import dataclass, field
from typing import Final

from app.evidence.verification.findings import Findings, Part

_SLACK: Final = 65_536


@dataclass(slots=True)
class Stored:
    """`size`: the last event's number. `signers`: bodies of events that made or changed a key."""

    size: int = 0
    indexed: int = 0
    nodes: dict[tuple[int, int], bytes] = field(default_factory=dict)
    commits: list[tuple[int, bytes]] = field(default_factory=list)
    checkpoints: list[tuple[int, bytes, str]] = field(default_factory=list)
    cosignatures: list[tuple[int, int, str, int, str]] = field(default_factory=list)
    signers: list[bytes] = field(default_factory=list)


def newest_checkpoint(connection: sqlite3.Connection) -> int:
    return int(_one(connection, "SELECT COALESCE(MAX(size), 0) FROM ledger_checkpoint"))


def read(connection: sqlite3.Connection, findings: Findings) -> Stored:
    """Read everything but events, index and evidence. Raises sqlite3.DatabaseError."""
    size = _size(connection, findings)
    return Stored(
        size=size,
        indexed=_indexed(connection, size, findings),
        nodes={
            (level, place): bytes(digest)
            for level, place, digest in connection.execute("SELECT * FROM ledger_node")
        },
        commits=connection.execute("SELECT size, tag FROM ledger_commit ORDER BY size").fetchall(),
        checkpoints=connection.execute(
            "SELECT size, root, note FROM ledger_checkpoint ORDER BY size"
        ).fetchall(),
        cosignatures=connection.execute(
            "SELECT id, size, witness, time_s, note FROM ledger_cosignature ORDER BY id"
        ).fetchall(),
        signers=[
            bytes(body)
            for (body,) in connection.execute(
                "SELECT body FROM ledger_event WHERE seq IN (SELECT seq FROM ledger_index"
                " WHERE kind IN ('signing_key_created', 'signing_key_rotated')) ORDER BY seq"
            )
        ],
    )


def _size(connection: sqlite3.Connection, findings: Findings) -> int:
    """The last event's number; a row far behind all others is a finding, not a size."""
    count = _one(connection, "SELECT COUNT(*) FROM ledger_event")
    # One at a time: asked for together they take a look at every row.
    first = _one(connection, "SELECT COALESCE(MIN(seq), 1) FROM ledger_event")
    last = _one(connection, "SELECT COALESCE(MAX(seq), 0) FROM ledger_event")
    if first < 1:
        findings.add(Part.EVENT, 0, f"There is an event {first:,}: events begin with 1.")
    reach = 2 * count + _SLACK
    if last > reach:
        findings.add(
            Part.EVENT, last, f"Event {last:,} stands far behind all others: it was put there."
        )
        last = _one(connection, f"SELECT MAX(seq) FROM ledger_event WHERE seq <= {reach}")  # noqa: S608
    return int(last or 0)


def _indexed(connection: sqlite3.Connection, size: int, findings: Findings) -> int:
    outside = connection.execute(
        "SELECT seq FROM ledger_index WHERE seq < 1 UNION ALL"
        " SELECT seq FROM ledger_index WHERE seq > ? ORDER BY seq",
        (size,),
    )
    for (seq,) in outside:
        findings.add(Part.INDEX, seq, f"The index has event {seq:,}, which the log does not have.")
    within = f"SELECT COALESCE(MAX(seq), 0) FROM ledger_index WHERE seq <= {size}"  # noqa: S608
    return _one(connection, within)


def check_ids(connection: sqlite3.Connection, findings: Findings) -> None:
    if _one(connection, "SELECT COUNT(*) - COUNT(DISTINCT event_id) FROM ledger_event") == 0:
        return
    repeated = connection.execute(
        "SELECT event_id, MIN(seq), MAX(seq) FROM ledger_event"
        " GROUP BY event_id HAVING COUNT(*) > 1 ORDER BY 2"
    )
    for event_id, first, last in repeated:
        findings.add(
            Part.EVENT, last, f"Events {first:,} and {last:,} have the same id, {event_id[:36]}."
        )


def check_evidence(connection: sqlite3.Connection, findings: Findings) -> int:
    """Hash every piece of evidence; return how many there are."""
    count = 0
    for digest, content in connection.execute("SELECT digest, bytes FROM ledger_blob"):
        count += 1
        if hashlib.sha256(content).hexdigest() != digest:
            findings.add(
                Part.EVIDENCE, 0, f"The evidence {digest[:64]} was altered: it has another digest."
            )
    return count


def check_commits(stored: Stored, findings: Findings) -> None:
    """The last commit reaches exactly as far as the events: both are written in one transaction."""
    if not stored.commits:
        return
    last = stored.commits[-1][0]
    if last > stored.size:
        findings.add(
            Part.COMMIT,
            last,
            f"The last commit was of {last:,} events, and there are {stored.size:,}: the end of "
            "the log was cut off.",
        )
    elif last < stored.size:
        findings.add(
            Part.COMMIT,
            last,
            f"Events {last + 1:,} to {stored.size:,} belong to no commit: something else than the "
            "server put them there.",
        )


def _one(connection: sqlite3.Connection, query: str) -> int:
    found: int = connection.execute(query).fetchone()[0]
    return found
