"""Asking: from what somebody wants to a plan that waits for a decision."""

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from app.authority.approvals.acts import Act, NotFeasible
from app.authority.approvals.parts import Parts
from app.authority.approvals.plans import Asked, Plan, plan
from app.authority.approvals.records import made
from app.authority.approvals.transitions import ENDED, Cause, State, after
from app.authority.approvals.values import Ask
from app.authority.ledger.accepted import named_for
from app.authority.permissions import Permission, grant
from app.authority.policy.decisions import Decision, Outcome, Question
from app.domain.actors import Actor
from app.domain.refusal import attempting
from app.domain.refusals import (
    AskNotOpen,
    InvalidRequest,
    PolicyDenied,
    RevisionRequired,
    TooManyAsks,
)

MAX_REASON: Final = 500
MAX_PARAMS: Final = 8_192
_S: Final = 1_000_000
MINUTE_US: Final = 60 * _S


@dataclass(frozen=True, slots=True)
class Asking:
    """Blocking; every method may be called from any thread."""

    parts: Parts

    def ask(
        self,
        actor: Actor,
        kind: str,
        params: Mapping[str, Any],
        reason: str,
        *,
        again_of: str | None = None,
        request_id: str | None = None,
        permission: Permission | None = None,
    ) -> Ask:
        """Make an ask that waits for approval. Raises PolicyDenied, RevisionRequired, TooManyAsks.

        `permission`: what the run needed that becomes an ask, where it is not the act's own. What
        cannot be done now, and what policy denies, is kept as an ask of its own as well.
        """
        act = self.parts.act(kind)
        with attempting(kind, params=dict(params), reason=reason):
            grant(actor, permission or act.permission, subject=kind)
            return self._ask(actor, act, params, reason, again_of, request_id)

    def may_ask(
        self,
        actor: Actor,
        kind: str,
        params: Mapping[str, Any],
        reason: str = "",
        *,
        permission: Permission | None = None,
    ) -> Ask:
        """What `ask` would begin with, before anything is drawn; nothing is kept of it.

        Raises what `ask` raises until then, and leaves no record of that either.
        """
        act = self.parts.act(kind)
        with attempting(kind, params=dict(params), reason=reason):
            grant(actor, permission or act.permission, subject=kind)
            _check(params, reason)
            self._check_room(actor)
            ask = self._new(actor, act, params, reason, None)
            _refuse_denied(self.parts.policy.outset(_first_question(ask, actor)))
            return ask

    def look(
        self,
        actor: Actor,
        kind: str,
        params: Mapping[str, Any],
        reason: str = "",
        *,
        permission: Permission | None = None,
    ) -> tuple[Plan, Decision]:
        """The plan that `ask` would draw now, and what policy says of it; nothing is kept.

        Raises what `ask` raises, and leaves no record of that either.
        """
        ask = self.may_ask(actor, kind, params, reason, permission=permission)
        with attempting(kind, params=dict(params), reason=reason):
            try:
                drawn = self.parts.act(kind).draw(params, actor)
            except NotFeasible as cannot:
                raise RevisionRequired(str(cannot), details={"act": kind}) from cannot
            ask = replace(ask, subject=drawn.subject, phrase=drawn.phrase)
            policy = self.parts.policy.look(self.parts.question(ask, actor, drawn.as_dict()))
            _refuse_denied(policy)
            return plan(self._asked(ask, policy), drawn), policy

    def again(self, actor: Actor, ask_id: str, *, request_id: str | None = None) -> Ask:
        """Ask for the same once more, with a plan drawn now.

        An ask that could not be done is revised; one that has ended is followed by a new one.
        """
        old = self.parts.asks.get(ask_id)
        with attempting(old.act, params=dict(old.params), again_of=old.id):
            return self._again(actor, old, request_id)

    def withdraw(self, actor: Actor, ask_id: str) -> Ask:
        """Take an ask back, before it is executed. Who asked may, and nobody else."""
        with attempting(Permission.ASK_WITHDRAW, ask=ask_id):
            grant(actor, Permission.ASK_WITHDRAW, subject=ask_id)
            ask = self.parts.asks.get(ask_id)
            if not ask.is_of(actor):
                raise AskNotOpen(
                    f"Ask {ask.id} is somebody else's. An approver can reject or veto it."
                )
            if ask.state not in (State.PENDING, State.APPROVED, State.REVISION_REQUIRED):
                raise AskNotOpen(f"Ask {ask.id} is {ask.state}: there is nothing to withdraw.")
            return self.parts.end(ask, Cause.WITHDRAW, "Taken back by who asked.", by=actor)

    # --- private ----------------------------------------------------------------------------

    def _ask(  # noqa: PLR0917 - made in one place, by its parts
        self,
        actor: Actor,
        act: Act,
        params: Mapping[str, Any],
        reason: str,
        again_of: str | None,
        request_id: str | None,
    ) -> Ask:
        _check(params, reason)
        self._check_room(actor)
        ask = self._new(actor, act, params, reason, again_of)
        policy = self.parts.policy.outset(_first_question(ask, actor))
        if policy.outcome is Outcome.DENY:
            raise self._blocked(ask, policy, actor, request_id)
        try:
            drawn = act.draw(params, actor)
        except NotFeasible as cannot:
            raise self._to_revise(ask, policy, str(cannot), actor, request_id) from cannot
        ask = replace(ask, subject=drawn.subject, phrase=drawn.phrase)
        policy = self.parts.policy.decide(self.parts.question(ask, actor, drawn.as_dict()))
        if policy.outcome is Outcome.DENY:
            raise self._blocked(ask, policy, actor, request_id)
        planned = plan(self._asked(ask, policy), drawn)
        state = after(after(State.DRAFT, Cause.PLANNED), Cause.SUBMITTED)
        ask = replace(ask, state=state, plan=planned.hash)
        self._add(ask, planned, policy, actor, request_id)
        return ask

    def _again(self, actor: Actor, old: Ask, request_id: str | None) -> Ask:
        act = self.parts.act(old.act)
        grant(actor, act.permission, subject=old.subject)
        if old.state is State.REVISION_REQUIRED and old.is_of(actor):
            return self._revise(old, act, actor, request_id)
        if old.state not in ENDED and old.state is not State.REVISION_REQUIRED:
            raise AskNotOpen(
                f"Ask {old.id} is {old.state}: it has not ended. Withdraw it first, or decide on "
                f"it: lmx approvals show {old.id}"
            )
        return self.ask(
            actor, old.act, old.params, old.reason, again_of=old.id, request_id=request_id
        )

    def _new(
        self, actor: Actor, act: Act, params: Mapping[str, Any], reason: str, again_of: str | None
    ) -> Ask:
        limits, now_us = self.parts.limits(), self.parts.clock.utc_us()
        approve_by_us = now_us + limits.ask_s * _S
        return Ask(
            id=secrets.token_hex(4),
            act=act.kind,
            subject="",
            params=dict(params),
            reason=reason,
            state=State.DRAFT,
            plan=None,
            phrase="",
            asker=actor.id,
            asker_person=self.parts.keys.answerable(actor),  # a bot is no second person
            asker_roles=tuple(sorted(str(role) for role in actor.roles)),
            created_us=now_us,
            approve_by_us=approve_by_us,
            execute_by_us=approve_by_us + limits.execute_s * _S,
            again_of=again_of,
        )

    def _asked(self, ask: Ask, policy: Decision) -> Asked:
        return Asked(
            act=ask.act,
            actor=ask.actor,
            reason=ask.reason,
            policy_hash=policy.policy_hash,
            nonce=secrets.token_hex(16),
            created_us=ask.created_us,
            approve_by_us=ask.approve_by_us,
            execute_by_us=ask.execute_by_us,
        )

    def _check_room(self, actor: Actor) -> None:
        limits = self.parts.limits()
        if self.parts.asks.open_count() >= limits.open_asks:
            raise TooManyAsks(
                f"{limits.open_asks} asks wait already: more than somebody can read with care. "
                "Decide on them or withdraw some: lmx approvals ls"
            )
        since_us = self.parts.clock.utc_us() - MINUTE_US
        if self.parts.asks.made_since(since_us, actor.id) >= limits.a_minute:
            raise TooManyAsks(
                f"This key made {limits.a_minute} asks in the last minute. Wait a minute.",
                retry_after_s=60,
            )

    def _add(
        self,
        ask: Ask,
        planned: Plan | None,
        policy: Decision,
        actor: Actor,
        request_id: str | None,
    ) -> Ask:
        profile = str(self.parts.profiles.current().kind)
        event = made(ask, planned, policy, profile=profile, by=actor, request_id=request_id)
        told = replace(event, data={**event.data, **named_for(actor)})
        self.parts.asks.add(ask, told)
        return ask

    def _blocked(
        self, ask: Ask, policy: Decision, actor: Actor, request_id: str | None
    ) -> PolicyDenied:
        """Keep an ask that policy denies; the refusal to raise, whose run tells why."""
        state = after(ask.state, Cause.DENIED)
        why = policy.why_not()
        ask = replace(ask, state=state, why=why[:1000], ended_us=ask.created_us)
        self._add(ask, None, policy, actor, request_id)
        return PolicyDenied(
            why, details={"ask": ask.id, "act": ask.act, "policy": policy.as_dict()}
        )

    def _to_revise(
        self, ask: Ask, policy: Decision, why: str, actor: Actor, request_id: str | None
    ) -> RevisionRequired:
        state = after(ask.state, Cause.NOT_FEASIBLE)
        self._add(replace(ask, state=state, why=why[:1000]), None, policy, actor, request_id)
        return RevisionRequired(
            f"{why} Then ask again: lmx approvals again {ask.id}",
            details={"ask": ask.id, "act": ask.act},
        )

    def _revise(self, old: Ask, act: Act, actor: Actor, request_id: str | None) -> Ask:
        fresh = self._new(actor, act, old.params, old.reason, old.again_of)
        try:
            drawn = act.draw(old.params, actor)
        except NotFeasible as cannot:
            raise RevisionRequired(
                f"{cannot} Then ask again: lmx approvals again {old.id}",
                details={"ask": old.id, "act": old.act},
            ) from cannot
        if drawn.subject != old.subject and old.subject:
            raise AskNotOpen(f"Ask {old.id} is about {old.subject}. Ask anew.")
        ask = replace(
            old,
            phrase=drawn.phrase,
            approve_by_us=fresh.approve_by_us,
            execute_by_us=fresh.execute_by_us,
            state=State.PENDING,
            why=None,
        )
        policy = self.parts.policy.decide(self.parts.question(ask, actor, drawn.as_dict()))
        if policy.outcome is Outcome.DENY:
            raise PolicyDenied(
                policy.why_not(), details={"ask": ask.id, "policy": policy.as_dict()}
            )
        asked = replace(self._asked(ask, policy), created_us=old.created_us)
        planned = plan(asked, drawn)
        ask = replace(ask, plan=planned.hash)
        profile = str(self.parts.profiles.current().kind)
        event = made(ask, planned, policy, profile=profile, by=actor, request_id=request_id)
        self.parts.asks.replan(ask, event)
        return self.parts.asks.get(ask.id)


def _first_question(ask: Ask, actor: Actor) -> Question:
    """Before anything is looked up: may this actor ask for such an act at all."""
    return Question(ask.act, actor, "", {"irreversible": True, "params": dict(ask.params)})


def _refuse_denied(policy: Decision) -> None:
    if policy.outcome is Outcome.DENY:
        raise PolicyDenied(policy.why_not(), details={"policy": policy.as_dict()})


def _check(params: Mapping[str, Any], reason: str) -> None:
    if len(reason) > MAX_REASON:
        raise InvalidRequest(f"A reason has at most {MAX_REASON} characters.", param="reason")
    try:
        size = len(json.dumps(params, allow_nan=False))
        reason.encode("utf-8")
        json.dumps(params, ensure_ascii=False).encode("utf-8")
    except (TypeError, ValueError) as error:
        raise InvalidRequest("What is asked for is not plain JSON.", param="params") from error
    if size > MAX_PARAMS:
        raise InvalidRequest(
            f"What is asked for has {size} bytes; at most {MAX_PARAMS} are taken.", param="params"
        )
