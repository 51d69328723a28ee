"""The ledger: an append-only log of events, written before an act and after it.

`events` is pure; `store` is the only place that appends. Nothing here changes or
removes an event, and the database's own guards (`guards`) see to it that nothing else does.
"""

from app.authority.ledger.appending import Receipt
from app.authority.ledger.events import InvalidEvent, LedgerEvent
from app.authority.ledger.keeping import Keeping
from app.authority.ledger.lifetime import boot_event, genesis_event, shutdown_event
from app.authority.ledger.refusals import RefusalRecorder
from app.authority.ledger.store import Ledger
from app.authority.ledger.stored import StoredEvent
from app.authority.ledger.usage import UsageLog, UsageRow
from app.evidence.vocabulary import Kind

__all__ = [
    "InvalidEvent",
    "Keeping",
    "Kind",
    "Ledger",
    "LedgerEvent",
    "Receipt",
    "RefusalRecorder",
    "StoredEvent",
    "UsageLog",
    "UsageRow",
    "boot_event",
    "genesis_event",
    "shutdown_event",
]
