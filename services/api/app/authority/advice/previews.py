"""What would come of accepting a proposal now, worked out by the authority. Changes nothing.

It asks what the ordinary use case asks: permission, policy (by looking, which leaves no record),
feasibility, the plan of an ask (drawn and not kept). A test holds the two together. What only a hub
can say is not asked: for a preview nobody opens a connection.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from app.authority.advice.acting import (
    refuse_ended,
    refuse_held,
    refuse_nobody,
    refuse_replaced,
)
from app.authority.advice.kept import Kept
from app.authority.advice.looking import Asked, Done, Memory, looked
from app.authority.advice.recorded import refuse_unrecorded
from app.authority.approvals.asking import Asking
from app.authority.approvals.rendering import Now, render
from app.authority.approvals.values import Ask
from app.authority.catalog import own_terms
from app.authority.catalog.annotations import Annotations
from app.authority.catalog.removal.deleting import DELETE
from app.authority.catalog.removal.leftovers import ACT as CACHE_PURGE
from app.authority.catalog.removal.trash import PURGE as TRASH_PURGE
from app.authority.guardrails.adding import added, wanted
from app.authority.guardrails.changing import ADD, Changing
from app.authority.ledger.store import Ledger
from app.authority.permissions import Permission, check
from app.authority.policy.decisions import Question
from app.authority.policy.hard import PULL
from app.authority.ports import Calendar
from app.domain.actors import Actor
from app.domain.advice.proposals import Kind, Proposal
from app.domain.feasibility import gib
from app.domain.refusals import InvalidRequest, Refusal

Json = dict[str, Any]

CHANGE: Final = "model_change"
WIDTH: Final = 72
_NOT_OF_A_LOOK: Final = "DEADLINES"
"""From this heading on a plan's page is about the ask, and there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """`what`: done, asked or refused. `code`: the refusal's."""

    what: str
    message: str
    code: str | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Previews:
    """Refusals are answers here; nothing is raised on purpose."""

    memory: Memory
    annotations: Annotations
    asking: Asking
    guardrails: Changing
    ledger: Ledger
    clock: Calendar
    """The one that is never set back, as accepting goes by."""

    async def would(self, actor: Actor, kept: Kept) -> Json:
        """``{what: done|asked|refused, code, message}``: if this actor accepted it now."""
        look = await self._look_at(actor, kept, page=False)
        return {"what": look.what, "code": look.code, "message": look.message}

    async def preview(self, actor: Actor, kept: Kept) -> Json:
        """``{lines: [text]}``: the arithmetic, the plan or the refusal."""
        look = await self._look_at(actor, kept, page=True)
        said = f"refused [{look.code}]: " if look.code else ""
        return {"lines": [f"{said}{look.message}", *look.lines]}

    async def _look_at(self, actor: Actor, kept: Kept, *, page: bool) -> Look:
        """`page`: with that of a plan, which takes longer than all the rest."""
        try:
            refuse_nobody(actor)
            refuse_ended(kept, self.clock.utc_us())
            refuse_replaced(kept, self.memory.catalog.came())
            await asyncio.to_thread(refuse_unrecorded, self.ledger, kept)
            found = await _LOOKS[kept.proposal.kind](self, actor, kept.proposal)
        except Refusal as refusal:
            return Look(what="refused", code=refusal.code, message=refusal.message)
        return _told(found, page=page)

    # --- by kind ----------------------------------------------------------------------------

    async def load(self, actor: Actor, proposal: Proposal) -> Done | Asked:
        return await self.memory.load(actor, proposal)

    async def unload(self, actor: Actor, proposal: Proposal) -> Done:
        return await self.memory.unload(actor, proposal)

    async def pin(self, actor: Actor, proposal: Proposal) -> Done:
        await self._check_change(actor, proposal.target)
        model, pinned = self.memory.catalog.get(proposal.target), proposal.kind is Kind.PIN
        now = "pinned" if model.pinned else "not pinned"
        if model.pinned == pinned:
            return Done(f"{model.id} is {now} already: nothing would change.")
        return Done(
            f"{model.id} is {now}, and would be kept from now on."
            if pinned
            else f"{model.id} is {now}, and could then be unloaded to make room, or deleted."
        )

    async def route(self, actor: Actor, proposal: Proposal) -> Done:
        first, *rest = proposal.change["models"]
        await self._check_change(actor, first)
        self.annotations.check_alias(first, proposal.target, rest)
        before = self.annotations.chains().get(proposal.target, ())
        now = f"leads to {_chain(before)}" if before else "is new"
        if before == (first, *rest):
            return Done(f"{proposal.target} {now} already: nothing would change.")
        return Done(f"{proposal.target} {now}, and would lead to {_chain((first, *rest))}.")

    async def terms(self, actor: Actor, proposal: Proposal) -> Done:
        await self._check_change(actor, proposal.target)
        model = self.memory.catalog.get(proposal.target)
        before = self.annotations.own_terms(model.id)
        after = before.changed(proposal.change)
        own_terms.refuse(model, after)
        if after == before:
            return Done(f"{model.id} has these terms already: nothing would change.")
        usual = self.memory.serving.usual_terms(model)
        change = proposal.change
        needs = (
            await self.memory.need_bytes(model.id, usual.context, usual.slots),
            await self.memory.need_bytes(
                model.id, change.get("context", usual.context), change.get("slots", usual.slots)
            ),
        )
        return Done(
            f"{model.id}: {before} -> {after}, from its next load on.",
            (f"A load needs {gib(needs[0])} now, and {gib(needs[1])} then.",),
        )

    async def delete(self, actor: Actor, proposal: Proposal) -> Asked:
        check(actor, Permission.MODEL_DELETE)
        return await self._plan(actor, DELETE, {"model": proposal.target})

    async def purge(self, actor: Actor, proposal: Proposal) -> Asked:
        check(actor, Permission.STORE_PURGE)
        if proposal.target == "trash":
            return await self._plan(actor, TRASH_PURGE, {"trash": "all"})
        return await self._plan(actor, CACHE_PURGE, {"what": proposal.target})

    async def pull(self, actor: Actor, proposal: Proposal) -> Look:
        check(actor, Permission.MODEL_PULL)
        name = proposal.target
        refuse_held(name, self.memory.catalog.ids())
        revision = proposal.change.get("revision", "main")
        if ".." in revision:
            raise InvalidRequest("Give a branch, a tag or a commit.", param="revision")
        names = {"repo": name, "revision": revision, "name": name}
        question = Question(PULL, actor, name, names, {"repo": name})
        await asyncio.to_thread(looked, self.memory.policy, question)
        await asyncio.to_thread(self.asking.may_ask, actor, PULL, names)
        return Look(
            what="asked",
            message=f"It asks for a pull of {name}, as of {revision}.",
            lines=(
                "The hub is asked when it is accepted, and the plan is drawn then: its files,",
                "what is sent, and whether the model fits. Nothing was connected to for this.",
            ),
        )

    async def guardrail(self, actor: Actor, proposal: Proposal) -> Done | Asked:
        check(actor, Permission.GUARDRAILS_PROPOSE)
        params = {"id": proposal.target, "intent": proposal.change["intent"]}
        asked = wanted(params["id"], params["intent"])
        if (await asyncio.to_thread(added, self.guardrails, asked)).bound:
            return Done(f"{proposal.target} is bound already, exactly so: nothing would change.")
        return await self._plan(actor, ADD, params)

    # --- private ----------------------------------------------------------------------------

    async def _check_change(self, actor: Actor, model_id: str) -> None:
        check(actor, Permission.MODEL_CHANGE)
        question = Question(CHANGE, actor, model_id)
        await asyncio.to_thread(looked, self.memory.policy, question)

    async def _plan(self, actor: Actor, kind: str, params: Json) -> Asked:
        return await asyncio.to_thread(self.asking.look, actor, kind, params)


_LOOKS: Final[Mapping[Kind, Callable[[Previews, Actor, Proposal], Awaitable[Any]]]] = {
    Kind.LOAD: Previews.load,
    Kind.UNLOAD: Previews.unload,
    Kind.PIN: Previews.pin,
    Kind.UNPIN: Previews.pin,
    Kind.ROUTE: Previews.route,
    Kind.TERMS: Previews.terms,
    Kind.DELETE: Previews.delete,
    Kind.PURGE: Previews.purge,
    Kind.PULL: Previews.pull,
    Kind.GUARDRAIL: Previews.guardrail,
}


def _told(found: Look | Done | Asked, *, page: bool) -> Look:
    if isinstance(found, Look):
        return found
    if isinstance(found, Done):
        return Look(what="done", message=found.message, lines=found.lines)
    if isinstance(found, Ask):
        return Look(what="asked", message=f"Ask {found.id} for it is {found.state} already.")
    plan, policy = found
    lines: tuple[str, ...] = ()
    if page:
        whole = render(plan.bytes, width=WIDTH, now=Now(rules=policy.fired))
        lines = whole[: whole.index(_NOT_OF_A_LOOK)]
    frees = plan.body["bytes_freed"]
    more = f" It would free {gib(frees)}." if frees else ""
    return Look(what="asked", message=f"A person has to approve it.{more}", lines=lines)


def _chain(models: tuple[str, ...]) -> str:
    return ", then ".join(models)
