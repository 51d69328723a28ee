"""What a range of events came to, and the trees that ranges are made of. Pure.

`merkle.node_hash` is written out here: a million calls of it take a third of a second.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

from app.evidence.merkle import HASH_BYTES
from app.evidence.tiles import WIDTH
from app.evidence.verification.findings import Findings
from app.evidence.verification.signatures import Judged
from app.evidence.verification.sinks import Odd

NOTHING: Final = bytes(HASH_BYTES)
"""Stands for the leaf of an event that is missing."""


@dataclass(slots=True)
class Scanned:
    """`tiles`: the roots of the range's complete tiles, from the bodies, one after the other.

    `stored` has those of the tiles in which the recorded leaves are others. `partial`: the root of
    the begun tile at each wanted size that is inside one, from bodies and from recorded leaves.
    """

    first: int
    last: int
    tiles: bytearray = field(default_factory=bytearray)
    stored: dict[int, bytes] = field(default_factory=dict)
    partial: dict[int, tuple[bytes, bytes]] = field(default_factory=dict)
    missing: set[int] = field(default_factory=set)
    """Tiles that lack events."""
    mismatched: list[int] = field(default_factory=list)
    """Events whose recorded leaf is not their body's."""
    odd: list[tuple[int, int, Odd]] = field(default_factory=list)
    """(sink, event, how)"""
    notes: list[tuple[int, Judged]] = field(default_factory=list)
    """(sink, its checkpoint)"""
    findings: Findings = field(default_factory=Findings)


def joined(leaves: list[bytes]) -> list[list[bytes]]:
    """Return the levels of complete subtrees over up to a tile's leaves, the leaves first."""
    levels = [leaves]
    while len(levels[-1]) > 1:
        row = levels[-1]
        pairs = zip(row[::2], row[1::2], strict=False)  # one that is left over is in none
        levels.append([sha256(b"\x01" + left + right).digest() for left, right in pairs])
    return levels


def root_in(levels: list[list[bytes]], count: int) -> bytes:
    """Return the root over the first `count` leaves of `joined`'s levels."""
    found, start = b"", count
    for height, row in enumerate(levels):
        if count >> height & 1:
            start -= 1 << height
            complete = row[start >> height]
            found = sha256(b"\x01" + complete + found).digest() if found else complete
    return found


def note_roots(
    result: Scanned,
    last: int,
    wanted: Iterable[int],
    levels: list[list[bytes]],
    recorded: list[list[bytes]] | None,
) -> None:
    """Note the root of a tile that ends with event `last`, and where else it is wanted in it.

    `recorded` are the levels over the recorded leaves, None where they are the same.
    """
    if last % WIDTH == 0:
        result.tiles += levels[-1][0]
        if recorded is not None:
            result.stored[last // WIDTH - 1] = recorded[-1][0]
    for size in wanted:
        if count := size % WIDTH:
            found = root_in(levels, count)
            believed = found if recorded is None else root_in(recorded, count)
            result.partial[size] = found, believed
