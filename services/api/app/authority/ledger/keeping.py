"""What keeps the ledger besides the database: the signer, the sinks, the reserve."""

from dataclasses import dataclass, field
from typing import Final

from app.authority.ledger.reserve import Reserve
from app.authority.ledger.signing import Signer
from app.authority.ledger.sinks import Sinks
from app.evidence.vocabulary import OUTCOMES, Kind

ESSENTIAL: Final = OUTCOMES | {
    Kind.BOOT,
    Kind.SHUTDOWN,
    Kind.REFUSAL,
    Kind.WORKER_EXITED,
    Kind.MODEL_QUARANTINED,
    Kind.SINK_CHANGED,
    Kind.DISK_WARNING,
    Kind.RESERVE_USED,
}
"""What is written from the reserve when the disk is full: what already happened, and refusals.

New intents are not among them: they are refused, and the refusal is on record.
"""


@dataclass(frozen=True, slots=True)
class Keeping:
    """Everything an event must reach, beyond its row, before it counts as recorded."""

    signer: Signer
    sinks: Sinks = field(default_factory=Sinks)
    reserve: Reserve | None = None
