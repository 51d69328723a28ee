"""What the authority would answer to a load or an unload now: looked at, and nothing changed.

It asks what `lifecycle` asks, in the same order, and cannot ask all: the files are hashed when they
are loaded, and by then other models may have come and gone.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from app.authority import feasibility
from app.authority.approvals.plans import Plan
from app.authority.approvals.runs_as_asks import RunsAsAsks
from app.authority.approvals.values import Ask
from app.authority.catalog import Catalog, own_terms
from app.authority.lifecycle.eviction import choose_evictions
from app.authority.lifecycle.losses import quarantined
from app.authority.lifecycle.refusing import (
    refuse_absent,
    refuse_crashing,
    refuse_other_terms,
)
from app.authority.lifecycle.residency import Held, Terms
from app.authority.lifecycle.serving import Serving
from app.authority.lifecycle.transitions import State
from app.authority.permissions import Permission, check
from app.authority.policy.decisions import Decision, Outcome, PolicyDecisionPoint, Question
from app.authority.policy.hard import LOAD, UNLOAD
from app.authority.ports import Clock
from app.domain.actors import Actor
from app.domain.advice.proposals import Proposal
from app.domain.feasibility import Fits, Need, Verdict, gib
from app.domain.models import CatalogModel
from app.domain.refusals import (
    ModelTooLarge,
    NotLoadable,
    PolicyDenied,
)
from app.domain.terms import OwnTerms

MOVING: Final = (State.LOADING, State.DRAINING, State.UNLOADING)


@dataclass(frozen=True, slots=True)
class Done:
    """It would be done at once. `lines`: the arithmetic, where there is any."""

    message: str
    lines: tuple[str, ...] = ()


Asked = Ask | tuple[Plan, Decision]
"""It would become an ask: the one that waits already, or the plan of a new one."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What loads and unloads look at. On the event loop; what blocks runs on threads."""

    catalog: Catalog
    serving: Serving
    policy: PolicyDecisionPoint
    runs_as_asks: RunsAsAsks
    clock: Clock

    async def load(self, actor: Actor, proposal: Proposal) -> Done | Asked:
        """Raises what the load would raise."""
        check(actor, Permission.MODEL_LOAD)
        model = self.catalog.get(proposal.target)
        terms = self._terms(model, proposal)
        self.serving.leaving.refuse_withheld(model.id)
        held = self.serving.residency.known(model.id)
        if held is not None and (done := _there_already(held, terms)) is not None:
            return done
        facts = {"context": terms.context, "slots": terms.slots, "pinned": terms.pinned}
        question = Question(LOAD, actor, model.id, facts)
        decision = await asyncio.to_thread(looked, self.policy, question)
        if decision.outcome is Outcome.REQUIRE_APPROVAL:
            await self.serving.loading.refuse_hopeless(model, terms)
            return await asyncio.to_thread(self.runs_as_asks.look, question)
        if held is not None:
            refuse_crashing(held, now=self.clock.monotonic())
        _refuse_quarantined(model)
        return await self._room(model, terms)

    async def unload(self, actor: Actor, proposal: Proposal) -> Done:
        """Raises what the unload would raise."""
        check(actor, Permission.MODEL_UNLOAD)
        model_id = self.catalog.get(proposal.target).id
        await asyncio.to_thread(looked, self.policy, Question(UNLOAD, actor, model_id))
        refuse_absent(model_id, self.serving.residency.state(model_id))
        held = self.serving.residency.of(model_id)
        first = (f"{held.running} answers are let end first.",) if held.running else ()
        return Done(f"It frees {gib(held.resident_bytes)} of memory.", first)

    async def need_bytes(self, model_id: str, context: int, slots: int) -> int:
        """What a load on these terms needs in all."""
        return (await self._need(model_id, context, slots)).total_bytes

    def _terms(self, model: CatalogModel, proposal: Proposal) -> Terms:
        said = OwnTerms(proposal.change.get("context"), proposal.change.get("slots"))
        own_terms.refuse(model, said)
        usual = self.serving.usual_terms(model)
        return Terms(said.context or usual.context, said.slots or usual.slots, model.pinned)

    async def _room(self, model: CatalogModel, terms: Terms) -> Done:
        need = await self._need(model.id, terms.context, terms.slots)
        verdict = await self.serving.admission.verdict(need)
        if isinstance(verdict, Fits):
            return Done(verdict.message(), _arithmetic(verdict, terms))
        eviction = choose_evictions(verdict.shortfall_bytes, self.serving.residency.ready())
        if eviction is not None:
            evicted = ", ".join(eviction.model_ids)
            return Done(f"It fits once {evicted} has made room.", _arithmetic(verdict, terms))
        moving = [held.model_id for held in self.serving.residency.in_state(*MOVING)]
        if not moving:
            raise ModelTooLarge(f"{model.id}: {verdict.message()}", param="model")
        waits = f"It waits for {', '.join(moving)}, and may then find no room."
        return Done(waits, _arithmetic(verdict, terms))

    async def _need(self, model_id: str, context: int, slots: int) -> Need:
        shape = await asyncio.to_thread(self.catalog.shape, model_id)
        base = self.serving.loading.worker_base_bytes
        return feasibility.need(shape, context=context, slots=slots, worker_base_bytes=base)


def looked(policy: PolicyDecisionPoint, question: Question) -> Decision:
    """What policy would say. Raises PolicyDenied; nothing is recorded."""
    decision = policy.look(question)
    if decision.outcome is Outcome.DENY:
        raise PolicyDenied(decision.why_not(), details={"policy": decision.as_dict()})
    return decision


def _there_already(held: Held, terms: Terms) -> Done | None:
    """What a load comes to that need not begin; None where it has to. Raises ModelBusy."""
    if held.state is State.QUARANTINED:
        raise quarantined(held)
    if held.state is State.LOADING:
        return Done(f"{held.model_id} is being loaded now: nothing more would be begun.")
    if held.state is not State.READY or held.terms is None:
        return None
    refuse_other_terms(held.model_id, held.terms, terms)
    return Done(f"{held.model_id} is in memory on these terms already: nothing would change.")


def _refuse_quarantined(model: CatalogModel) -> None:
    if not model.trust.loadable:
        raise NotLoadable(
            f"{model.id} is in quarantine: its files were not those that were imported. Put them "
            f"back: lmx models verify {model.id} --repair"
        )


def _arithmetic(verdict: Verdict, terms: Terms) -> tuple[str, ...]:
    need, budget = verdict.need, verdict.budget
    parts = ((name.removesuffix("_bytes"), size) for name, size in need.terms().items())
    return (
        f"context {terms.context}, slots {terms.slots}",
        *(f"{name.replace('_', ' ')}: {gib(size)}" for name, size in parts),
        f"needed in all: {gib(need.total_bytes)}",
        f"budget now: {gib(budget.budget_bytes)} of {gib(budget.total_bytes)}",
        "Its files are checked again when it is loaded.",
    )
