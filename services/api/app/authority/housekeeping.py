"""The use cases of whoever keeps the store: look at it, ask for purges, restore, name models.

Nothing here destroys. What does is asked for, and done by whoever executes approved plans.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from app.authority.catalog import Catalog
from app.authority.catalog.annotations import Annotations
from app.authority.catalog.survey import Bytes, Survey, survey, walk
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Grant, Permission, grant
from app.authority.reading import described
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest

PURGES: Final[Mapping[str, str]] = {
    "downloads": "cache_purge",
    "caches": "cache_purge",
    "orphans": "cache_purge",
    "trash": "trash_purge",
}
"""What may be purged, and the act that asks for it."""


class Asks(Protocol):
    """Where an act that destroys is asked for."""

    async def ask(
        self,
        actor: Actor,
        act: str,
        params: Mapping[str, Any],
        *,
        reason: str = "",
        request_id: str | None = None,
    ) -> dict[str, Any]: ...


class Trash(Protocol):
    """What was deleted and can be restored."""

    def entries(self) -> Sequence[Mapping[str, Any]]:
        """Every entry that still has bytes, the newest first, as plain values."""

    def restore(self, grant: Grant, which: str) -> dict[str, Any]:
        """Put a deleted model back: by the entry's id or the model's. Blocks."""


@dataclass(frozen=True, slots=True)
class Housekeeping:
    """Each method asks for a grant first, and raises Refusals and nothing else on purpose."""

    catalog: Catalog
    annotations: Annotations
    trash: Trash
    asks: Asks
    serving: Serving
    store_dir: Path
    trash_dir: Path

    # --- looking ----------------------------------------------------------------------------

    async def store(self, actor: Actor) -> dict[str, Any]:
        """What takes the disk: ``{volume, total, uses, shared, models, trash, orphans, ...}``.

        `bytes` are what files take on the disk, `apparent_bytes` their lengths.
        """
        grant(actor, Permission.STORE_READ)
        found, entries, volume = await asyncio.to_thread(self._look)
        return {
            "volume": volume,
            **found.as_dict(),
            "trash": [_with_bytes(entry, found) for entry in entries],
        }

    async def trashed(self, actor: Actor) -> dict[str, Any]:
        """What can be restored, and until when."""
        grant(actor, Permission.STORE_READ)
        return {"trash": [dict(e) for e in await asyncio.to_thread(self.trash.entries)]}

    def _look(self) -> tuple[Survey, Sequence[Mapping[str, Any]], dict[str, int]]:
        entries = self.trash.entries()
        files = [*walk(self.store_dir), *walk(self.trash_dir, "trash/")]
        return survey(files, self.catalog.owners()), entries, _volume(self.store_dir)

    # --- asking, and putting back -----------------------------------------------------------

    async def delete(
        self, actor: Actor, model_id: str, *, drain: bool, reason: str, request_id: str | None
    ) -> dict[str, Any]:
        """Ask for the deletion of a model; the answer is the ask."""
        grant(actor, Permission.MODEL_DELETE, subject=model_id)
        params = {"model": model_id, "drain": True} if drain else {"model": model_id}
        return await self.asks.ask(
            actor, "model_delete", params, reason=reason, request_id=request_id
        )

    async def purge(
        self, actor: Actor, what: str, *, reason: str, request_id: str | None
    ) -> dict[str, Any]:
        """Ask for a purge: of one of PURGES, or of one entry of the trash, `trash/ID`."""
        grant(actor, Permission.STORE_PURGE, subject=what)
        kind, _, entry = what.partition("/")
        if kind not in PURGES or (entry and kind != "trash"):
            raise InvalidRequest(
                f"{what[:80]!a} cannot be purged. Name one of {', '.join(PURGES)}, or "
                "trash/ID for one entry of the trash.",
                param="what",
            )
        params = {"trash": entry or "all"} if kind == "trash" else {"what": kind}
        return await self.asks.ask(
            actor, PURGES[kind], params, reason=reason, request_id=request_id
        )

    async def restore(self, actor: Actor, which: str) -> dict[str, Any]:
        """Put a deleted model back, whole; returns it."""
        may = grant(actor, Permission.STORE_RESTORE, subject=which)
        return await asyncio.to_thread(self.trash.restore, may, which)

    # --- what people say about a model ------------------------------------------------------

    async def put_alias(self, actor: Actor, model_id: str, alias: str) -> dict[str, Any]:
        may = grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        await asyncio.to_thread(self.annotations.put_alias, may, model_id, alias)
        return self._said(model_id)

    async def remove_alias(self, actor: Actor, model_id: str, alias: str) -> dict[str, Any]:
        may = grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        await asyncio.to_thread(self.annotations.remove_alias, may, model_id, alias)
        return self._said(model_id)

    async def pin(self, actor: Actor, model_id: str, *, pinned: bool) -> dict[str, Any]:
        """A model in memory is kept there, or may make room again, from now on."""
        may = grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        await asyncio.to_thread(self.annotations.pin, may, model_id, pinned=pinned)
        self.serving.keep(may, model_id, pinned=pinned)
        return self._said(model_id)

    async def note(self, actor: Actor, model_id: str, note: str) -> dict[str, Any]:
        may = grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        await asyncio.to_thread(self.annotations.note, may, model_id, note)
        return self._said(model_id)

    def _said(self, model_id: str) -> dict[str, Any]:
        own = sorted(a for a, m in self.annotations.aliases.items() if m == model_id)
        return {**described(self.catalog.get(model_id)), "aliases": own}


def _volume(directory: Path) -> dict[str, int]:
    """The volume of the store, in bytes; `free` is what this account may still take."""
    status = os.statvfs(directory)
    return {
        "total_bytes": status.f_blocks * status.f_frsize,
        "free_bytes": status.f_bavail * status.f_frsize,
    }


def _with_bytes(entry: Mapping[str, Any], found: Survey) -> dict[str, Any]:
    return {**entry, **found.trash.get(str(entry["id"]), Bytes()).as_dict()}
