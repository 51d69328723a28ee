"""The only place that says what a run is and what its bytes are. Pure.

A run is one attempt at a governed act with all its evidence, refused ones too. It is named by the
SHA-256 of its bytes (RFC 8785 JSON) and never changes; the event that records the attempt names it
and carries the bytes as evidence.

An attempt has one run. Whoever records how it ended makes it: a load, an unload, an import, a
verification, an approved act, and a restart for what it finds unfinished. What was refused before
anything was begun gets its run with its refusal. Where both happen, because an act that failed is
answered as a refusal, the act sets `Refusal.run` to the run it made, and the refusal's event names
that run instead of making another; the first event that names a run is the one that is listed.
Refusals that are only counted share a run, whose `count` says for how many it stands.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from app.domain.actors import Actor

TYPE: Final = "lmx-authority/run/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What is known of an attempt when it ends. Everything is plain JSON without floats.

    `act` is a permission's name (`model.load`) or a kind of act (`model_delete`); times are
    microseconds of UTC. `count` is above 1 where equal refusals of a minute share one run.
    """

    act: str
    subject: str
    actor: Actor
    outcome: str
    started_us: int
    ended_us: int
    inputs: Mapping[str, Any] = field(default_factory=dict)
    plan: str | None = None
    feasibility: Mapping[str, Any] | None = None
    policy: Mapping[str, Any] | None = None
    approvals: Sequence[Mapping[str, Any]] = ()
    effect: Mapping[str, Any] | None = None
    refusal: Mapping[str, Any] | None = None
    ask: str | None = None
    request_id: str | None = None
    count: int = 1
    proposal: str | None = None
    """The proposal that a person accepted, where that is how it came about."""


@dataclass(frozen=True, slots=True)
class Run:
    """An attempt as it is kept."""

    bytes: bytes

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.bytes).hexdigest()


def run(attempt: Attempt, *, versions: Mapping[str, str], boot_id: str) -> Run:
    """`versions`: what took part, by name; they explain why the same inputs may end otherwise."""
    actor = attempt.actor
    body = {
        "type": TYPE,
        "act": attempt.act,
        "subject": attempt.subject,
        "actor": {
            "id": actor.id,
            "person": actor.person,
            "roles": sorted(str(role) for role in actor.roles),
        },
        "outcome": attempt.outcome,
        "inputs": dict(attempt.inputs),
        "plan": attempt.plan,
        "feasibility": attempt.feasibility,
        "policy": attempt.policy,
        "approvals": [dict(approval) for approval in attempt.approvals],
        "effect": attempt.effect,
        "refusal": attempt.refusal,
        "ask": attempt.ask,
        "request_id": attempt.request_id,
        "count": attempt.count,
        "versions": dict(versions),
        "boot_id": boot_id,
        "started_us": attempt.started_us,
        "ended_us": attempt.ended_us,
    }
    if attempt.proposal is not None:  # other runs' bytes are those of before there was advice
        body["proposal"] = attempt.proposal
    return Run(orjson.dumps(body, option=orjson.OPT_SORT_KEYS | orjson.OPT_STRICT_INTEGER))
