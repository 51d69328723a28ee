"""Use cases: keeping the record. Erasing a name; pruning and recovery, which are refused.

Pruning takes events away and a recovery epoch goes on after the record was rolled back. Both are
kinds of acts that can be asked for, and neither can be done by this release, whoever approves; here
they are refused without an ask, and the refusal is recorded.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from app.authority.auditing.ports import NoteRead
from app.authority.keys import People
from app.authority.keys.confirmation import confirmed
from app.authority.ledger.retention import (
    CANNOT_PRUNE,
    CANNOT_RECOVER,
    TOO_YOUNG,
    may_prune_before,
)
from app.authority.ledger.store import Ledger
from app.authority.permissions import Permission, grant
from app.authority.ports import Clock
from app.domain.actors import Actor
from app.domain.refusals import ApprovalUnavailable, EventNotFound

ROTATE: Final = "yes, rotate the signing key"


@dataclass(frozen=True, slots=True)
class Custody:
    """Each method asks for a grant first."""

    people: People
    ledger: Ledger
    clock: Clock
    note_read: NoteRead

    async def everybody(self, actor: Actor) -> list[dict[str, Any]]:
        """Everybody there ever was, with the names that were not erased."""
        may = grant(actor, Permission.LEDGER_READ)
        await asyncio.to_thread(self.note_read, actor, "people", "")
        return [p.as_dict() for p in await asyncio.to_thread(self.people.everybody, may)]

    async def erase_name(
        self, actor: Actor, person: str, confirmation: str | None
    ) -> dict[str, Any]:
        """Delete a person's name for good; `remains` says where it may still be, if anywhere."""
        may = grant(actor, Permission.PERSON_ERASE, subject=person)
        erased = await asyncio.to_thread(self.people.erase_name, may, person, confirmation)
        remains = await asyncio.to_thread(self._remains, erased.no_trace)
        return {**erased.person.as_dict(), "remains": remains}

    async def rotate(self, actor: Actor, confirmation: str | None) -> dict[str, Any]:
        """Change the signing key; old checkpoints stay good, and the change is signed by both."""
        may = grant(actor, Permission.LEDGER_ROTATE)
        confirmed(confirmation, ROTATE)
        old, new = await asyncio.to_thread(self.ledger.rotate, may.actor)
        return {"old": str(old), "new": str(new)}

    async def prune(self, actor: Actor, before_us: int) -> NoReturn:
        """Refused: this release prunes nothing. What is too young never is, whoever approves."""
        grant(actor, Permission.LEDGER_PRUNE)
        details = {"permission": Permission.LEDGER_PRUNE}
        if not may_prune_before(self.clock.utc_us(), before_us):
            raise ApprovalUnavailable(
                TOO_YOUNG,
                details=details,
            )
        raise ApprovalUnavailable(
            f"{CANNOT_PRUNE} Nothing was pruned: everything is kept.", details=details
        )

    async def recover(self, actor: Actor) -> NoReturn:
        """Refused: this release goes on from no earlier point."""
        grant(actor, Permission.LEDGER_RECOVER)
        raise ApprovalUnavailable(
            CANNOT_RECOVER,
            details={"permission": Permission.LEDGER_RECOVER},
        )

    def _remains(self, no_trace: bool) -> list[str]:
        """What an erasure could not reach, said honestly."""
        left = [
            "backups of lmx.db that were made before",
            "names of keys and of directories, where somebody wrote it there",
        ]
        if not no_trace:
            left.append("lmx.db-wal, until the server is restarted: somebody was reading")
        if self._named_at_first():
            left.append("the ledger's first event, which an earlier release wrote with the account")
        return left

    def _named_at_first(self) -> bool:
        try:
            return "account" in self.ledger.event(1).data
        except EventNotFound:
            return False
