"""Stands in for the proofs behind the routes: who may ask is decided as it really is."""

from typing import Any

from app.authority.permissions import Permission, grant
from app.domain.actors import Actor


class FakeProofs:
    async def log_keys(self, actor: Actor) -> dict[str, Any]:
        grant(actor, Permission.LEDGER_READ)
        return {"keys": ["log+00000000+AQ=="], "witnesses": []}

    async def bundle_for_witness(self, actor: Actor, old: int) -> str:
        grant(actor, Permission.LEDGER_READ)
        return f"old {old}\n"

    async def inclusion(self, actor: Actor, seq: int, size: int | None) -> dict[str, Any]:
        grant(actor, Permission.LEDGER_READ)
        return {"seq": seq, "size": size}

    async def consistency(self, actor: Actor, old: int, new: int | None) -> dict[str, Any]:
        grant(actor, Permission.LEDGER_READ)
        return {"old": old, "new": new}

    async def cosigned(self, actor: Actor, note: str) -> dict[str, Any]:
        grant(actor, Permission.LEDGER_COSIGN)
        return {"note": note}
