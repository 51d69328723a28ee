"""What the use cases of a review need of the ledger and of what stands beside it."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import Connection

from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.stored import StoredEvent
from app.domain.actors import Actor
from app.evidence.notes import Note

NoteRead = Callable[[Actor, str, str], object]
"""Records who read what, and which part of it; equal reads are counted together. May wait."""

Prove = Callable[[Actor, int], Awaitable[Mapping[str, Any]]]
"""The proof that an event is in the log, as plain values; ProofUnavailable while there is none."""


class AskedLedger(Protocol):
    """Where questions go: whatever is recorded when one is asked, its answer takes into account."""

    def answering(self) -> AbstractContextManager[Connection]: ...
    def event(self, seq: int) -> StoredEvent: ...
    def checkpoint(self) -> Note | None: ...
    def append(self, event: LedgerEvent, /) -> Any: ...
