"""Removing what the store holds and nobody needs."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.authority.acts.removing import effect_of, removed
from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.approvals.plans import Drawn
from app.authority.catalog.removal.leftovers import ACT, KINDS, Leftover, Leftovers
from app.authority.permissions import Permission
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest

ALL: Final = "all"
WHAT: Final = (*KINDS, ALL)


@dataclass(frozen=True, slots=True)
class CachePurge:
    """params: ``{"what": "downloads" | "caches" | "orphans" | "all"}``."""

    leftovers: Leftovers

    kind: str = ACT
    permission: Permission = Permission.STORE_PURGE
    meaning: str = "Remove leftovers of downloads, prompt caches, or files no model refers to."
    phrase: str = "yes, purge NAME"
    asker_executes: bool = False

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        what = params.get("what")
        if params.keys() != {"what"} or what not in WHAT:
            raise InvalidRequest(f"Say what to purge: {', '.join(WHAT)}.", param="what")
        found, others = self.leftovers.find(KINDS if what == ALL else (str(what),))
        if not found:
            raise NotFeasible(f"There is nothing to purge: no {what} take any space.")
        freed, kept = _bytes(found)
        return Drawn(
            subject=str(what),
            verb="purge",
            phrase=self.phrase.replace("NAME", str(what)),
            irreversible=True,
            files=tuple(_file(item) for item in found),
            bytes_freed=freed,
            bytes_kept=kept,
            effects={"untouched": sorted(ascii(other)[1:-1] for other in others)[:50]},
        )

    async def perform(self, warrant: Warrant) -> Effect:
        require_warrant(warrant, ACT)
        return await removed(
            lambda: effect_of(
                self.leftovers.purge(warrant), data={"what": str(warrant.plan["subject"])}
            )
        )


def _file(item: Leftover) -> dict[str, Any]:
    """No SHA-256: nothing is read. Inode and time say that it is the file that was looked at."""
    return {
        "path": item.path,
        "size": item.identity.size,
        "sha256": None,
        "fate": "remove",
        "inode": str(item.identity.ino),  # may be larger than a number in a plan
        "mtime_us": item.mtime_ns // 1000,
    }


def _bytes(found: list[Leftover]) -> tuple[int, int]:
    """What goes with the last name of each file, and what stays because of a name elsewhere."""
    names: dict[int, list[Leftover]] = {}
    for item in found:
        names.setdefault(item.identity.ino, []).append(item)
    freed = sum(n[0].allocated for n in names.values() if n[0].links <= len(n))
    return freed, sum(n[0].allocated for n in names.values()) - freed
