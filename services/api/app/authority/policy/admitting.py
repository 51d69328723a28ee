"""Where a use case asks policy about a run: it may go on, it is denied, or it needs an approval."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from app.authority.policy.decisions import Decision, Outcome, PolicyDecisionPoint, Question
from app.domain.refusals import ApprovalUnavailable, AuditUnavailable, PolicyDenied, Refusal


class NeedsApproval(Exception):
    """Policy makes an ask of this run. Whoever asked policy makes the ask and refuses with it."""

    def __init__(self, question: Question, decision: Decision) -> None:
        super().__init__(f"{question.act} of {question.subject} needs an approval")
        self.question = question
        self.decision = decision


AskInstead = Callable[[NeedsApproval, str | None], Awaitable[Refusal]]
"""Makes the ask, or finds the one that waits, for a request id; the refusal that names it."""


async def no_asks(needs: NeedsApproval, _: str | None) -> Refusal:
    """For a server that takes no asks: what needs one is refused."""
    return ApprovalUnavailable(f"{needs}, and this server takes no asks.")


def admit(policy: PolicyDecisionPoint, question: Question) -> Mapping[str, Any]:
    """The decision that allows it, as it is recorded.

    Raises PolicyDenied or NeedsApproval; AuditUnavailable where no decision can be recorded.
    """
    decision = policy.decide(question)
    if decision.unrecorded:
        raise AuditUnavailable(decision.unrecorded)
    if decision.outcome is Outcome.ALLOW:
        return recorded(question, decision)
    if decision.outcome is Outcome.REQUIRE_APPROVAL:
        raise NeedsApproval(question, decision)
    raise PolicyDenied(decision.why_not(), details={"policy": recorded(question, decision)})


def refuse_denied(policy: PolicyDecisionPoint, question: Question) -> None:
    """Raise PolicyDenied, recorded, for what policy denies: nothing is looked up or shown for it.

    What it allows, or wants an approval for, it is asked about when it begins.
    """
    if policy.look(question).outcome is Outcome.DENY:
        with suppress(NeedsApproval):  # another rule may hold by now
            admit(policy, question)


def recorded(question: Question, decision: Decision) -> dict[str, Any]:
    """A decision with what it was asked, so that it can be asked again and compared."""
    return {**decision.as_dict(), "act": question.act, "facts": dict(question.facts)}
