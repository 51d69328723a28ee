"""What asking, deciding and executing have in common: the stores, the clock, the rules."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from app.authority.approvals.acts import Act, NotFeasible
from app.authority.approvals.deadlines import Forward
from app.authority.approvals.plans import Drawn, Plan, differences, redrawn
from app.authority.approvals.profiles import Profile
from app.authority.approvals.recorded import check_recorded
from app.authority.approvals.records import attempt, ended
from app.authority.approvals.store import Asks
from app.authority.approvals.transitions import Cause, State, after
from app.authority.approvals.values import Ask
from app.authority.keys import Keys
from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.runs import RunMaker
from app.authority.ledger.store import Ledger
from app.authority.policy.decisions import Decision, PolicyDecisionPoint, Question
from app.domain.actors import SYSTEM, Actor
from app.domain.refusals import (
    AskNotOpen,
    AuditUnavailable,
    HubUnreachable,
    InvalidRequest,
    MemoryReadingStale,
    PolicyDenied,
    Refusal,
)

FEASIBLE: Final[Mapping[str, str]] = {"verdict": "feasible"}
"""Of what has a plan: what cannot be done gets none. The plan says how it would be done."""

_PASSES: Final = (AuditUnavailable, HubUnreachable, MemoryReadingStale)
"""Refusals that will pass and say nothing about what an act would do."""


_EFFECTS: Final = (
    *("repo", "licence", "quantization"),
    *("context", "slots", "pinned"),
    "replaces",
)
"""Effects of a plan that guardrails look at: of a pull, of a load, and of an added guardrail."""


class Profiles(Protocol):
    def current(self) -> Profile:
        """The approval profile that holds now."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long asks live and how many may wait. Seconds."""

    ask_s: int = 24 * 3600
    execute_s: int = 24 * 3600
    open_asks: int = 100
    a_minute: int = 60
    """Asks that one asker may make in a minute."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything an ask meets on its way. Blocking; callers run it on threads."""

    asks: Asks
    ledger: Ledger
    keys: Keys
    acts: Mapping[str, Act]
    profiles: Profiles
    policy: PolicyDecisionPoint
    runs: RunMaker
    clock: Forward
    limits: Callable[[], Limits] = Limits
    claimed: dict[str, Decision] = field(default_factory=dict)
    """By the ask's id: what policy decided at a claim that is not sealed yet."""

    def act(self, kind: str) -> Act:
        found = self.acts.get(kind)
        if found is None:
            names = ", ".join(sorted(self.acts))
            raise InvalidRequest(f"There is no act '{kind[:64]}'. Acts are: {names}.", param="act")
        return found

    def question(self, ask: Ask, actor: Actor, drawn: Mapping[str, Any]) -> Question:
        facts = {
            "irreversible": bool(drawn.get("irreversible", True)),
            "params": dict(ask.params),
        }
        return Question(ask.act, actor, ask.subject, facts, _about(drawn))

    def policy_on(self, ask: Ask, drawn: Mapping[str, Any]) -> Decision:
        """What policy says of an ask now, for showing it."""
        return self.policy.look(self.question(ask, ask.actor, drawn))

    def decided_on(self, ask: Ask, drawn: Mapping[str, Any]) -> Decision:
        """What policy decides on an ask, recorded: the ask goes on by it, or ends."""
        return self.policy.decide(self.question(ask, ask.actor, drawn))

    def redraw(self, ask: Ask, plan: Plan) -> Plan:
        """The plan as it would be now. Raises what drawing raises."""
        drawn: Drawn = self.act(ask.act).draw(ask.params, ask.actor)
        return redrawn(plan, drawn, policy_hash=self.policy.policy_hash)

    def check_recorded(self, ask: Ask, plan: Plan) -> None:
        """Raise AuditUnavailable unless the ask and its decisions are what was recorded."""
        check_recorded(self.ledger, ask, plan, self.asks.decisions(ask.id))

    def changed(self, ask: Ask, plan: Plan) -> list[str]:
        """What is another than the plan says, by name; empty when nothing is.

        Raises what says nothing about the plan: a hub that is silent, memory that cannot be read.
        """
        try:
            return differences(plan, self.redraw(ask, plan))
        except _PASSES:
            raise
        except (NotFeasible, Refusal) as cannot:
            return [str(cannot)]

    def end(
        self,
        ask: Ask,
        cause: Cause,
        why: str,
        *,
        by: Actor = SYSTEM,
        policy: Decision | None = None,
    ) -> Ask:
        """End an ask without its act: its run is sealed, and the event that says so names it.

        `policy`: the decision that ends it, where one does.
        """
        state = after(ask.state, cause)
        now_us = self.clock.utc_us()
        more = {} if policy is None else {"policy": policy}
        event = ended(ask, by, state=state, why=why[:1000])
        event = self.with_run(event, ask, by, state, why=why, **more)
        run = str(event.data["run"])
        return self.asks.move(ask, cause, event, ended_us=now_us, why=why[:1000], run=run)

    def blocked(self, ask: Ask, policy: Decision, why: str) -> PolicyDenied:
        """End an ask that is not allowed after all; the refusal to raise, which names its run."""
        denial = PolicyDenied(why, details={"ask": ask.id, "policy": policy.as_dict()})
        denial.run = self.end(ask, Cause.DENIED, why, policy=policy).run
        return denial

    def with_run(
        self, event: LedgerEvent, ask: Ask, by: Actor, state: State, **more: Any
    ) -> LedgerEvent:
        """`event` with the run of the ask: what policy says of its plan is a part of it."""
        decisions = more.pop("decisions", None) or self.asks.decisions(ask.id)
        claimed = self.claimed.pop(ask.id, None)  # what is asked now may be another thing
        if ask.plan is not None:
            more["feasibility"] = FEASIBLE
            with suppress(AuditUnavailable):  # an ask whose plan was altered ends all the same
                more["policy"] = more.get("policy") or claimed or self._look(ask)
        made = attempt(ask, by, str(state), now_us=self.clock.utc_us(), decisions=decisions, **more)
        return self.runs.attached(event, made)

    def _look(self, ask: Ask) -> Decision:
        return self.policy_on(ask, self.asks.plan_of(ask).body)

    def end_overdue(self, ask: Ask) -> Ask | None:
        """The ask as it is after its deadline ended it; None when it is in time."""
        now_us = self.clock.utc_us()
        deadline = ask.execute_by_us if ask.state is State.APPROVED else ask.approve_by_us
        if ask.state not in (State.PENDING, State.APPROVED, State.REVISION_REQUIRED):
            return None
        if now_us < deadline:
            return None
        what = "executed" if ask.state is State.APPROVED else "approved"
        why = f"Nobody {what} it in time: it counts as denied."
        try:
            return self.end(ask, Cause.DEADLINE, why)
        except AskNotOpen:  # somebody else ended it meanwhile
            return self.asks.get(ask.id)

    def expire_due(self) -> None:
        """End every ask whose deadline is over. Run by a timer, and harmless to run twice."""
        for ask in self.asks.overdue(self.clock.utc_us()):
            self.end_overdue(ask)


def _about(drawn: Mapping[str, Any]) -> dict[str, Any]:
    """What an act would do, as guardrails look at it."""
    effects = drawn.get("effects", {})
    return {
        "files": drawn.get("files", ()),
        "bytes_freed": drawn.get("bytes_freed"),
        **{name: effects[name] for name in _EFFECTS if name in effects},
    }
