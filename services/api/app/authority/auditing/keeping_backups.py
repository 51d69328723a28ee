"""Use case: putting a backup on record that was made while the server ran.

The backup is made by whoever runs `lmx backup create`, from the files; what is said of it here is
believed only as far as this ledger says the same.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from app.authority.ledger import Kind, Ledger, LedgerEvent
from app.authority.ledger.tree import NodeMissing
from app.authority.permissions import Permission, grant
from app.domain.actors import Actor
from app.domain.refusals import BackupRefused
from app.evidence import merkle

_DIGEST_CHARS: Final = 64
_HEX: Final = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class KeepingBackups:
    """Asks for a grant first."""

    ledger: Ledger

    async def record(
        self, actor: Actor, *, name: str, manifest: str, size: int, root: str, size_bytes: int
    ) -> dict[str, Any]:
        """Append it, and return the event's number; BackupRefused where it is of another ledger.

        `size` and `root`: the events that it holds, and the root over them in hex.
        """
        may = grant(actor, Permission.BACKUP_RECORD, subject=name)
        if len(manifest) != _DIGEST_CHARS or set(manifest) - _HEX:
            raise BackupRefused("`manifest` is the SHA-256 of the backup's manifest.json, in hex.")
        await asyncio.to_thread(self._compare, size, root)
        data = {"size": size, "root": root, "manifest": manifest, "size_bytes": size_bytes}
        event = LedgerEvent(Kind.BACKUP_MADE, may.actor, subject=name, data=data)
        receipt = await asyncio.to_thread(self.ledger.append, event)
        return {"name": name, "event": receipt.seq}

    def _compare(self, size: int, root: str) -> None:
        have = self.ledger.size()
        if size > have:
            raise BackupRefused(
                f"The backup holds {size:,} events and this ledger has {have:,}: it is of another "
                "ledger, or of a history that was replaced."
            )
        try:
            with self.ledger.tree() as tree:
                found = merkle.root_of(size, tree).hex()
        except NodeMissing as error:
            raise BackupRefused(
                f"This ledger's tree is damaged: {error}. Look with: lmx ledger verify"
            ) from error
        if found != root:
            raise BackupRefused(
                f"The backup's root over {size:,} events is not this ledger's: it is of another "
                "ledger, or one of the two was changed. Look with: lmx ledger verify"
            )
