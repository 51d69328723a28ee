"""A log in memory: canonical bodies, its roots and real signed notes, for whoever stores them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

import rfc8785
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.evidence.checkpoints import Checkpoint, signed
from app.evidence.merkle import leaf_hash, root
from app.evidence.notes import Note, VerifierKey, verifier_key

ORIGIN = "lmx-authority/0000"


@dataclass
class MemoryLog:
    """`grow` it; everything else is asked of it."""

    all_bodies: list[bytes] = field(default_factory=list)
    private: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    asked: list[tuple[int, int]] = field(default_factory=list)

    @property
    def size(self) -> int:
        return len(self.all_bodies)

    @cached_property
    def key(self) -> VerifierKey:
        return verifier_key(ORIGIN, self.private)

    def grow(self, count: int = 1, text: str = "") -> "MemoryLog":
        for _ in range(count):
            self.all_bodies.append(event_body(self.size + 1, text))
        return self

    def root_at(self, size: int) -> bytes:
        return root(leaf_hash(body) for body in self.all_bodies[:size])

    def note(self, size: int | None = None) -> Note:
        size = self.size if size is None else size
        checkpoint = Checkpoint(ORIGIN, size, self.root_at(size))
        return signed(checkpoint, (self.key, self.private.sign))

    def bodies(self, first: int, last: int) -> Iterator[bytes]:
        self.asked.append((first, last))
        yield from self.all_bodies[first - 1 : last]


def event_body(seq: int, text: str = "") -> bytes:
    """A body in canonical form whose data repeats the names of its outer fields."""
    return rfc8785.dumps(
        {
            "v": 2,
            "seq": seq,
            "event_id": f"id-{seq}",
            "ts_utc_us": 1_800_000_000_000_000 + seq,
            "mono_us": seq,
            "boot_id": "boot",
            "kind": "refusal",
            "actor": {"id": "system", "person": None, "roles": ["operator"]},
            "subject": text or f"model-{seq}",
            "outcome": "refused",
            "intent_seq": None,
            "request_id": None,
            "data": {"text": text, "seq": seq + 7, "subject": "x", "nested": {"v": 2}},
        }
    )
