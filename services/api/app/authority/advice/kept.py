"""A proposal as the authority keeps it: what was said, whose it is, and what became of it. Pure."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from app.domain.advice.proposals import Proposal
from app.domain.refusals import AuditUnavailable


class State(StrEnum):
    """Of these, only `open` waits for somebody; the others are for good."""

    OPEN = "open"
    ACCEPTED = "accepted"
    DISMISSED = "dismissed"
    EXPIRED = "expired"


class Evidence(StrEnum):
    """`holds`: every fact was compared with the snapshot that was named. Else `unchecked`."""

    HOLDS = "holds"
    UNCHECKED = "unchecked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A row, and the proposal that its bytes are. Times are microseconds of UTC.

    `author`: the id of the actor who proposed it. `digest`: SHA-256 of the proposal's canonical
    bytes. `same`: of what it is about, whatever its reason. `seen`: how often it was proposed,
    counted once a minute at most.
    `decided_*` and `reason` are the person's; `outcome`, `ask`, `run`, `refusal`: what came of it.
    """

    id: str
    author: str
    proposal: Proposal
    same: str
    digest: str
    snapshot: str | None
    evidence: Evidence
    seen: int
    created_us: int
    seen_us: int
    expires_us: int
    state: State = State.OPEN
    decided_us: int | None = None
    decided_by: str | None = None
    reason: str | None = None
    outcome: str | None = None
    ask: str | None = None
    run: str | None = None
    refusal: str | None = None

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it, without what the authority would say of it now."""
        said = self.proposal.as_plain()
        del said["expires_in_s"]
        decided = {"by": self.decided_by, "at_us": self.decided_us, "reason": self.reason}
        return {
            "id": self.id,
            "author": self.author,
            **said,
            "evidence_holds": True if self.evidence is Evidence.HOLDS else None,
            "snapshot": self.snapshot,
            "digest": self.digest,
            "state": str(self.state),
            "seen": self.seen,
            "created_us": self.created_us,
            "expires_us": self.expires_us,
            "decided": None if self.decided_us is None else decided,
            "outcome": self.outcome,
            "ask": self.ask,
            "run": self.run,
            "refusal": self.refusal,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Damaged:
    """A row that is not what was recorded. What it says it is about is nobody's word."""

    id: str
    author: str
    kind: str
    target: str
    state: str
    created_us: int
    why: str

    def refusal(self) -> AuditUnavailable:
        """What everybody is told who wants to do something with it."""
        return AuditUnavailable(
            f"Proposal {self.id} in the database is not what was recorded: {self.why}. Somebody "
            "changed it by other means; nothing is done with it. Keep a copy of LMX_HOME as "
            "evidence and look at it with: lmx ledger verify"
        )

    def as_plain(self) -> dict[str, Any]:
        """Beside the proposals that are whole, so that one does not hide the others."""
        no = self.refusal()
        return {
            "id": self.id,
            "author": self.author,
            "kind": self.kind,
            "target": self.target,
            "state": self.state,
            "created_us": self.created_us,
            "altered": no.message,
            "would": {"what": "refused", "code": no.code, "message": no.message},
        }
