"""Checkpoints and cosignatures (c2sp.org/tlog-checkpoint, tlog-cosignature), and their carriage.

A checkpoint says how many events a log has and the root over them. A cosignature says that a
witness has seen this log only ever grow. A bundle is the body a witness is given: the old size, the
proof, the checkpoint (tlog-witness, add-checkpoint).
"""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final, Self

from app.evidence.merkle import HASH_BYTES
from app.evidence.notes import (
    COSIGNATURE,
    Note,
    NoteInvalid,
    Signature,
    Signing,
    VerifierKey,
    sign,
)

MAX_PROOF: Final = 63
MAX_SIZE: Final = 2**63 - 1
MAX_TIME_S: Final = 2**63 - 1
_SIZE: Final = re.compile(r"0|[1-9][0-9]{0,18}")
_TIMESTAMP_BYTES: Final = 8
_COSIGNED_BYTES: Final = _TIMESTAMP_BYTES + 64


class CheckpointInvalid(ValueError):
    """Text that is not a checkpoint, or not one of the log it was expected from."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The first `size` events of the log `origin` have this root."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note's text; this program's logs have no extension lines, so one is an error."""
        lines = text.split("\n")
        if len(lines) != 4 or lines[3] or not lines[0]:
            raise CheckpointInvalid("a checkpoint has three lines: origin, size, root")
        return cls(lines[0], _size(lines[1], "a checkpoint's size"), _hash(lines[2]))


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint and the note it came in; `parse` has verified the log's signature."""

    checkpoint: Checkpoint
    note: Note
    signed_by: tuple[VerifierKey, ...]

    @classmethod
    def parse(cls, encoded: str | bytes, *keys: VerifierKey) -> Self:
        """Raise NoteInvalid or CheckpointInvalid unless one of the log's `keys` signed it."""
        note = Note.parse(encoded)
        signed_by = note.verify(keys)
        checkpoint = Checkpoint.parse(note.text)
        if any(key.name != checkpoint.origin for key in signed_by):
            raise CheckpointInvalid(f"a key of another log signed for {checkpoint.origin}")
        return cls(checkpoint, note, signed_by)


def signed(checkpoint: Checkpoint, *signers: tuple[VerifierKey, Signing]) -> Note:
    """Return the checkpoint's note; during a rotation the old and the new key both sign."""
    text = checkpoint.text()
    return Note(text, tuple(sign(text, key, signing) for key, signing in signers))


def cosign(note: Note, key: VerifierKey, signing: Signing, *, time_s: int) -> Signature:
    """Return cosignature/v1 by `key` (type 0x04) at POSIX time `time_s`."""
    if key.type != COSIGNATURE:
        raise NoteInvalid("a witness's key has signature type 0x04")
    if not 0 < time_s <= MAX_TIME_S:
        raise NoteInvalid("a cosignature's time is a number of seconds after 1970")
    stamp = time_s.to_bytes(_TIMESTAMP_BYTES, "big")
    return Signature(key.name, key.id, stamp + signing(_cosigned_message(note.text, time_s)))


def cosigned_at(note: Note, key: VerifierKey) -> int | None:
    """Return when `key` cosigned, None where it did not. Raise NoteInvalid on a bad one."""
    if key.type != COSIGNATURE:
        raise NoteInvalid("a witness's key has signature type 0x04")
    times = []
    for signature in note.signatures:
        if not signature.is_by(key):
            continue
        if len(signature.raw) != _COSIGNED_BYTES:
            raise NoteInvalid(f"the cosignature of {key.name} has the wrong length")
        time_s = int.from_bytes(signature.raw[:_TIMESTAMP_BYTES], "big")
        if not 0 < time_s <= MAX_TIME_S:
            raise NoteInvalid(f"the cosignature of {key.name} has no time")
        if not key.check(_cosigned_message(note.text, time_s), signature.raw[_TIMESTAMP_BYTES:]):
            raise NoteInvalid(f"the cosignature of {key.name} does not hold")
        times.append(time_s)
    return max(times, default=None)


def _cosigned_message(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


@dataclass(frozen=True, slots=True)
class Bundle:
    """What is carried to a witness: it saw `old` events, here is the proof and the checkpoint."""

    old: int
    proof: tuple[bytes, ...]
    note: Note

    def __str__(self) -> str:
        proof = "".join(f"{base64.b64encode(item).decode()}\n" for item in self.proof)
        return f"old {self.old}\n{proof}\n{self.note}"

    @classmethod
    def parse(cls, encoded: str | bytes) -> Self:
        try:
            whole = encoded.decode("utf-8") if isinstance(encoded, bytes) else encoded
        except UnicodeError as error:
            raise CheckpointInvalid("a bundle is UTF-8") from error
        head, blank, note = whole.partition("\n\n")
        first, *proof = head.split("\n")
        if not blank or not first.startswith("old "):
            raise CheckpointInvalid("a bundle begins with `old SIZE`, the proof, and a blank line")
        old = _size(first.removeprefix("old "), "the old size")
        if len(proof) > MAX_PROOF:
            raise CheckpointInvalid(f"a proof has at most {MAX_PROOF} hashes")
        hashes = tuple(_hash(line) for line in proof)
        return cls(old, hashes, Note.parse(note))


def _size(digits: str, what: str) -> int:
    if _SIZE.fullmatch(digits) is None or int(digits) > MAX_SIZE:
        raise CheckpointInvalid(f"{what} is a decimal number below 2^63 without leading zeroes")
    return int(digits)


def _hash(line: str) -> bytes:
    try:
        found = base64.b64decode(line, validate=True)
    except (binascii.Error, ValueError) as error:
        raise CheckpointInvalid("a hash is 32 bytes in base64") from error
    if len(found) != HASH_BYTES or base64.b64encode(found).decode() != line:
        raise CheckpointInvalid("a hash is 32 bytes in base64")
    return found
