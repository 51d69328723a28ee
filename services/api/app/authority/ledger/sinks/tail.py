"""What a sink's file says at its end: how far it got, and whether the last write came through.

Only the end is read: backwards to the newest checkpoint, then forward again over everything that
may not have been on the disk when the power failed. A sink syncs every SYNCED_BYTES, so that is
what lies between the newest two checkpoints, or, where that is more, the last WINDOW_BYTES.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from app.authority.ledger.sinks.values import SinkContradicts
from app.evidence.checkpoints import CheckpointInvalid, SignedCheckpoint
from app.evidence.merkle import leaf_hash
from app.evidence.notes import NoteInvalid, VerifierKey
from app.evidence.sink_lines import CHECKPOINT_START, MAX_LINE_BYTES, LineKind, note_of, read

SYNCED_BYTES: Final = 4 << 20
WINDOW_BYTES: Final = 4 * SYNCED_BYTES
"""More than was ever written without a sync between: SYNCED_BYTES, one batch, one checkpoint."""
_BLOCK: Final = 64 << 10
_MARK: Final = b"\n" + CHECKPOINT_START


@dataclass(frozen=True, slots=True)
class Tail:
    """`size` events under a checkpoint that counts; `uncovered` more behind it, whole.

    `uncovered_digest` is a SHA-256 over their leaf hashes. `cut` is set where the last line has no
    end. `newest` is the newest checkpoint there is, whether or not its events came through.
    """

    size: int
    uncovered: int
    uncovered_digest: bytes
    cut: bool
    newest: SignedCheckpoint | None
    damage: str


def read_tail(descriptor: int, end: int, keys: Sequence[VerifierKey]) -> Tail:
    """Read the first `end` bytes' tail; raise SinkContradicts on a checkpoint of another log."""
    found = next(_checkpoints(descriptor, 0, end, keys), None)
    if found is None:
        return _walk(descriptor, 0, 1, None)
    offset, newest = found
    window = max(0, offset - WINDOW_BYTES)
    before = next(_checkpoints(descriptor, window, offset - 1, keys), None)
    if before is not None:
        return _walk(descriptor, before[0], before[1].checkpoint.size + 1, newest)
    if window == 0:
        return _walk(descriptor, 0, 1, newest)
    return _walk(descriptor, _line_after(descriptor, window), None, newest)


def _walk(descriptor: int, start: int, first: int | None, newest: SignedCheckpoint | None) -> Tail:
    size = reached = (first or 1) - 1
    uncovered, cut, damage = hashlib.sha256(), False, ""
    with os.fdopen(os.dup(descriptor), "rb", buffering=1 << 20) as file:
        file.seek(start)
        for line in read(file, first=first, at=start):
            if line.kind is LineKind.EVENT:
                reached = line.number
                uncovered.update(leaf_hash(line.content))
            elif line.kind is LineKind.CHECKPOINT:
                size = reached = line.number
                uncovered = hashlib.sha256()
            elif line.kind is LineKind.UNFINISHED:
                cut = True
            elif line.kind is LineKind.DAMAGED:
                damage = damage or f"at byte {line.offset}, {line.why}"
    return Tail(size, reached - size, uncovered.digest(), cut, newest, damage)


def _checkpoints(
    descriptor: int, start: int, end: int, keys: Sequence[VerifierKey]
) -> Iterator[tuple[int, SignedCheckpoint]]:
    """Yield the whole checkpoint lines that begin between two offsets, newest first."""
    for offset in _marks(descriptor, start, end):
        line, ended, _ = os.pread(descriptor, MAX_LINE_BYTES, offset).partition(b"\n")
        note = note_of(line + ended)
        if note is None:
            continue
        try:
            yield offset, SignedCheckpoint.parse(note, *keys)
        except (NoteInvalid, CheckpointInvalid) as error:
            raise SinkContradicts(
                f"has a checkpoint at byte {offset} that is not this log's: {error}"
            ) from error


def _marks(descriptor: int, stop: int, end: int) -> Iterator[int]:
    """Yield where a line begins as a checkpoint does, last first. A body has no raw newline."""
    while end > stop:
        start = max(stop, end - _BLOCK)
        block = os.pread(descriptor, end - start + len(_MARK) - 1, start)
        at = len(block) + 1
        while (at := block.rfind(_MARK, 0, at + len(_MARK) - 1)) >= 0:
            yield start + at + 1
        if start == 0 and block.startswith(CHECKPOINT_START):
            yield 0
        end = start


def _line_after(descriptor: int, offset: int) -> int:
    """Return where the first line after `offset` begins."""
    while block := os.pread(descriptor, _BLOCK, offset):
        at = block.find(b"\n")
        if at >= 0:
            return offset + at + 1
        offset += len(block)
    return offset
