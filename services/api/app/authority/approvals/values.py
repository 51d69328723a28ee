"""An ask and a decision on it, as values. Times are microseconds of UTC."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.authority.approvals.transitions import State
from app.domain.actors import Actor, Role


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A request for an act that needs approval. `plan` is its hash, None before it was drawn."""

    id: str
    act: str
    subject: str
    params: Mapping[str, Any]
    reason: str
    state: State
    plan: str | None
    phrase: str
    asker: str
    asker_person: str | None
    asker_roles: tuple[str, ...]
    created_us: int
    approve_by_us: int
    execute_by_us: int
    ended_us: int | None = None
    why: str | None = None
    run: str | None = None
    again_of: str | None = None

    @property
    def actor(self) -> Actor:
        """Who asked, as recorded then; the roles of the key may be others by now."""
        roles = frozenset(Role(role) for role in self.asker_roles)
        return Actor(self.asker, self.asker, roles, self.asker_person)

    @property
    def model(self) -> dict[str, str]:
        """The subject as an event's `model` field, where the act is about a model."""
        return {"model": self.subject} if self.act.startswith("model_") else {}

    def is_of(self, actor: Actor) -> bool:
        """Whether `actor` asked: with the same key, or as the same person with another one."""
        if self.asker_person is not None and self.asker_person == actor.person:
            return True
        return self.asker == actor.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One person's decision on one plan. `meaning` is what was typed, or the reason given."""

    ask: str
    plan: str
    decision: str
    key_id: str
    person: str
    meaning: str
    decided_us: int

    def as_dict(self) -> dict[str, Any]:
        return {
            "decision": self.decision,
            "person": self.person,
            "key": self.key_id,
            "meaning": self.meaning,
            "plan": self.plan,
            "decided_us": self.decided_us,
        }
