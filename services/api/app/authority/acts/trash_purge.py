"""Removing for good, and before its grace is over, what was deleted."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.authority.acts.removing import effect_of, removed
from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.approvals.plans import Drawn
from app.authority.catalog.removal.entry import Entry
from app.authority.catalog.removal.purging import Removed
from app.authority.catalog.removal.rows import LIVE, Trashed
from app.authority.catalog.removal.trash import PURGE, Trash
from app.authority.permissions import Permission
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest

ALL: Final = "all"


@dataclass(frozen=True, slots=True)
class TrashPurge:
    """params: ``{"trash": id}``, or ``"all"`` for everything in the trash."""

    trash: Trash

    kind: str = PURGE
    permission: Permission = Permission.STORE_PURGE
    meaning: str = "Remove for good what is in the trash: it cannot be restored afterwards."
    phrase: str = "yes, purge trash NAME"
    asker_executes: bool = False

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        which = params.get("trash")
        if not isinstance(which, str) or params.keys() != {"trash"}:
            raise InvalidRequest("Say which entry of the trash, or `all`.", param="trash")
        found = self._entries(which)
        files, freed, kept = self._files(found)
        return Drawn(
            subject=which,
            verb="purge trash",
            phrase=self.phrase.replace("NAME", which),
            irreversible=True,
            targets=tuple(
                {"kind": "trash", "id": known.id, "digest": known.digest} for known, _ in found
            ),
            files=tuple(files),
            bytes_freed=freed,
            bytes_kept=kept,
            dependents={"models": sorted(known.model_id for known, _ in found)},
            effects={"states": {known.id: known.state for known, _ in found}},
        )

    async def perform(self, warrant: Warrant) -> Effect:
        require_warrant(warrant, PURGE)
        ids = [str(target["id"]) for target in warrant.plan["targets"]]

        def work() -> Effect:
            total = Removed()
            for trash_id in ids:
                total.add(self.trash.purge(warrant, trash_id))
            return effect_of(total, data={"trash": ids})

        return await removed(work)

    def _entries(self, which: str) -> list[tuple[Trashed, Entry]]:
        if which == ALL:
            found = [
                self.trash.bin.get(known.id)
                for known in self.trash.bin.all()
                if known.state in LIVE
            ]
            if not found:
                raise NotFeasible("The trash is empty.")
            return found
        known, entry = self.trash.bin.get(which)
        if known.state not in LIVE:
            raise NotFeasible(f"What {known.id} held is {known.state}: there is nothing to purge.")
        return [(known, entry)]

    def _files(self, found: list[tuple[Trashed, Entry]]) -> tuple[list[dict[str, Any]], int, int]:
        """The files, and the bytes that go and stay; each file once, however many names it has."""
        mine = {known.id for known, _ in found}
        needed = self.trash.bin.needed_besides(mine)
        sizes: dict[str, int] = {}
        files = []
        for known, entry in found:
            for file in entry.files:
                row = {"path": f"{known.id}/{file.path}", "size": file.size, "sha256": file.sha256}
                files.append({**row, "fate": "keep" if file.adopted else "remove"})
                if not file.adopted:
                    sizes[file.sha256] = file.size
        kept = sum(size for sha, size in sizes.items() if sha in needed)
        return files, sum(sizes.values()) - kept, kept
