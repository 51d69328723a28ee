"""The use case of repairs: say what is damaged and where it would come from, then fetch only that.

What comes is compared with the SHA-256 that the model was taken in with: no hub's word counts. A
model whose bytes cannot be had is refused and stays in quarantine as it is.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from app.authority.catalog.fetching import Download
from app.authority.catalog.repairing import Damage, Repairing
from app.authority.catalog.shipped import Shipped
from app.authority.catalog.watching import PullProgress, PullWatch
from app.authority.following import Followed
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Grant, Permission, grant
from app.authority.policy.admitting import NeedsApproval, admit, recorded, refuse_denied
from app.authority.policy.decisions import Question
from app.authority.policy.hard import REPAIR
from app.authority.ports import Hub
from app.authority.pulling.downloads import Pulling
from app.authority.pulling.planned import Planned, Plans, asked_for, listed, sent
from app.authority.pulling.ports import PullingPorts
from app.authority.pulling.recording import Recording
from app.authority.reading import described
from app.domain.actors import Actor
from app.domain.hub import HubFile, HubRevision
from app.domain.models import Artifact, CatalogModel
from app.domain.refusal import attempting
from app.domain.refusals import (
    ApprovalUnavailable,
    DigestMismatch,
    HubRefused,
    NotLoadable,
    PlanStale,
    RepairRefused,
)

TYPE: Final = "lmx-authority/repair/v1"
Tell = Callable[[PullProgress], None]


@dataclass(frozen=True, slots=True)
class Found:
    """What is damaged, who has the right bytes, and what would be fetched."""

    planned: Planned
    damage: Damage
    hub: Hub


class Repairs:
    """Methods are called on the event loop. They raise Refusals and nothing else on purpose."""

    def __init__(
        self,
        ports: PullingPorts,
        pulling: Pulling,
        repairing: Repairing,
        shipped: Shipped,
        serving: Serving,
    ) -> None:
        self._ports = ports
        self._pulling = pulling
        self._repairing = repairing
        self._shipped = shipped
        self._serving = serving
        self._plans: Plans[Found] = Plans(ports.clock)

    async def plan(self, actor: Actor, model_id: str) -> dict[str, Any]:
        """What is damaged, what a repair would fetch from where, and the digest to repair by.

        Every byte of the model is read. Raises RepairRefused where nobody has the right ones, and
        HubRefused, HubUnreachable, and PolicyDenied before the hub is asked.
        """
        with attempting(Permission.MODEL_REPAIR):
            grant(actor, Permission.MODEL_REPAIR, subject=model_id)
            found = await asyncio.to_thread(self._look, actor, model_id)
            planned = found.planned
            self._plans.keep(planned, found)
            return {**planned.document, "plan": planned.digest}

    async def repair(
        self, actor: Actor, model_id: str, plan: str, request_id: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield ``{"fetching"|"checking": {path, done, total}}``, then ``{"done": model}``.

        Closing the iterator cancels; what was fetched is kept for the next repair. Raises
        PlanStale, PolicyDenied, DigestMismatch, ModelBusy and what `plan` raises.
        """
        with attempting(Permission.MODEL_REPAIR, plan=plan):
            may = grant(actor, Permission.MODEL_REPAIR, subject=model_id)
            planned, found = self._plans.get(plan, actor)
            if planned.name != model_id:
                raise PlanStale(f"That plan is for {planned.name}. Nothing was fetched.")
            policy = await asyncio.to_thread(self._admitted, actor, found, plan)
            recording = Recording(
                self._ports.ledger,
                self._ports.clock,
                actor,
                planned,
                feasibility={},
                policy=policy,
                request_id=request_id,
                act=Permission.MODEL_REPAIR,
            )
            with self._pulling.alone(planned):
                work = Followed(partial(self._recorded, may, found, recording))
                async with aclosing(work.steps()) as steps:
                    async for step in steps:
                        at = {"path": step.path, "done": step.done, "total": step.total}
                        yield {step.step: at}
            await self._serving.release(actor, planned.name)
            state = self._serving.residency.state(planned.name)
            moved = {"fetched_bytes": recording.moved.count, "state": str(state)}
            model, others = work.result
            yield {"done": {**described(model), **moved, "others": others}}

    def _admitted(self, actor: Actor, found: Found, plan: str) -> Mapping[str, Any]:
        """The decision that allows it. Raises PolicyDenied, ApprovalUnavailable."""
        planned = found.planned
        facts = {**planned.facts(), "plan": plan}
        about = _fetched_from(found.hub, planned.at.repo) if planned.files else {}
        try:
            return admit(self._ports.policy, Question(REPAIR, actor, planned.name, facts, about))
        except NeedsApproval as needs:
            raise ApprovalUnavailable(
                f"Fetching from {planned.at.repo} needs a person's approval, and a repair cannot "
                f"be asked for. Delete {planned.name} and pull it again: a pull can be.",
                details={"policy": recorded(needs.question, needs.decision)},
            ) from None

    # --- looking ----------------------------------------------------------------------------

    def _look(self, actor: Actor, model_id: str) -> Found:
        catalog = self._ports.catalog
        model = catalog.get(model_id)
        hub, repo, revision = self._origin(model)
        damage = self._repairing.damage(model_id, actor)
        files: tuple[HubFile, ...] = ()
        if damage.lost:
            # Without need nobody is asked, and nobody whom policy denies.
            refuse_denied(
                self._ports.policy,
                Question(
                    REPAIR,
                    actor,
                    model_id,
                    asked_for(repo, revision, model_id, None),
                    _fetched_from(hub, repo),
                ),
            )
            at = hub.resolve(repo, revision, _go_on)
            if at.commit != revision:
                raise HubRefused(f"The hub has no commit {revision[:12]} of {repo} any more.")
            files = tuple(_expected(at, artifact) for artifact in damage.lost)
        document = {
            "type": TYPE,
            "asked_by": actor.id,
            "name": model.id,
            "digest": model.digest,
            "trust": str(catalog.get(model_id).trust),
            "repo": repo,
            "revision": revision,
            "commit": revision,
            "endpoint": hub.endpoint,
            "hosts": list(hub.hosts),
            "sent": sent(hub) if hub.hosts and files else [],
            "damaged": [artifact.path for artifact in damage.wrong],
            "removed": [ascii(name) for name in damage.foreign],
            "files": [listed(file) for file in files],
            "size_bytes": sum(file.size for file in files),
        }
        at = HubRevision(repo, revision, files)
        planned = Planned(
            at, model.id, actor.id, files, False, None, source=model.source, document=document
        )
        return Found(planned, damage, hub)

    def _origin(self, model: CatalogModel) -> tuple[Hub, str, str]:
        """Who has this model's bytes, and under which name. Raises RepairRefused."""
        if self._repairing.adopted(model.id):
            raise RepairRefused(
                f"The files of {model.id} are another program's ({model.source}), and are never "
                f"written from here. Get them again there, then: lmx models verify {model.id}"
            )
        if self._shipped.has(model.id, model.digest):
            return self._shipped, model.id, model.digest
        origin = self._ports.catalog.origin(model.id)
        repo, revision = origin["repo"], origin["revision"]
        if repo is None or revision is None:
            raise RepairRefused(
                f"{model.id} was imported from {model.source}, so nobody can be asked for its "
                f"bytes. Import it again from a copy that you trust: lmx models import DIR "
                f"--name {model.id}"
            )
        return self._ports.hub, repo, revision

    # --- repairing, on a thread -------------------------------------------------------------

    def _recorded(
        self,
        may: Grant,
        found: Found,
        recording: Recording,
        tell: Tell,
        cancelled: Callable[[], bool],
    ) -> tuple[CatalogModel, list[dict[str, Any]]]:
        watch = PullWatch(tell, cancelled, self._ports.clock)
        others: list[str] = []

        def bring() -> CatalogModel:
            others.extend(self._bring(may, found, recording, watch))
            model = self._ports.catalog.get(found.planned.name)
            recording.already_there(model)
            return model

        model = recording.around(bring)
        return model, [self._verified(may.actor, other) for other in others]

    def _bring(self, may: Grant, found: Found, recording: Recording, watch: PullWatch) -> list[str]:
        catalog, planned = self._ports.catalog, found.planned
        others: list[str] = []
        files: dict[str, Path] = {}
        download = Download(catalog.store, planned.at)
        if planned.files:
            files = dict(download.fetch_all(found.hub, planned.files, recording.moved, watch).files)
        if found.damage:
            put_right = self._repairing.put_right
            others = put_right(may, planned.name, found.damage, files, watch.check)
        catalog.verify(planned.name, full=True, actor=may.actor)
        if planned.files:
            download.discard()
        return others

    def _verified(self, actor: Actor, model_id: str) -> dict[str, Any]:
        """A model that shared what was damaged: looked at too, and said if more is wrong."""
        catalog, why = self._ports.catalog, None
        try:
            catalog.verify(model_id, full=True, actor=actor)
        except (DigestMismatch, NotLoadable) as refusal:
            why = refusal.message
        return {"id": model_id, "trust": str(catalog.get(model_id).trust), "why": why}


def _expected(at: HubRevision, artifact: Artifact) -> HubFile:
    """The file on the hub, by the SHA-256 that it was taken in with. Raises HubRefused."""
    file = next((file for file in at.files if file.path == artifact.path), None)
    said = None if file is None else (file.size, file.sha256 or artifact.sha256)
    if said != (artifact.size, artifact.sha256):
        raise HubRefused(
            f"{artifact.path} of {at.repo} at {at.commit[:12]} is not what was pulled from there. "
            "Nothing was fetched, and nothing was changed."
        )
    return HubFile(artifact.path, artifact.size, artifact.sha256)


def _fetched_from(hub: Hub, repo: str) -> dict[str, Any]:
    """What guardrails look at: a repair from this machine's own files is no pull."""
    return {"repo": repo} if hub.hosts else {}


def _go_on() -> None:
    """Nobody cancels a look."""
