"""An export of nothing, for what is asked of its routes before anything is read."""

from collections.abc import AsyncIterator
from typing import Any

from app.authority.permissions import Permission, grant
from app.domain.actors import Actor


class FakeExports:
    async def begin(
        self, actor: Actor, *, since: int | str | None, purpose: str | None
    ) -> dict[str, Any]:
        grant(actor, Permission.LEDGER_EXPORT)
        return {"since": since, "purpose": purpose}

    async def checkpoint(self, actor: Actor) -> str:
        grant(actor, Permission.LEDGER_EXPORT)
        return "a note\n"

    async def tile(self, actor: Actor, path: str) -> bytes:
        grant(actor, Permission.LEDGER_EXPORT)
        return path.encode()

    async def stream(
        self, actor: Actor, *, leaves: bool, first: int, count: int, size: int | None
    ) -> AsyncIterator[bytes]:
        grant(actor, Permission.LEDGER_EXPORT)

        async def pieces() -> AsyncIterator[bytes]:
            yield repr((leaves, first, count, size)).encode()

        return pieces()

    async def blob(self, actor: Actor, digest: str) -> bytes:
        grant(actor, Permission.LEDGER_EXPORT)
        return digest.encode()
