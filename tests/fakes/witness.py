"""A witness that remembers in a list what it cosigned."""

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.authority.ledger import Ledger
from app.evidence.checkpoints import Bundle, SignedCheckpoint
from app.evidence.notes import COSIGNATURE, Note, VerifierKey, verifier_key
from app.evidence.witnessing import Remembered, cosigned, decide


@dataclass
class Witness:
    """A witness with a memory of its own."""

    name: str = "witness.example/alice"
    seed: bytes = b"w" * 32
    history: list[Remembered] = field(default_factory=list)

    @property
    def private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def key(self) -> VerifierKey:
        return verifier_key(self.name, self.private, COSIGNATURE)

    @property
    def seen(self) -> int:
        return self.history[-1].checkpoint.size if self.history else 0

    def cosign(self, bundle: str, log: Ledger, time_s: int) -> Note:
        parsed = Bundle.parse(bundle)
        offer = decide(parsed, log.keeping.signer.keys, self.history)
        assert isinstance(offer, SignedCheckpoint)
        note = cosigned(offer, self.key, self.private.sign, time_s=time_s)
        self.history.append(Remembered(parsed.old, offer.checkpoint, note, time_s))
        return note
