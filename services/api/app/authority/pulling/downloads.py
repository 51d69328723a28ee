"""The use cases of downloads: plan a pull, pull what was planned, confirm what was pinned.

A plan says everything that a person confirms: hosts, what is sent, the commit, each file with its
size and digest, what is left out, and whether the model fits. Its SHA-256 is what is pulled: other
files, or another commit, would be another plan.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from app.authority import feasibility
from app.authority.catalog import Catalog
from app.authority.catalog.fetching import Download, PullProgress, PullWatch
from app.authority.catalog.preview import preview
from app.authority.catalog.publishing import Origin, Publishing, model_exists
from app.authority.keys.confirmation import confirmed
from app.authority.ledger.store import Ledger
from app.authority.permissions import Grant, Permission, grant
from app.authority.policy.admitting import AskInstead, NeedsApproval, admit, no_asks
from app.authority.policy.decisions import PolicyDecisionPoint, Question
from app.authority.ports import Clock, Hub, MemoryProbe
from app.authority.pulling.planned import Planned, Plans, name_of, repo_of, revision_of
from app.authority.pulling.recording import Recording
from app.authority.reading import described
from app.domain.actors import Actor
from app.domain.feasibility import DoesNotFit, Fits, Need, Verdict
from app.domain.models import CatalogModel
from app.domain.refusals import ModelBusy, ModelTooLarge
from app.domain.shapes import ModelShape

PULL: Final = "model_pull"
PUBLISH: Final = "model_publish"
CHANGE: Final = "model_change"
UNSIGNED: Final = "absent"


@dataclass(frozen=True, slots=True)
class Machine:
    """What a verdict on a model that is not here yet needs to know."""

    probe: MemoryProbe
    verdict: Callable[[Need], Awaitable[Verdict]]
    worker_base_bytes: Callable[[], int]
    default_context: int
    default_slots: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PullingPorts:
    hub: Hub
    catalog: Catalog
    publishing: Publishing
    ledger: Ledger
    clock: Clock
    policy: PolicyDecisionPoint
    machine: Machine
    asks: AskInstead = no_asks
    signature: Callable[[Path], str] = lambda _: UNSIGNED
    """What the signature in a model's directory is worth: `absent`, `verified`, or why not."""


class Pulling:
    """Methods are called on the event loop. They raise Refusals and nothing else on purpose."""

    def __init__(self, ports: PullingPorts) -> None:
        self._ports = ports
        self._plans = Plans(ports.clock)
        self._busy: set[str] = set()

    # --- plan -------------------------------------------------------------------------------

    async def plan(
        self, actor: Actor, repo: str, revision: str | None, name: str | None
    ) -> dict[str, Any]:
        """What a pull would do, with the digest to pull by; headers are read, weights are not.

        Raises HubUnreachable, HubRefused, IntakeRefused, ModelExists, and ModelTooLarge for a model
        that cannot fit this machine even when nothing else runs.
        """
        grant(actor, Permission.MODEL_PULL, subject=name or repo)
        repo, revision = repo_of(repo), revision_of(revision)
        name = name_of(name, repo)
        planned, shape = await asyncio.to_thread(self.look, actor, repo, revision, name)
        verdict = await self.verdict(name, shape)
        self._plans.keep(planned, verdict)
        have = await asyncio.to_thread(self._have, planned)
        return {
            **planned.document,
            "plan": planned.digest,
            "fetch_bytes": planned.size_bytes - have,
            "feasibility": {
                "verdict": "fits" if isinstance(verdict, Fits) else "does_not_fit_now",
                **verdict.as_dict(),
                "message": verdict.message(),
            },
        }

    def look(self, actor: Actor, repo: str, revision: str, name: str) -> tuple[Planned, ModelShape]:
        """What a pull would fetch, and the shape of it. Blocks; asks the hub."""
        ports = self._ports
        at = ports.hub.resolve(repo, revision, _go_on)
        held = self._held(name, at.repo, at.commit)
        planned = Planned.of(
            at,
            asked=revision,
            name=name,
            actor=actor,
            hub=ports.hub,
            known=ports.catalog.known.find(name),
            held=held,
        )
        if held:
            return planned, ports.catalog.shape(name)
        return planned, preview(ports.hub, at, planned.files, _go_on)

    def _held(self, name: str, repo: str, commit: str) -> bool:
        """Whether exactly this is in the catalog and may be loaded. Raises ModelExists."""
        ports = self._ports
        if name not in ports.catalog.ids():
            return False
        if ports.publishing.origin(name) != (repo, commit):
            raise model_exists(name)
        return ports.catalog.get(name).trust.loadable

    def _have(self, planned: Planned) -> int:
        if planned.held:
            return planned.size_bytes
        return self._download(planned).have(planned.files)

    async def verdict(self, name: str, shape: ModelShape) -> Verdict:
        """Whether it fits now. Raises ModelTooLarge where it never would."""
        machine = self._ports.machine
        base = machine.worker_base_bytes()
        least = feasibility.need(shape, context=1, slots=1, worker_base_bytes=base)
        reading = await asyncio.to_thread(machine.probe.read)
        best = feasibility.decide(least, feasibility.budget_at_best(reading))
        if isinstance(best, DoesNotFit):
            raise ModelTooLarge(
                f"{name} can never run here, so it is not fetched. Even with a context of one "
                f"token and nothing else in memory: {best.message()}",
                details=best.as_dict(),
            )
        need = feasibility.need(
            shape,
            context=min(shape.max_context, machine.default_context),
            slots=machine.default_slots,
            worker_base_bytes=base,
        )
        return await machine.verdict(need)

    # --- pull -------------------------------------------------------------------------------

    async def pull(
        self, actor: Actor, plan: str, request_id: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield ``{"fetching"|"checking": {path, done, total}}``, then ``{"done": model}``.

        Closing the iterator cancels the pull; what was fetched is kept for the next one. Raises
        PlanStale, PolicyDenied, what asking instead makes, ModelBusy, and what `plan` raises.
        """
        planned, verdict = self._plans.get(plan, actor)
        may = grant(actor, Permission.MODEL_PULL, subject=planned.name)
        question = Question(PULL, actor, planned.name, planned.facts())
        try:
            policy = admit(self._ports.policy, question)
        except NeedsApproval as needs:
            raise await self._ports.asks(needs, request_id) from None
        async with aclosing(self.fetch(may, planned, verdict, policy, request_id)) as steps:
            async for step in steps:
                yield step

    async def fetch(
        self,
        may: Grant,
        planned: Planned,
        verdict: Verdict,
        policy: Mapping[str, Any],
        request_id: str | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """What was planned and allowed, as `pull` yields it."""
        recording = Recording(
            self._ports.ledger,
            self._ports.clock,
            may.actor,
            planned,
            feasibility=verdict.as_dict(),
            policy=policy,
            request_id=request_id,
        )
        with self._alone(planned):
            async with aclosing(self._follow(may, planned, recording)) as steps:
                async for step in steps:
                    yield step

    async def _follow(
        self, may: Grant, planned: Planned, recording: Recording
    ) -> AsyncGenerator[dict[str, Any], None]:
        loop = asyncio.get_running_loop()
        steps: asyncio.Queue[PullProgress | None] = asyncio.Queue()
        stop = threading.Event()

        def tell(step: PullProgress | None) -> None:
            loop.call_soon_threadsafe(steps.put_nowait, step)

        def work() -> CatalogModel:
            try:
                watch = PullWatch(tell, stop.is_set, self._ports.clock)
                return recording.around(lambda: self._bring(may, planned, recording, watch))
            finally:
                tell(None)

        pulling = asyncio.create_task(asyncio.to_thread(work))
        try:
            while (step := await steps.get()) is not None:
                yield {step.step: {"path": step.path, "done": step.done, "total": step.total}}
            model = await pulling
            yield {"done": {**described(model), "fetched_bytes": recording.moved.count}}
        finally:
            stop.set()
            await asyncio.wait({pulling})
            pulling.exception()  # whoever left does not hear it; the ledger has it

    def _bring(
        self, may: Grant, planned: Planned, recording: Recording, watch: PullWatch
    ) -> CatalogModel:
        ports = self._ports
        if self._held(planned.name, planned.at.repo, planned.at.commit):
            model = ports.catalog.get(planned.name)
            recording.already_there(model)
            return model
        download = self._download(planned)
        fetched = download.fetch_all(ports.hub, planned.files, recording.moved, watch)
        model = ports.publishing.publish(
            may,
            planned.name,
            fetched,
            Origin(planned.at.repo, planned.at.commit, planned.source, planned.known_by),
            admit=lambda view: self._admit(may.actor, planned, view),
            outcome=recording.done,
            check=watch.check,
        )
        recording.recorded()
        download.discard()
        return model

    def _admit(self, actor: Actor, planned: Planned, view: Path) -> None:
        """Ask policy once more, now that it can be seen what came."""
        facts = {**planned.facts(), "signature": self._ports.signature(view)}
        admit(self._ports.policy, Question(PUBLISH, actor, planned.name, facts))

    def _download(self, planned: Planned) -> Download:
        return Download(self._ports.catalog.store, planned.at)

    def _alone(self, planned: Planned) -> "_Alone":
        at = planned.at
        return _Alone(self._busy, {planned.name, f"{at.repo}@{at.commit}"})

    # --- confirm ----------------------------------------------------------------------------

    async def confirm(
        self, actor: Actor, model_id: str, confirmation: str | None
    ) -> dict[str, Any]:
        """Make a pinned model `verified`: the operator read its SHA-256s and says they are right.

        Raises ConfirmationRequired, which names the phrase, NotLoadable and DigestMismatch.
        """
        may = grant(actor, Permission.MODEL_CHANGE, subject=model_id)
        model = self._ports.catalog.get(model_id)
        confirmed(confirmation, f"yes, confirm {model.id} {model.digest[-6:]}")
        admit(self._ports.policy, Question(CHANGE, actor, model.id, {"change": "confirmation"}))
        return described(await asyncio.to_thread(self._ports.publishing.confirm, may, model.id))


class _Alone:
    """Holds the names of one pull; another pull of one of them is refused meanwhile."""

    def __init__(self, busy: set[str], names: set[str]) -> None:
        self._busy = busy
        self._names = names

    def __enter__(self) -> None:
        if taken := self._names & self._busy:
            raise ModelBusy(f"{min(taken)} is being pulled already. Wait until that pull ends.")
        self._busy |= self._names

    def __exit__(self, *_: object) -> None:
        self._busy -= self._names


def _go_on() -> None:
    """Nobody cancels a look."""
