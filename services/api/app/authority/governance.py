"""Use cases of approvals: ask, read, decide, withdraw, execute. Each asks for a grant first.

What is returned is plain JSON. Whoever reads an ask sees what the authority renders from the bytes
of its plan, never a description that somebody else wrote.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app.authority.approvals.asking import Asking
from app.authority.approvals.deciding import Deciding, Word
from app.authority.approvals.executing import Executing
from app.authority.approvals.parts import Parts
from app.authority.approvals.plans import Plan
from app.authority.approvals.records import described
from app.authority.approvals.rendering import Now, render
from app.authority.approvals.transitions import ENDED, MEANINGS, OPEN, OWNERS, State
from app.authority.approvals.values import Ask
from app.authority.paging import cursor_of, read_cursor
from app.authority.permissions import Permission, check, grant
from app.domain.actors import Actor
from app.domain.refusals import AuditUnavailable, InvalidRequest, Refusal

WIDTH: Final = 60
AT_MOST: Final = 200


@dataclass(frozen=True, slots=True)
class Governance:
    """All methods raise Refusals and nothing else on purpose."""

    parts: Parts
    asking: Asking
    deciding: Deciding
    executing: Executing

    async def ask(
        self,
        actor: Actor,
        act: str,
        params: Mapping[str, Any],
        reason: str = "",
        request_id: str | None = None,
    ) -> dict[str, Any]:
        """Make an ask; returns it with its plan, as `show` does."""

        def work() -> dict[str, Any]:
            made = self.asking.ask(actor, act, params, reason, request_id=request_id)
            return self._shown(actor, made)

        return await asyncio.to_thread(work)

    async def list(
        self,
        actor: Actor,
        *,
        state: str | None = None,
        act: str | None = None,
        subject: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> dict[str, Any]:
        """Asks, newest first. `state`: one of the states, or `open` for all that did not end."""
        grant(actor, Permission.ASK_READ)
        states, before = _states(state), read_cursor(cursor)
        limit = max(1, min(limit, AT_MOST))

        def work() -> dict[str, Any]:
            found = self.parts.asks.page(
                states=states, act=act, subject=subject, before=before, limit=limit
            )
            more = found[-1] if len(found) == limit else None
            return {
                "asks": [{**document(ask), **self._risk(ask)} for ask in found],
                "next": None if more is None else cursor_of(more.created_us, more.id),
            }

        return await asyncio.to_thread(work)

    async def show(
        self, actor: Actor, ask_id: str, *, width: int = WIDTH, whole: bool = False
    ) -> dict[str, Any]:
        """One ask with its plan, who decided, what is still needed, and whether it still holds.

        `width` and `whole` are those of `render`.
        """
        grant(actor, Permission.ASK_READ, subject=ask_id)

        def work() -> dict[str, Any]:
            ask = self.parts.asks.get(ask_id)
            return self._shown(actor, ask, looking=True, width=width, whole=whole)

        return await asyncio.to_thread(work)

    async def decide(
        self,
        actor: Actor,
        ask_id: str,
        decision: str,
        *,
        plan_hash: str,
        confirmation: str | None,
        challenge: str,
        proof: str,
        reason: str = "",
    ) -> dict[str, Any]:
        """Take one person's decision: `approve`, `reject` or `veto`."""
        word = Word(
            decision=decision,
            plan_hash=plan_hash,
            confirmation=confirmation,
            challenge=challenge,
            proof=proof,
            reason=reason,
        )
        return await asyncio.to_thread(
            lambda: self._shown(actor, self.deciding.decide(actor, ask_id, word))
        )

    async def withdraw(self, actor: Actor, ask_id: str) -> dict[str, Any]:
        return await asyncio.to_thread(
            lambda: self._shown(actor, self.asking.withdraw(actor, ask_id))
        )

    async def again(
        self, actor: Actor, ask_id: str, request_id: str | None = None
    ) -> dict[str, Any]:
        """Ask for the same once more, with a plan drawn now."""
        return await asyncio.to_thread(
            lambda: self._shown(actor, self.asking.again(actor, ask_id, request_id=request_id))
        )

    async def execute(self, actor: Actor, ask_id: str) -> dict[str, Any]:
        """Do what was approved; `answer` is for whoever executed and is in no record."""
        executed = await self.executing.execute(actor, ask_id)
        return {
            "ask": document(executed.ask),
            "effect": described(executed.effect),
            "answer": dict(executed.effect.answer),
        }

    async def acts(self, actor: Actor) -> Sequence[dict[str, Any]]:
        """Every kind of act that can be asked for."""
        grant(actor, Permission.ASK_READ)
        return [
            {
                "act": act.kind,
                "meaning": act.meaning,
                "phrase": act.phrase,
                "permission": str(act.permission),
            }
            for _, act in sorted(self.parts.acts.items())
        ]

    # --- private ----------------------------------------------------------------------------

    def _shown(
        self,
        actor: Actor,
        ask: Ask,
        *,
        looking: bool = False,
        width: int = WIDTH,
        whole: bool = False,
    ) -> dict[str, Any]:
        decisions = self.parts.asks.decisions(ask.id)
        shown: dict[str, Any] = {
            **document(ask),
            "decisions": [decision.as_dict() for decision in decisions],
            "you": self._you(actor, ask),
        }
        if ask.plan is None:
            return shown
        plan = self.parts.asks.plan_of(ask)
        drift = self._drift(ask, plan) if looking and ask.state in OPEN else None
        standing = self.deciding.standing(ask, decisions)
        policy = self.parts.policy_on(ask, plan.body)
        now = Now(
            drift=None if drift is None else tuple(drift),
            rules=policy.fired,
            needed=standing.missing,
        )
        shown |= {
            "plan": dict(plan.body),
            "plan_hash": plan.hash,
            "rendered": list(render(plan.bytes, width=width, whole=whole, now=now)),
            "typed_hint": plan.typed,
            "drift": drift,
            "policy": policy.as_dict(),
            "needed": list(standing.missing),
            "self_approved": standing.self_approved,
        }
        if not self.deciding.why_not(actor, ask) and ask.state in OPEN:
            shown["challenge"] = self.deciding.challenges.give(actor.id, ask.id)
        return shown

    def _risk(self, ask: Ask) -> dict[str, Any]:
        """Of what waits, what a reader sorts by: whether it can be undone, and how much goes.

        An ask that was planned only when it was asked again is about what its plan is about.
        """
        if ask.plan is None or ask.state in ENDED:
            return {}
        try:
            body = self.parts.asks.plan_of(ask).body
        except AuditUnavailable as altered:  # one altered plan must not hide the other asks
            return {"irreversible": True, "altered": altered.message}
        risk = {"irreversible": body["irreversible"], "bytes_freed": body["bytes_freed"]}
        return risk if ask.subject else {**risk, "subject": body["subject"]}

    def _you(self, actor: Actor, ask: Ask) -> dict[str, Any]:
        why_not = self.deciding.why_not(actor, ask)
        act = self.parts.acts.get(ask.act)
        executes = act is None or not act.asker_executes or ask.is_of(actor)
        return {
            "may_approve": not why_not and ask.state is State.PENDING,
            "why_not": why_not,
            "may_execute": executes and _executes(actor),
            "asked": ask.is_of(actor),
        }

    def _drift(self, ask: Ask, plan: Plan) -> Sequence[str]:
        """What has changed since it was asked, by name; empty when nothing has."""
        try:
            return self.parts.changed(ask, plan)
        except Refusal as unknown:
            return [unknown.message]


def _executes(actor: Actor) -> bool:
    """Whether this key's roles let it execute what was approved, whoever asked."""
    try:
        check(actor, Permission.ASK_EXECUTE)
    except Refusal:
        return False
    return True


def document(ask: Ask) -> dict[str, Any]:
    """An ask as plain JSON; times are microseconds of UTC."""
    return {
        "id": ask.id,
        "act": ask.act,
        "subject": ask.subject,
        "params": dict(ask.params),
        "state": str(ask.state),
        "meaning": MEANINGS[ask.state],
        "waits_for": OWNERS[ask.state],
        "reason": ask.reason,
        "plan_hash": ask.plan,
        "phrase": ask.phrase,
        "asker": {"id": ask.asker, "person": ask.asker_person},
        "created_us": ask.created_us,
        "approve_by_us": ask.approve_by_us,
        "execute_by_us": ask.execute_by_us,
        "ended_us": ask.ended_us,
        "why": ask.why,
        "run": ask.run,
        "again_of": ask.again_of,
    }


def _states(named: str | None) -> Sequence[State]:
    if named is None:
        return ()
    if named == "open":
        return tuple(state for state in State if state not in ENDED)
    try:
        return (State(named),)
    except ValueError:
        names = ", ".join(State)
        raise InvalidRequest(
            f"There is no such state. States: open, {names}.", param="state"
        ) from None
