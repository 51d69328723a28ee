"""The only place that executes what was approved: claim, compare, record, act, measure, seal.

One act at a time. From the claim on nothing can be called back, so it runs to its end even when
whoever asked has gone away; what a crash leaves is finished or settled at the next start.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import structlog

from app.authority.approvals.acts import Effect
from app.authority.approvals.deciding import Deciding, stale
from app.authority.approvals.parts import Parts
from app.authority.approvals.plans import Plan
from app.authority.approvals.records import claimed, intent
from app.authority.approvals.sealing import ACT, PURGE, Sealing, is_of
from app.authority.approvals.transitions import State
from app.authority.approvals.values import Ask
from app.authority.ledger.appending import Receipt
from app.authority.ledger.stored import StoredEvent
from app.authority.permissions import Permission, grant
from app.authority.policy.decisions import Outcome
from app.authority.policy.hard import MAY_BE_ASKED
from app.authority.underway import Underway
from app.authority.warrants import Warrant
from app.authority.warrants.issuing import issue
from app.domain.actors import SYSTEM, Actor
from app.domain.refusal import attempting
from app.domain.refusals import (
    AskExpired,
    AskNotOpen,
    AuditUnavailable,
    Forbidden,
    Refusal,
)

log = structlog.get_logger(__name__)

CLOSE_S: Final = 10.0

_NEVER_BEGUN: Final = "The server ended after it was claimed and before anything was done."
_NOTHING: Final = "It was claimed and could not be begun ({}): nothing was done."


@dataclass(frozen=True, slots=True)
class Executed:
    """The ask as it is afterwards, and what was measured."""

    ask: Ask
    effect: Effect


@dataclass(frozen=True, slots=True)
class Executing:
    """All of it runs on one event loop; what blocks runs on threads."""

    parts: Parts
    deciding: Deciding
    _one: asyncio.Lock = field(default_factory=asyncio.Lock)
    _underway: Underway = field(default_factory=lambda: Underway("execution_failed"))

    async def execute(self, actor: Actor, ask_id: str) -> Executed:
        """Do what was approved, once. Raises AskNotOpen for whoever comes second, PlanStale,
        PolicyDenied, AskExpired; then nothing was done."""
        with attempting(Permission.ASK_EXECUTE, ask=ask_id):
            grant(actor, Permission.ASK_EXECUTE, subject=ask_id)
            return await self._underway.to_its_end(self._execute(actor, ask_id))

    async def recover(self) -> None:
        """At the start: finish or settle what an earlier run of the server had claimed."""
        begun = await asyncio.to_thread(self._sealing.open_intents)
        for ask in await asyncio.to_thread(self.parts.asks.in_state, State.CLAIMED):
            if not any(is_of(found, ask, ACT) for found in begun):
                await asyncio.to_thread(self._sealing.nothing_done, ask, _NEVER_BEGUN)
        for found in begun:
            ask = await asyncio.to_thread(self.parts.asks.get, str(found.data.get("ask")))
            await self._finish(ask, found)

    async def purging(self, ask_id: str) -> Effect:
        """Take away for good what an approved act put in the trash, once its grace is over."""
        return await self._underway.to_its_end(self._purge(ask_id))

    async def close(self) -> None:
        """Wait for what is being executed, but not for ever: the next start settles the rest."""
        await self._underway.close(CLOSE_S)

    @property
    def _sealing(self) -> Sealing:
        return Sealing(self.parts)

    # --- private ----------------------------------------------------------------------------

    async def _execute(self, actor: Actor, ask_id: str) -> Executed:
        async with AsyncExitStack() as turn:
            await turn.enter_async_context(self._one)
            ask, warrant = await asyncio.to_thread(self._prepare, actor, ask_id)
            if ask.act in MAY_BE_ASKED:  # it destroys nothing and may take an hour
                await turn.aclose()
            effect = await _performed(self.parts.act(ask.act).perform, warrant)
            ask = await asyncio.to_thread(
                self._sealing.seal, ask, actor, effect, warrant.intent_seq
            )
            return Executed(ask, effect)

    async def _purge(self, ask_id: str) -> Effect:
        async with self._one:
            ask = await asyncio.to_thread(self.parts.asks.get, ask_id)
            if ask.state not in (State.DONE, State.PARTIAL):
                raise AskNotOpen(f"Ask {ask.id} is {ask.state}: it put nothing in the trash.")
            plan = await asyncio.to_thread(self.parts.asks.plan_of, ask)
            event = intent(ask, SYSTEM, phase=PURGE)
            receipt = await asyncio.to_thread(self.parts.ledger.append, event)
            warrant = _warrant(ask, plan, SYSTEM, receipt.seq, PURGE)
            effect = await _performed(self.parts.act(ask.act).perform, warrant)
            await asyncio.to_thread(self._sealing.purged, ask, effect, receipt.seq)
            return effect

    def _prepare(self, actor: Actor, ask_id: str) -> tuple[Ask, Warrant]:
        """Claim it and record the intent. On one thread: each hop costs as much as a step."""
        ask = self._admit(actor, ask_id)
        try:
            ask = self._claim(actor, ask)
        except AuditUnavailable as failure:  # it may have been committed all the same
            self._let_go(ask, failure)
            raise
        plan, intent_seq = self._begin(ask, actor)
        return ask, _warrant(ask, plan, actor, intent_seq, ACT)

    def _admit(self, actor: Actor, ask_id: str) -> Ask:
        ask = self.parts.asks.get(ask_id)
        act = self.parts.act(ask.act)
        if act.asker_executes and not ask.is_of(actor):
            raise Forbidden(
                f"What ask {ask.id} gives is for who asked, and only they may execute it: "
                f"lmx approvals execute {ask.id}",
                details={"permission": str(Permission.ASK_EXECUTE)},
            )
        expired = self.parts.end_overdue(ask) is not None or ask.state is State.EXPIRED
        if expired or (
            ask.state is State.PARTIAL and self.parts.clock.utc_us() >= ask.execute_by_us
        ):
            raise AskExpired(
                f"Ask {ask.id} was not executed in time. Ask again: lmx approvals again {ask.id}"
            )
        if ask.state is State.PARTIAL and self._sealing.restored_since(ask):
            raise AskExpired(
                f"Ask {ask.id} was executed in part, and then the state was restored from a "
                "backup: what was done afterwards is not known here. Ask for it anew."
            )
        if ask.state not in (State.APPROVED, State.PARTIAL):
            raise AskNotOpen(
                f"Ask {ask.id} is {ask.state}; only what is approved is executed. See "
                f"lmx approvals show {ask.id}"
            )
        return ask

    def _claim(self, actor: Actor, ask: Ask) -> Ask:
        attempt = self.parts.asks.attempts(ask.plan or "") + 1
        return self.parts.asks.claim(
            ask,
            by=actor.id,
            attempt=attempt,
            now_us=self.parts.clock.utc_us(),
            event=claimed(ask, actor, attempt=attempt),
        )

    def _begin(self, ask: Ask, actor: Actor) -> tuple[Plan, int]:
        """The plan, and the number of the intent that is recorded now.

        Whatever stands in the way ends the ask: a claim that nobody works on would stay for ever.
        """
        try:
            plan = self._check_claimed(ask)
            return plan, self._intend(ask, actor).seq
        except Exception as failure:
            self._let_go(ask, failure)
            raise

    def _let_go(self, ask: Ask, failure: Exception) -> None:
        ask = self.parts.asks.get(ask.id)
        if ask.state is State.CLAIMED:
            with suppress(AuditUnavailable):  # else the next start settles it
                self._sealing.nothing_done(ask, _NOTHING.format(type(failure).__name__))

    def _intend(self, ask: Ask, actor: Actor) -> Receipt:
        return self.parts.ledger.append(intent(ask, actor, phase=ACT))

    def _check_claimed(self, ask: Ask) -> Plan:
        """Everything is looked at once more; what does not hold any more ends the ask."""
        plan = self.parts.asks.plan_of(ask)
        self.parts.check_recorded(ask, plan)
        if not self._sealing.resumes(ask):  # a resumed act has changed the state itself
            changed = self.parts.changed(ask, plan)
            if changed:
                raise stale(self.parts, ask, changed)
        policy = self.parts.decided_on(ask, plan.body)
        self.parts.claimed[ask.id] = policy
        why = policy.why_not() if policy.outcome is Outcome.DENY else ""
        if not why and not self.deciding.standing(ask, self.parts.asks.decisions(ask.id)).met:
            why = (
                "Who approved may not approve any more: a key was revoked, a role was lost or the "
                "approval profile was changed."
            )
        if why:
            raise self.parts.blocked(ask, policy, why)
        return plan

    async def _finish(self, ask: Ask, found: StoredEvent) -> None:
        """An intent without an outcome: the act is done again, which changes only what is left."""
        phase = str(found.data.get("phase", ACT))
        if phase == ACT and ask.state is not State.CLAIMED:  # it was told that nothing was done
            await asyncio.to_thread(self._sealing.told_before, ask, found)
            return
        act = self.parts.act(ask.act)
        plan = await asyncio.to_thread(self.parts.asks.plan_of, ask)
        warrant = _warrant(ask, plan, SYSTEM, found.seq, phase)
        effect = await _performed(act.perform, warrant)
        if phase == PURGE:
            await asyncio.to_thread(self._sealing.purged, ask, effect, found.seq)
        else:
            await asyncio.to_thread(self._sealing.seal, ask, SYSTEM, effect, found.seq)
        log.warning("act_finished_after_restart", ask=ask.id, outcome=effect.outcome)


async def _performed(
    perform: Callable[[Warrant], Coroutine[Any, Any, Effect]], warrant: Warrant
) -> Effect:
    """What the act did. A defect in it is an effect too: the intent must not stay open."""
    try:
        return await perform(warrant)
    except AuditUnavailable:
        raise
    except Refusal as refusal:
        return Effect(done=False, reason=refusal.message)
    except Exception as defect:
        log.exception("act_failed", act=warrant.act, ask=warrant.ask)
        return Effect(done=False, reason=f"A defect in the server: {type(defect).__name__}.")


def _warrant(ask: Ask, plan: Plan, actor: Actor, intent_seq: int, phase: str) -> Warrant:
    return issue(
        act=ask.act,
        ask=ask.id,
        plan_hash=plan.hash,
        plan=dict(plan.body),
        actor=actor,
        intent_seq=intent_seq,
        phase=phase,
    )
