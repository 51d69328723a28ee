"""Models that were deleted: into the trash, back again, and away for good."""

from typing import Final

from app.authority.catalog.removal import moving, purging, rows
from app.authority.catalog.removal.bin import Bin
from app.authority.catalog.removal.deleting import DELETE, Deleting
from app.authority.catalog.removal.purging import Removed
from app.authority.catalog.removal.restoring import Restoring
from app.authority.catalog.removal.rows import Trashed
from app.authority.ledger.writing import writing
from app.authority.permissions import Grant
from app.authority.warrants import Warrant, require_warrant
from app.domain.models import CatalogModel

PURGE: Final = "trash_purge"


class Trash:
    """Every method blocks and may be called from any thread. `parts` is where to look."""

    def __init__(self, parts: Bin) -> None:
        self.bin = parts
        self._deleting = Deleting(parts)
        self._restoring = Restoring(parts)

    def entries(self) -> list[Trashed]:
        """Every entry there ever was, the oldest first."""
        return self.bin.all()

    def due(self) -> list[Trashed]:
        """Entries whose grace is over and whose bytes are not gone."""
        return self.bin.due(self.bin.clock.utc_us())

    def delete(self, warrant: Warrant) -> tuple[Removed, str]:
        """As `Deleting.delete`."""
        return self._deleting.delete(warrant)

    def restore(self, grant: Grant, trash_id: str) -> CatalogModel:
        """As `Restoring.restore`."""
        return self._restoring.restore(grant, trash_id)

    def settle(self) -> list[str]:
        """As `Restoring.settle`."""
        return self._restoring.settle()

    def purge(self, warrant: Warrant, trash_id: str) -> Removed:
        """Remove an entry's bytes for good: after its grace under the approval of the deletion,
        earlier under one of its own. Safe to call again. Raises TrashNotFound, TypeError."""
        known, entry = self.bin.get(trash_id)
        self._require(warrant, known)
        with self.bin.alone():
            known, entry = self.bin.get(trash_id)
            if known.state in ("restored", "purged"):
                return Removed(freed_bytes=known.freed_bytes or 0)
            self._set_state(known.id, "purging", known.freed_bytes)
            with self.bin.places() as at:
                found = moving.recognized(at, entry)
                removed = purging.purge_entry(
                    at, found, warrant.plan_hash, freed=known.freed_bytes or 0
                )
                state = "partial" if removed.failed else "purged"
                in_all = removed.earlier_bytes + removed.freed_bytes
                self._set_state(known.id, state, in_all, ended=True)
                if not removed.failed:
                    purging.finish(at, entry)
            return removed

    def _require(self, warrant: Warrant, known: Trashed) -> None:
        if getattr(warrant, "phase", None) != "purge":
            require_warrant(warrant, PURGE)
            targets = {str(target["id"]) for target in warrant.plan["targets"]}
            if known.id not in targets:
                raise TypeError(f"this Warrant is not for the trash's entry {known.id}")
            return
        require_warrant(warrant, DELETE, phase="purge")
        if warrant.plan_hash != known.plan or self.bin.clock.utc_us() < known.purge_after_us:
            raise TypeError(f"this Warrant does not cover {known.id}, or not yet")

    def _set_state(
        self, trash_id: str, state: str, freed_bytes: int | None, *, ended: bool = False
    ) -> None:
        ended_us = self.bin.clock.utc_us() if ended else None
        with writing(self.bin.engine) as connection:
            rows.set_state(connection, trash_id, state, freed_bytes=freed_bytes, ended_us=ended_us)
