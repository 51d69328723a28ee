"""What a policy is asked and what it answers, as values. Pure.

Whoever decides (hard rules now, compiled guardrails later) is a `PolicyDecisionPoint`; use cases
see no more than that.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from app.domain.actors import Actor


class Outcome(StrEnum):
    """Deny stands over require_approval, which stands over allow; nothing said is deny."""

    ALLOW = "allow"
    REQUIRE_APPROVAL = "require_approval"
    DENY = "deny"


@dataclass(frozen=True, slots=True)
class Question:
    """`act` is a kind of governed act (`model_delete`) or of a run (`model_load`, `model_pull`)."""

    act: str
    actor: Actor
    subject: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that applied: its id, what it says and why."""

    rule: str
    outcome: Outcome
    sentence: str


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from all rules together. `errors` are why a rule could not be asked: deny."""

    outcome: Outcome
    fired: tuple[Fired, ...]
    policy_hash: str
    errors: tuple[str, ...] = ()

    def why_not(self) -> str:
        """Of a denial: the rules that deny it and those that failed, in sentences."""
        against = [f.sentence for f in self.fired if f.outcome is Outcome.DENY]
        why = [*against, *(f"A rule failed ({error})." for error in self.errors)]
        return f"{' '.join(why)} The rules are in lmx rules and cannot be changed from here."

    def as_dict(self) -> dict[str, Any]:
        return {
            "outcome": str(self.outcome),
            "rules": [
                {"id": f.rule, "outcome": str(f.outcome), "sentence": f.sentence}
                for f in self.fired
            ],
            "policy_hash": self.policy_hash,
            "errors": list(self.errors),
        }


class PolicyDecisionPoint(Protocol):
    @property
    def policy_hash(self) -> str:
        """SHA-256 (hex) over everything that decides."""

    def decide(self, question: Question) -> Decision:
        """Raises nothing: whatever goes wrong is a denial that says so."""
