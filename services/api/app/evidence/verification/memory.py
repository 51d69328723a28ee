"""The only place that reads the signer's memory without being the signer.

Two slots of 4,096 bytes, each the SHA-256 (hex) of the rest of it, a newline, and JSON filled up
with spaces; slot `counter % 2` is written at each signature, the larger counter is what counts.
"""

import hashlib
import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.evidence.merkle import HASH_BYTES, Frontier

_SLOT_BYTES: Final = 4096
_SLOTS: Final = 2
_DIGEST_CHARS: Final = 64
_TRIES: Final = 5
_WAIT_S: Final = 0.05


class MemoryInvalid(ValueError):
    """Continues "the signer's memory ...": what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Head:
    """What the signer signed last. `damaged`: a sentence about the other slot, or nothing."""

    origin: str
    key_id: str
    size: int
    root: bytes
    damaged: str = ""


@dataclass(frozen=True, slots=True)
class _Slot:
    counter: int
    origin: str
    key_id: str
    tree: Frontier


def read_memory(path: Path) -> Head:
    """Return what the file says; raises OSError, or MemoryInvalid.

    A server that writes it at this moment makes one slot look torn, so a damaged one is read again.
    """
    for left in reversed(range(_TRIES)):
        head = _head(path.read_bytes())
        if not head.damaged or not left:
            return head
        time.sleep(_WAIT_S)
    raise AssertionError("the last try returns")


def _head(memory: bytes) -> Head:
    if len(memory) != _SLOTS * _SLOT_BYTES:
        raise MemoryInvalid(f"has {len(memory):,} bytes instead of {_SLOTS * _SLOT_BYTES:,}")
    halves = [memory[:_SLOT_BYTES], memory[_SLOT_BYTES:]]
    read = [_slot(half, place) for place, half in enumerate(halves)]
    whole = sorted((slot for slot in read if slot is not None), key=lambda slot: slot.counter)
    if not whole:
        raise MemoryInvalid("is damaged: neither of its halves is whole")
    damaged = ""
    if len(whole) < _SLOTS:
        damaged = "has a damaged half: a crash cut its last write short, or somebody changed it"
    elif not _follows(*whole):
        damaged = "was put together: its halves are not of one time"
    newest = whole[-1]
    return Head(newest.origin, newest.key_id, newest.tree.size, newest.tree.root(), damaged)


def _follows(older: _Slot, newer: _Slot) -> bool:
    grew = newer.tree.size > older.tree.size or newer.tree == older.tree
    return newer.origin == older.origin and newer.counter == older.counter + 1 and grew


def _slot(half: bytes, place: int) -> _Slot | None:
    digest, rest = half[:_DIGEST_CHARS], half[_DIGEST_CHARS:]
    if hashlib.sha256(rest).hexdigest().encode() != digest:
        return None
    try:
        fields = json.loads(rest)
        joined = bytes.fromhex(fields["frontier"])
        roots = tuple(joined[at : at + HASH_BYTES] for at in range(0, len(joined), HASH_BYTES))
        tree = Frontier(int(fields["size"]), roots)
        slot = _Slot(int(fields["counter"]), str(fields["origin"]), str(fields["key"]), tree)
    except (ValueError, KeyError, TypeError):
        return None
    return slot if slot.counter % _SLOTS == place else None
