"""How the ledger stands: what an operator looks at, and what metrics count. Read only."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from app.authority.ledger.store import Ledger
from app.authority.ledger.watching import Watching
from app.evidence.checkpoints import Checkpoint


@dataclass(frozen=True, slots=True)
class Standing:
    """`last_held` says which checkpoint somebody outside holds, None while nobody does."""

    ledger: Ledger
    watching: Watching
    last_held: Callable[[], Mapping[str, Any] | None]

    def __call__(self) -> dict[str, Any]:
        """Return plain values; raises AuditUnavailable where the database cannot be read."""
        note, reserve = self.ledger.checkpoint(), self.ledger.keeping.reserve
        checkpoint = None if note is None else Checkpoint.parse(note.text)
        return {
            "size": self.ledger.size(),
            "available": self.ledger.available,
            "origin": self.ledger.keeping.signer.origin,
            "key": str(self.ledger.keeping.signer.key),
            "checkpoint": None
            if checkpoint is None
            else {"size": checkpoint.size, "root": base64.b64encode(checkpoint.root).decode()},
            "held_outside": self.last_held(),
            "sinks": [
                {
                    "name": sink.name,
                    "path": str(sink.path),
                    "required": sink.required,
                    "size": sink.size,
                    "lag": sink.lag,
                    "ok": sink.ok,
                    "why": sink.why,
                }
                for sink in self.ledger.keeping.sinks.states()
            ],
            "disk_warning_percent": self.watching.disk_level or None,
            "reserve": {
                "bytes": 0 if reserve is None else reserve.size_bytes,
                "held": reserve is not None and reserve.held,
                "in_use": self.ledger.on_reserve,
            },
        }
