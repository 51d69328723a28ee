"""Deleting a model: into the trash now, and its bytes for good after the grace."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.authority.acts.removing import effect_of, removed
from app.authority.approvals.acts import Effect, NotFeasible
from app.authority.approvals.plans import Drawn
from app.authority.catalog import Catalog
from app.authority.catalog.removal.bin import Uses
from app.authority.catalog.removal.deleting import DELETE
from app.authority.catalog.removal.trash import Trash
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Permission
from app.authority.policy.routing import Routing
from app.authority.warrants import Warrant, require_warrant
from app.domain.actors import Actor
from app.domain.refusals import InvalidRequest, Refusal

DRAINED: Final = "drained"
"""In the plan instead of a number: whatever runs then is let end first."""


@dataclass(frozen=True, slots=True)
class ModelDelete:
    """params: ``{"model": id, "drain": bool}``; `drain` is false where it is not said.

    `perform` takes the warrant of the act, and the one of the purge after the grace.
    """

    catalog: Catalog
    trash: Trash
    serving: Serving
    routing: Routing

    kind: str = DELETE
    permission: Permission = Permission.MODEL_DELETE
    meaning: str = "Delete a model: it can be restored for a grace, then its bytes are gone."
    phrase: str = "yes, delete NAME"
    asker_executes: bool = False

    def draw(self, params: Mapping[str, Any], _actor: Actor) -> Drawn:
        model_id, drain = _asked(params)
        uses = self.trash.bin.uses(model_id)
        model = uses.rows["model"][0]
        if model["pinned"]:
            raise NotFeasible(f"{model_id} is pinned. Unpin it first: lmx models unpin {model_id}")
        files = [_file(row, uses) for row in uses.rows["artifact"]]
        freed, kept = _bytes(uses)
        return Drawn(
            subject=model_id,
            verb="delete",
            phrase=self.phrase.replace("NAME", model_id),
            irreversible=True,
            targets=({"kind": "model", "id": model_id, "digest": model["digest"]},),
            files=tuple(files),
            bytes_freed=freed,
            bytes_kept=kept,
            dependents=self._dependents(model_id, drain, uses),
            again=self._again(model),
            generation=model["generation"],
            grace_s=self.trash.bin.grace_s(),
            effects={"trust": model["trust"]},
        )

    async def perform(self, warrant: Warrant) -> Effect:
        if warrant.phase == "purge":
            return await self.purge(warrant)
        require_warrant(warrant, DELETE)
        model_id = str(warrant.plan["subject"])
        drain = warrant.plan["dependents"]["in_flight"] == DRAINED
        use = self.serving.use_of(model_id)
        if use.in_flight and not drain:
            return Effect(done=False, reason=_busy(use.in_flight))
        try:
            with self.serving.leaving.withheld(model_id):
                await self.serving.drain(warrant.actor, model_id, "deleted")
                return await removed(lambda: self._delete(warrant))
        except Refusal as refusal:
            return Effect(done=False, reason=refusal.message)

    async def purge(self, warrant: Warrant) -> Effect:
        """Remove for good what the act put in the trash; `warrant` is of the phase `purge`."""
        require_warrant(warrant, DELETE, phase="purge")
        entries = await asyncio.to_thread(self.trash.bin.all)
        found = next((e.id for e in entries if e.plan == warrant.plan_hash), None)
        if found is None:
            return Effect(done=False, reason="Nothing of it is in the trash.")
        return await removed(
            lambda: effect_of(self.trash.purge(warrant, found), data={"trash": found})
        )

    def _delete(self, warrant: Warrant) -> Effect:
        moved, trash_id = self.trash.delete(warrant)
        entry, _ = self.trash.bin.get(trash_id)
        return effect_of(
            moved,
            data={
                "trash": trash_id,
                "trashed_bytes": entry.size_bytes,
                "purge_after_us": entry.purge_after_us,
            },
        )

    def _dependents(self, model_id: str, drain: bool, uses: Uses) -> dict[str, Any]:
        use = self.serving.use_of(model_id)
        if use.in_flight and not drain:
            raise NotFeasible(_busy(use.in_flight))
        given = {row["alias"] for row in uses.rows["model_alias"]}
        return {
            "aliases": sorted(given | set(self.routing.aliases_of(model_id))),
            "residency": "resident" if use.resident else "absent",
            "in_flight": DRAINED if drain else 0,
            "pinned": False,
            "other_models": uses.others,
            "trash": sorted(uses.in_trash),
        }

    def _again(self, model: Mapping[str, Any]) -> str | None:
        if model["repo"]:
            return f"{model['repo']}@{model['revision']}"
        known = self.catalog.known.find(model["id"])
        return known.source if known and known.manifest.digest == model["digest"] else None


def _asked(params: Mapping[str, Any]) -> tuple[str, bool]:
    model_id, drain = params.get("model"), params.get("drain", False)
    if not isinstance(model_id, str) or not model_id:
        raise InvalidRequest("Say which model.", param="model")
    if not isinstance(drain, bool) or not params.keys() <= {"model", "drain"}:
        raise InvalidRequest("A deletion takes `model`, and `drain` as true or false.")
    return model_id, drain


def _busy(in_flight: int) -> str:
    return f"{in_flight} answers are running; unload it first, or ask with drain."


def _file(row: Mapping[str, Any], uses: Uses) -> dict[str, Any]:
    keep = row["adopted_path"] is not None or row["sha256"] in uses.shared
    fate = "keep" if keep else "trash"
    return {"path": row["path"], "size": row["size"], "sha256": row["sha256"], "fate": fate}


def _bytes(uses: Uses) -> tuple[int, int]:
    """What is free when the bytes are gone, and what others still need. Each file once."""
    sizes = {row["sha256"]: row["size"] for row in uses.rows["artifact"]}
    adopted = {row["sha256"] for row in uses.rows["artifact"] if row["adopted_path"] is not None}
    kept = adopted.union(uses.shared, *uses.in_trash.values())
    freed = sum(size for sha, size in sizes.items() if sha not in kept)
    return freed, sum(sizes.values()) - freed
