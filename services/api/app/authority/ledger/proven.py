"""The only place that answers with events that the signed checkpoint covers, and with no others.

The index says where to look and is believed in nothing: an event counts when its body's hash is
under the root that the signer remembers. Whoever can write the database cannot make such a one.
"""

from collections.abc import Iterator

from app.authority.ledger import reading
from app.authority.ledger.store import Ledger
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.tree import NodeMissing, stored_subtree
from app.authority.ledger.writing import asking_directly
from app.evidence.checkpoints import Checkpoint
from app.evidence.merkle import ProofInvalid, Subtree, inclusion_proof, verify_inclusion


def proven(ledger: Ledger, plan: str) -> list[StoredEvent]:
    """The recorded events that name this plan, oldest first. Raises AuditUnavailable."""
    return _proven(ledger, "plan", plan)


def proven_of(ledger: Ledger, digest: str) -> list[StoredEvent]:
    """The recorded events whose data has this digest, oldest first. Raises AuditUnavailable."""
    return _proven(ledger, "digest", digest)


def _proven(ledger: Ledger, name: reading.Named, value: str) -> list[StoredEvent]:
    with asking_directly(ledger.readers) as connection:
        found = reading.that_name(connection, name, value)
        note = ledger.checkpoint()  # taken after them: it covers whatever was acknowledged
        if note is None:
            return []
        return list(_covered(found, Checkpoint.parse(note.text), stored_subtree(connection)))


def _covered(found: list[StoredEvent], signed: Checkpoint, tree: Subtree) -> Iterator[StoredEvent]:
    for event in found:
        try:
            proof = inclusion_proof(event.seq - 1, signed.size, tree)
            verify_inclusion(event.leaf, event.seq - 1, signed.size, proof, signed.root)
        except (ProofInvalid, NodeMissing):
            continue
        if event.intact:
            yield event
