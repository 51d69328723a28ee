"""The only place where a run that policy wants a person for becomes an ask: one, however often.

A client that is refused comes again, and so do others: equal runs share the ask that waits.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from app.authority.approvals.acts import NotFeasible
from app.authority.approvals.asking import Asking
from app.authority.approvals.plans import Plan
from app.authority.approvals.transitions import State
from app.authority.approvals.values import Ask
from app.authority.permissions import Permission
from app.authority.policy.admitting import NeedsApproval, recorded
from app.authority.policy.decisions import Decision, Question
from app.authority.policy.hard import LOAD_JIT, MAY_BE_ASKED, PULL, asked_as
from app.domain.actors import SYSTEM, Role
from app.domain.refusals import ApprovalRequired, RevisionRequired, TooManyAsks

ON_DEMAND: Final = 20
"""So many asks may wait that nobody with an operator's key made: they never fill the list."""

_PERMISSION: Final[Mapping[str, Permission]] = {
    LOAD_JIT: Permission.MODEL_LOAD_JIT,
    PULL: Permission.MODEL_PULL,
}


@dataclass(frozen=True, slots=True)
class RunsAsAsks:
    """Blocking; may be called from any thread."""

    asking: Asking
    _one: Mapping[str, threading.Lock] = field(
        default_factory=lambda: {kind: threading.Lock() for kind in MAY_BE_ASKED}
    )
    """By kind: a pull asks its hub, and no load may wait for that."""

    def refusal(self, needs: NeedsApproval, request_id: str | None = None) -> ApprovalRequired:
        """Make the ask, or find the one that waits, and return the refusal that names it.

        Raises RevisionRequired where the run could not be done anyway, which makes no ask, and
        TooManyAsks.
        """
        question = needs.question
        with self._one[asked_as(question.act)]:
            ask = self._waiting(question) or self._made(question, request_id)
        return ApprovalRequired(
            f"{question.subject} waits for a person's approval: ask {ask.id} is {ask.state}. Once "
            f"lmx approvals approve {ask.id} has been done, ask again.",
            details={
                "ask": ask.id,
                "act": ask.act,
                "policy": recorded(question, needs.decision),
            },
        )

    def look(self, question: Question) -> Ask | tuple[Plan, Decision]:
        """The ask that waits already, or the plan of the one that would be made; nothing is kept.

        Raises what `refusal` raises.
        """
        return self._waiting(question) or self.asking.look(
            question.actor,
            asked_as(question.act),
            params_of(question),
            permission=_PERMISSION.get(question.act),
        )

    def _waiting(self, question: Question) -> Ask | None:
        asks, now_us = self.asking.parts.asks, self.asking.parts.clock.utc_us()
        params = params_of(question)
        for ask in asks.open_alike(asked_as(question.act), question.subject):
            until_us = ask.execute_by_us if ask.state is State.APPROVED else ask.approve_by_us
            # Whoever has no terms of their own is served by a load on whichever terms.
            alike = question.act == LOAD_JIT or question.actor == SYSTEM or ask.params == params
            if alike and now_us < until_us:
                return ask
        return None

    def _made(self, question: Question, request_id: str | None) -> Ask:
        kind, params, actor = asked_as(question.act), params_of(question), question.actor
        if question.act == LOAD_JIT and Role.OPERATOR not in actor.roles:
            self._check_room(kind)
        try:
            # Drawn here first: what cannot be done must not leave an ask at each request.
            self.asking.parts.act(kind).draw(params, actor)
        except NotFeasible as cannot:
            raise RevisionRequired(str(cannot), details={"act": kind}) from cannot
        return self.asking.ask(
            actor,
            kind,
            params,
            "",
            request_id=request_id,
            permission=_PERMISSION.get(question.act),
        )

    def _check_room(self, kind: str) -> None:
        waiting = self.asking.parts.asks.page(
            states=(State.PENDING, State.APPROVED), act=kind, limit=200
        )
        if sum(str(Role.OPERATOR) not in ask.asker_roles for ask in waiting) >= ON_DEMAND:
            raise TooManyAsks(
                f"{ON_DEMAND} models wait for an approval to be loaded on demand already. An "
                "approver has to decide on them first: lmx approvals ls"
            )


def params_of(question: Question) -> dict[str, Any]:
    """What the ask is made with: the run's own facts, or that it was on demand."""
    if question.act == LOAD_JIT:
        return {"model": question.subject, "on_demand": True}
    if question.act == PULL:
        return dict(question.facts)
    return {"model": question.subject, **question.facts}
