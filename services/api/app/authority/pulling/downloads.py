"""The use cases of downloads: plan a pull, pull what was planned, confirm what was pinned.

A plan says everything that a person confirms: hosts, what is sent, the commit, each file with its
size and digest, what is left out, and whether the model fits. Its SHA-256 is what is pulled: other
files, or another commit, would be another plan.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from typing import Any, Final

from app.authority import feasibility
from app.authority.catalog import signatures
from app.authority.catalog.fetching import Download, Fetched, folder_of
from app.authority.catalog.preview import preview
from app.authority.catalog.publishing import model_exists
from app.authority.catalog.signatures import Signature, Signed
from app.authority.catalog.watching import PullProgress, PullWatch
from app.authority.following import Followed
from app.authority.keys.confirmation import confirmed
from app.authority.permissions import Grant, Permission, check, grant
from app.authority.policy.admitting import NeedsApproval, admit, refuse_denied
from app.authority.policy.decisions import Question
from app.authority.pulling.planned import (
    Planned,
    Plans,
    asked_for,
    choice_of,
    name_of,
    revision_of,
)
from app.authority.pulling.ports import Alone, PullingPorts
from app.authority.pulling.recording import Recording
from app.authority.reading import described
from app.domain.actors import Actor
from app.domain.feasibility import DoesNotFit, Fits, Verdict
from app.domain.models import CatalogModel
from app.domain.refusal import attempting
from app.domain.refusals import ModelTooLarge, PlanStale, SignatureInvalid
from app.domain.shapes import ModelShape

PULL: Final = "model_pull"
PUBLISH: Final = "model_publish"
CHANGE: Final = "model_change"


class Pulling:
    """Methods are called on the event loop. They raise Refusals and nothing else on purpose."""

    def __init__(self, ports: PullingPorts) -> None:
        self._ports = ports
        self._plans: Plans[Verdict] = Plans(ports.clock)
        self._busy: set[str] = set()
        self._fetching: dict[str, Planned] = {}

    @property
    def ports(self) -> PullingPorts:
        return self._ports

    def under_way(self) -> list[str]:
        """Directories that pulls work in now, relative to the state directory. From any thread."""
        revisions = [name for name in self._busy.copy() if "@" in name]
        return [f"store/downloads/{folder_of(revision)}" for revision in revisions]

    async def fetched_bytes(self, actor: Actor, name: str) -> int | None:
        """How much of `name` is here while it is pulled; None when nobody pulls it."""
        grant(actor, Permission.MODEL_PULL, subject=name)
        planned = self._fetching.get(name)
        return None if planned is None else await asyncio.to_thread(self._have, planned)

    # --- plan -------------------------------------------------------------------------------

    async def plan(
        self, actor: Actor, repo: str, revision: str | None, name: str | None
    ) -> dict[str, Any]:
        """What a pull would do, with the digest to pull by; headers are read, weights are not.

        `repo` is ``ORG/NAME``, or ``ORG/NAME:CHOICE`` for one of several models in GGUF.
        Raises HubUnreachable, HubRefused, IntakeRefused, ModelExists, PolicyDenied where it lacks a
        signature that is demanded, and ModelTooLarge for a model that cannot fit this machine even
        when nothing else runs.
        """
        with attempting(Permission.MODEL_PULL, repo=repo, revision=revision, name=name):
            grant(actor, Permission.MODEL_PULL, subject=name or repo)
            (repo, choice), revision = choice_of(repo), revision_of(revision)
            name = name_of(name, repo, choice)
            planned, shape = await asyncio.to_thread(
                self.look_if_allowed, actor, repo, revision, name, choice=choice
            )
            await asyncio.to_thread(self._refuse_denied, actor, planned)
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

    def look_if_allowed(
        self, actor: Actor, repo: str, revision: str, name: str, *, choice: str | None = None
    ) -> tuple[Planned, ModelShape]:
        """`look`, unless policy denies the pull by its names alone: then the hub hears nothing.

        What only the hub can say meets no rule yet. Raises PolicyDenied.
        """
        facts = asked_for(repo, revision, name, choice)
        refuse_denied(self._ports.policy, Question(PULL, actor, name, facts, {"repo": repo}))
        return self.look(actor, repo, revision, name, choice=choice)

    def look(
        self, actor: Actor, repo: str, revision: str, name: str, *, choice: str | None = None
    ) -> tuple[Planned, ModelShape]:
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
            choice=choice,
        )
        if held:
            self._refuse_another(planned)
            shape = ports.catalog.shape(name)
        else:
            shape = preview(ports.hub, at, planned.files, _go_on)
        return planned.with_shape(shape), shape

    def _held(self, name: str, repo: str, commit: str) -> bool:
        """Whether exactly this is in the catalog and may be loaded. Raises ModelExists."""
        ports = self._ports
        if name not in ports.catalog.ids():
            return False
        if ports.publishing.origin(name) != (repo, commit):
            raise model_exists(name)
        return ports.catalog.get(name).trust.loadable

    def _refuse_another(self, planned: Planned) -> None:
        """Of one commit, several models can be chosen. Raises ModelExists."""
        held = {artifact.path for artifact in self._ports.catalog.manifest(planned.name).artifacts}
        if planned.choice is not None and held != {file.path for file in planned.files}:
            raise model_exists(planned.name)

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

    def subject(self, actor: Actor, plan: str) -> str:
        """What a pull by this plan is about, as it is recorded: the model's name, once planned."""
        try:
            return self._plans.get(plan, actor)[0].name
        except PlanStale:
            return f"pull {plan[:12]}"

    async def pull(
        self, actor: Actor, plan: str, request_id: str | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Yield ``{"fetching"|"checking": {path, done, total}}``, then ``{"done": model}``.

        Closing the iterator cancels the pull; what was fetched is kept for the next one. Raises
        PlanStale, PolicyDenied, what asking instead makes, ModelBusy, and what `plan` raises.
        """
        with attempting(Permission.MODEL_PULL, plan=plan):
            check(actor, Permission.MODEL_PULL)  # who may not pull learns nothing of plans
            planned, verdict = self._plans.get(plan, actor)
            may = grant(actor, Permission.MODEL_PULL, subject=planned.name)
            try:
                policy = await asyncio.to_thread(
                    admit, self._ports.policy, _question(actor, planned)
                )
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
        with self.alone(planned):
            self._fetching[planned.name] = planned
            try:
                async with aclosing(self._follow(may, planned, recording)) as steps:
                    async for step in steps:
                        yield step
            finally:
                del self._fetching[planned.name]

    async def _follow(
        self, may: Grant, planned: Planned, recording: Recording
    ) -> AsyncGenerator[dict[str, Any], None]:
        def work(tell: Callable[[PullProgress], None], stop: Callable[[], bool]) -> CatalogModel:
            watch = PullWatch(tell, stop, self._ports.clock)
            return recording.around(lambda: self._bring(may, planned, recording, watch))

        pulling = Followed(work)
        async with aclosing(pulling.steps()) as steps:
            async for step in steps:
                yield {step.step: {"path": step.path, "done": step.done, "total": step.total}}
        moved = {"fetched_bytes": recording.moved.count}
        yield {"done": {**described(pulling.result), **moved, **recording.signature}}

    def _bring(
        self, may: Grant, planned: Planned, recording: Recording, watch: PullWatch
    ) -> CatalogModel:
        ports = self._ports
        if self._held(planned.name, planned.at.repo, planned.at.commit):
            model = ports.catalog.get(planned.name)
            recording.already_there(model)
            return model
        if planned.held:
            raise PlanStale(
                f"{planned.name} was here when this was planned, and is not any more. Nothing was "
                "fetched. Plan it again: lmx models pull does."
            )
        self._admit_unsigned(may.actor, planned)
        download = self._download(planned)
        fetched = download.fetch_all(
            ports.hub,
            planned.files,
            recording.moved,
            watch,
            signature=planned.signature,
        )
        model = ports.publishing.publish(
            may,
            planned.name,
            fetched,
            planned.origin,
            admit=lambda fetched: self._admit(may.actor, planned, fetched, recording),
            outcome=recording.done,
            check=watch.check,
        )
        recording.recorded()
        download.discard()
        return model

    def _admit(
        self, actor: Actor, planned: Planned, fetched: Fetched, recording: Recording
    ) -> Signature:
        """Ask policy once more, now that it can be seen what came."""
        content, signers = fetched.signature, self._ports.signers()
        found = Signature(Signed.ABSENT)
        if content is not None:
            found = signatures.check(content, fetched.manifest, signers)
        recording.signed(found)
        if found.status is Signed.INVALID:
            raise SignatureInvalid(
                f"The signature of {planned.name} {found.why}. It stays in quarantine and is never "
                "loaded. Ask whoever published it."
            )
        self._admit_signed(actor, planned, found)
        return found

    def _refuse_denied(self, actor: Actor, planned: Planned) -> None:
        """What policy denies is not shown to anybody for a yes."""
        refuse_denied(self._ports.policy, _question(actor, planned))
        self._admit_unsigned(actor, planned)

    def _admit_unsigned(self, actor: Actor, planned: Planned) -> None:
        """Where no signature will come, policy need not wait until everything was fetched."""
        if planned.signature is None and not planned.held:
            self._admit_signed(actor, planned, Signature(Signed.ABSENT))

    def _admit_signed(self, actor: Actor, planned: Planned, found: Signature) -> None:
        facts = {**planned.facts(), "signature": str(found.status)}
        admit(self._ports.policy, Question(PUBLISH, actor, planned.name, facts))

    def _download(self, planned: Planned) -> Download:
        return Download(self._ports.catalog.store, planned.at)

    def alone(self, planned: Planned) -> Alone:
        """While it is held, nobody else fetches these files or for this name."""
        return Alone(self._busy, {planned.name, f"{planned.at.repo}@{planned.at.commit}"})

    # --- confirm ----------------------------------------------------------------------------

    async def confirm(
        self, actor: Actor, model_id: str, confirmation: str | None
    ) -> dict[str, Any]:
        """Make a pinned model `verified`: the operator read its SHA-256s and says they are right.

        Raises ConfirmationRequired, which names the phrase, NotLoadable and DigestMismatch.
        """
        with attempting(Permission.MODEL_CHANGE, change="confirmation"):
            may = grant(actor, Permission.MODEL_CHANGE, subject=model_id)
            model = self._ports.catalog.get(model_id)
            confirmed(confirmation, f"yes, confirm {model.id} {model.digest[-6:]}")
            question = Question(CHANGE, actor, model.id, {"change": "confirmation"})
            await asyncio.to_thread(admit, self._ports.policy, question)
            return described(await asyncio.to_thread(self._ports.publishing.confirm, may, model.id))


def _question(actor: Actor, planned: Planned) -> Question:
    return Question(PULL, actor, planned.name, planned.facts(), planned.about())


def _go_on() -> None:
    """Nobody cancels a look."""
