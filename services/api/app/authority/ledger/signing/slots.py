"""What the signer remembers, as bytes. Pure: `memory` is the file.

The memory is 8,192 bytes: two slots of 4,096, written in turn, so that a write that is torn leaves
the other one. A slot is the SHA-256 (hex) of the rest of it, a newline, JSON, spaces up to its end.
Slot `counter % 2` holds a counter; the larger one is what counts.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from app.evidence.merkle import HASH_BYTES, Frontier

SLOT_BYTES: Final = 4096
SLOTS: Final = 2
MEMORY_BYTES: Final = SLOTS * SLOT_BYTES
_DIGEST_CHARS: Final = 64
_VERSION: Final = 1


class MemoryInvalid(ValueError):
    """Bytes that are not a signer's memory; the message says how."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """The head that was signed last, by which key, of which log. `key_id` is in hex.

    `minimum_index` and `epoch` are what pruning and recovery will move; both are 0 until then.
    """

    counter: int
    origin: str
    key_id: str
    frontier: Frontier
    minimum_index: int = 0
    epoch: int = 0

    @property
    def slot(self) -> int:
        return self.counter % SLOTS

    def next(self, frontier: Frontier, key_id: str) -> Self:
        return replace(self, counter=self.counter + 1, frontier=frontier, key_id=key_id)


def encode(head: Remembered) -> bytes:
    """Return the slot's bytes; raises ValueError where they do not fit (beyond 2^48 events)."""
    text = json.dumps(
        {
            "v": _VERSION,
            "counter": head.counter,
            "origin": head.origin,
            "key": head.key_id,
            "size": head.frontier.size,
            "frontier": b"".join(head.frontier.roots).hex(),
            "minimum_index": head.minimum_index,
            "epoch": head.epoch,
        }
    )
    rest = b"\n" + text.encode().ljust(SLOT_BYTES - _DIGEST_CHARS - 2) + b"\n"
    if len(rest) != SLOT_BYTES - _DIGEST_CHARS:
        raise ValueError("what the signer remembers does not fit into its memory")
    return hashlib.sha256(rest).hexdigest().encode() + rest


def decode(slot: bytes) -> Remembered | None:
    """Return what the slot holds, None where it is not whole to the last bit."""
    digest, rest = slot[:_DIGEST_CHARS], slot[_DIGEST_CHARS:]
    if len(slot) != SLOT_BYTES or hashlib.sha256(rest).hexdigest().encode() != digest:
        return None
    try:
        return _head(json.loads(rest))
    except (ValueError, KeyError, TypeError):
        return None


def newest(memory: bytes) -> tuple[Remembered, bool]:
    """Return what counts, and whether the other slot is damaged; raises MemoryInvalid.

    One damaged slot is what a crash in the middle of a write leaves: the other one has the head
    before, and nothing was published under the one that is lost.
    """
    if len(memory) != MEMORY_BYTES:
        raise MemoryInvalid(f"it has {len(memory)} bytes instead of {MEMORY_BYTES}")
    halves = [memory[:SLOT_BYTES], memory[SLOT_BYTES:]]
    heads = [_at(index, decode(half)) for index, half in enumerate(halves)]
    whole = sorted((head for head in heads if head is not None), key=lambda head: head.counter)
    if not whole:
        raise MemoryInvalid("both of its slots are damaged")
    if len(whole) == SLOTS and not _follows(*whole):
        raise MemoryInvalid("its two slots are not of one time: somebody put it together")
    return whole[-1], len(whole) < SLOTS


def _at(index: int, head: Remembered | None) -> Remembered | None:
    return head if head is not None and head.slot == index else None


def _follows(older: Remembered, newer: Remembered) -> bool:
    same_log = older.origin == newer.origin
    return same_log and newer.counter == older.counter + 1 and _grew(older.frontier, newer.frontier)


def _grew(older: Frontier, newer: Frontier) -> bool:
    return newer.size > older.size or newer == older


def _head(fields: dict[str, Any]) -> Remembered:
    if fields["v"] != _VERSION:
        raise ValueError("a version that is not known here")
    joined = bytes.fromhex(fields["frontier"])
    roots = tuple(joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES))
    return Remembered(
        counter=int(fields["counter"]),
        origin=str(fields["origin"]),
        key_id=str(fields["key"]),
        frontier=Frontier(int(fields["size"]), roots),
        minimum_index=int(fields["minimum_index"]),
        epoch=int(fields["epoch"]),
    )
