"""A log that lives in a list, and can grow apart from itself: what a witness is shown."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.evidence import merkle
from app.evidence.checkpoints import Bundle, Checkpoint, signed
from app.evidence.notes import Note, VerifierKey, verifier_key

ORIGIN = "lmx-authority/test"


@dataclass
class SignedLog:
    origin: str = ORIGIN
    leaves: list[bytes] = field(default_factory=list)
    private: Ed25519PrivateKey = field(
        default_factory=lambda: Ed25519PrivateKey.from_private_bytes(b"l" * 32)
    )

    @property
    def key(self) -> VerifierKey:
        return verifier_key(self.origin, self.private)

    @property
    def size(self) -> int:
        return len(self.leaves)

    def grow(self, to: int, word: str = "event") -> "SignedLog":
        self.leaves += [merkle.leaf_hash(f"{word} {n}".encode()) for n in range(self.size, to)]
        return self

    def copy(self, upto: int) -> "SignedLog":
        """Another server that was started from a copy, with the same key."""
        return SignedLog(self.origin, self.leaves[:upto], self.private)

    def subtree(self, height: int, index: int) -> bytes:
        return merkle.root(self.leaves[index << height : (index + 1) << height])

    def root(self, size: int | None = None) -> bytes:
        return merkle.root(self.leaves[: self.size if size is None else size])

    def checkpoint(self, size: int | None = None) -> Checkpoint:
        size = self.size if size is None else size
        return Checkpoint(self.origin, size, self.root(size))

    def note(self, size: int | None = None) -> Note:
        return signed(self.checkpoint(size), (self.key, self.private.sign))

    def bundle(self, old: int, size: int | None = None) -> Bundle:
        size = self.size if size is None else size
        proof = merkle.consistency_proof(min(old, size), size, self.subtree)
        return Bundle(old, tuple(proof), self.note(size))
