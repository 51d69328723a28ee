"""What a policy is asked and what it answers, as values. Pure.

Whoever decides (hard rules alone, or with compiled guardrails) is a `PolicyDecisionPoint`; use
cases see no more than that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, Protocol

from app.domain.actors import Actor

GUARDRAIL: Final = "guardrail:"
"""What the ids of compiled rules begin with; the task's id follows."""

NAMED: Final = 16
"""How many characters of a digest people are shown: enough to find what it is of."""


class Outcome(StrEnum):
    """Deny stands over require_approval, which stands over allow; nothing said is deny."""

    ALLOW = "allow"
    REQUIRE_APPROVAL = "require_approval"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Question:
    """`act` is a kind of governed act (`model_delete`) or of a run (`model_load`, `model_pull`).

    `facts` are what was asked for: they are recorded, and an ask is made with them. `about` is
    what is known of the subject besides and would be lost otherwise: the files of a plan.
    """

    act: str
    actor: Actor
    subject: str
    facts: Mapping[str, Any] = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that applied: its id, what it says and why."""

    rule: str
    outcome: Outcome
    sentence: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from all rules together. `errors` are why a rule could not be asked: deny.

    `guardrails`, where they were asked: `version` of the document that holds, `rules` (SHA-256
    over what is bound) and, once it is recorded, `decision`, the SHA-256 of the record.

    `unrecorded`: why the decision could not be recorded, where that is why it denies. It says
    nothing against the act, which may be tried again.
    """

    outcome: Outcome
    fired: tuple[Fired, ...]
    policy_hash: str
    errors: tuple[str, ...] = ()
    guardrails: Mapping[str, Any] | None = None
    unrecorded: str = ""

    def why_not(self) -> str:
        """Of a denial: the rules that deny it and those that failed, in sentences."""
        against = [f.sentence for f in self.fired if f.outcome is Outcome.DENY]
        why = [*against, *(f"A rule failed ({error})." for error in self.errors)]
        return f"{' '.join(why)} {self._what_next()}"

    def _what_next(self) -> str:
        """Hard rules cannot be changed; a guardrail can, by an ask."""
        if not any(_is_a_guardrails(said) for said in self._against()):
            return "The rules are in lmx rules and cannot be changed from here."
        recorded = (self.guardrails or {}).get("decision")
        if not recorded:
            return "A guardrail decides this: lmx guardrails tasks lists them."
        return f"A guardrail decided this: lmx guardrails explain {recorded[:NAMED]}"

    def _against(self) -> tuple[str, ...]:
        return (*(f.rule for f in self.fired if f.outcome is Outcome.DENY), *self.errors)

    def as_dict(self) -> dict[str, Any]:
        more = {} if self.guardrails is None else {"guardrails": dict(self.guardrails)}
        return {
            "outcome": str(self.outcome),
            "rules": [
                {"id": f.rule, "outcome": str(f.outcome), "sentence": f.sentence}
                for f in self.fired
            ],
            "policy_hash": self.policy_hash,
            "errors": list(self.errors),
            **more,
        }


def _is_a_guardrails(said: str) -> bool:
    return said.startswith(GUARDRAIL)


class PolicyDecisionPoint(Protocol):
    @property
    def policy_hash(self) -> str:
        """SHA-256 (hex) over everything that decides."""

    def decide(self, question: Question) -> Decision:
        """The answer that binds: what guardrails said is recorded before it returns.

        May wait for the disk. Raises nothing: whatever goes wrong is a denial that says so.
        """

    def look(self, question: Question) -> Decision:
        """What `decide` would say, for showing it: nothing is recorded and nothing follows."""

    def outset(self, question: Question) -> Decision:
        """What hard rules say, before anything was looked up: may such an act be asked for."""
