"""The only place that says what a plan is, what its bytes are and what its hash is. Pure.

A plan is everything an act will do. Its bytes are RFC 8785 JSON and their SHA-256 is what a person
approves; what that person sees is rendered from these bytes, and at execution the part that depends
on the live state is drawn again and must give the same bytes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from app.domain.actors import Actor

TYPE: Final = "lmx-authority/plan/v1"
TAIL: Final = 6
"""How many of the hash's last characters a person types."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """What an act would do to the state as it is now. Everything in it is plain JSON, no floats.

    `targets`: ``[{"kind", "id", "digest"}]``. `files`: ``[{"path", "size", "sha256", "fate"}]``,
    fate being `trash`, `remove` or `keep`. `dependents`: aliases, residency, requests in flight,
    pins, other revisions. `effects`: what the kind of act adds.
    """

    subject: str
    verb: str
    phrase: str
    irreversible: bool
    targets: tuple[Mapping[str, Any], ...] = ()
    files: tuple[Mapping[str, Any], ...] = ()
    bytes_freed: int = 0
    bytes_kept: int = 0
    dependents: Mapping[str, Any] = field(default_factory=dict)
    again: str | None = None
    """Where the same bytes can be had again; None when nowhere is known."""
    generation: int = 0
    grace_s: int = 0
    """How long it can be undone."""
    effects: Mapping[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {
            "subject": self.subject,
            "verb": self.verb,
            "phrase": self.phrase,
            "irreversible": self.irreversible,
            "targets": [dict(target) for target in self.targets],
            "files": [dict(file) for file in self.files],
            "bytes_freed": self.bytes_freed,
            "bytes_kept": self.bytes_kept,
            "dependents": dict(self.dependents),
            "again": self.again,
            "generation": self.generation,
            "grace_s": self.grace_s,
            "effects": dict(self.effects),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a plan holds that does not depend on the state: who asks, until when, under what policy.

    Times are microseconds of UTC. `nonce` makes two plans with the same effect different ones.
    """

    act: str
    actor: Actor
    reason: str
    policy_hash: str
    nonce: str
    created_us: int
    approve_by_us: int
    execute_by_us: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan's bytes, their hash, and what they say."""

    bytes: bytes
    body: Mapping[str, Any]

    @property
    def hash(self) -> str:
        return hashlib.sha256(self.bytes).hexdigest()

    @property
    def typed(self) -> str:
        """What a person types to approve: the phrase, and the end of the hash."""
        return f"{self.body['phrase']} {self.hash[-TAIL:]}"


def plan(asked: Asked, drawn: Drawn) -> Plan:
    return _plan(
        {
            "type": TYPE,
            "act": asked.act,
            **drawn.as_dict(),
            "asked_by": {
                "id": asked.actor.id,
                "person": asked.actor.person,
                "roles": sorted(str(role) for role in asked.actor.roles),
            },
            "reason": asked.reason,
            "policy_hash": asked.policy_hash,
            "nonce": asked.nonce,
            "created_us": asked.created_us,
            "approve_by_us": asked.approve_by_us,
            "execute_by_us": asked.execute_by_us,
        }
    )


def redrawn(known: Plan, drawn: Drawn, *, policy_hash: str) -> Plan:
    """The plan as it would be now: equal to `known`, or the act is stale."""
    return _plan({**known.body, **drawn.as_dict(), "policy_hash": policy_hash})


def parse(content: bytes) -> Plan:
    """The plan whose bytes these are; ValueError when they are not canonical."""
    found = _plan(orjson.loads(content))
    if found.bytes != content or found.body.get("type") != TYPE:
        raise ValueError("these are not the bytes of a plan")
    return found


def differences(known: Plan, now: Plan) -> list[str]:
    """Names of what is another than it was, sorted; empty when nothing is."""
    names = known.body.keys() | now.body.keys()
    return sorted(name for name in names if known.body.get(name) != now.body.get(name))


def _plan(body: Mapping[str, Any]) -> Plan:
    content = orjson.dumps(body, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER)
    return Plan(content, body)
