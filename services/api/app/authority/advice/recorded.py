"""Whether a proposal is the one that the ledger recorded. Blocks; raises AuditUnavailable.

The table is a database's: another program that writes a row of its own gets past every trigger, and
not into the signed ledger.
"""

from app.authority.advice.kept import Kept, State
from app.authority.ledger.proven import proven_of
from app.authority.ledger.store import Ledger
from app.authority.ledger.stored import StoredEvent
from app.domain.refusals import AuditUnavailable, ProposalEnded
from app.evidence.vocabulary import Kind as Event


def refuse_unrecorded(ledger: Ledger, kept: Kept) -> None:
    """Raise AuditUnavailable unless the ledger recorded exactly this proposal; ProposalEnded where
    it recorded a decision on it, whatever the row says."""
    events = proven_of(ledger, kept.digest)
    if not any(_records(event, kept) for event in events):
        raise AuditUnavailable(
            f"Proposal {kept.id} in the database is not what the ledger recorded. Somebody "
            "changed it by other means; nothing is done with it. Keep a copy of LMX_HOME as "
            "evidence and look at it with: lmx ledger verify"
        )
    if any(_decides(event, kept) for event in events):
        raise ProposalEnded(
            f"A decision on proposal {kept.id} is on record already. Look at it: "
            f"lmx advice show {kept.id}"
        )


def acceptance(ledger: Ledger, kept: Kept) -> StoredEvent | None:
    """The event of its acceptance; a proposal is decided on once."""
    found = (event for event in proven_of(ledger, kept.digest) if _decides(event, kept))
    return next((event for event in found if event.outcome == State.ACCEPTED), None)


def _decides(event: StoredEvent, kept: Kept) -> bool:
    return event.kind == Event.ADVICE_DECIDED and event.data.get("proposal") == kept.id


def _records(event: StoredEvent, kept: Kept) -> bool:
    data = event.data
    return (
        event.kind == Event.ADVICE_PROPOSED
        and event.actor == kept.author
        and event.subject == kept.proposal.target
        and data.get("proposal") == kept.id
        and data.get("kind") == kept.proposal.kind
        and data.get("expires_us") == kept.expires_us
        and data.get("snapshot") == kept.snapshot
        and data.get("evidence") == kept.evidence
    )
