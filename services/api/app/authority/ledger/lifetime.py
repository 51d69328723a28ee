"""The events of an installation's and a server's life, as pure constructors."""

from collections.abc import Mapping
from typing import Any, Final

from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.stored import StoredEvent
from app.domain.actors import SYSTEM, Actor, Role
from app.evidence.runs import Attempt
from app.evidence.schemas import SCHEMAS
from app.evidence.vocabulary import ACTION, OUTCOME_OF, Kind

INTERRUPTED: Final = "interrupted_by_restart"


def genesis_event(
    *,
    install_id: str,
    person: str,
    commitment: str,
    operator_key_id: str,
    rules_digest: str,
    schema_version: str,
    version: str,
    profile: str = "solo",
) -> LedgerEvent:
    """Event 1: who this installation belongs to and which rules it began with.

    `commitment` stands for the name of `person`, which no event carries.
    """
    return LedgerEvent(
        kind=Kind.GENESIS,
        actor=SYSTEM,
        subject=install_id,
        data={
            "person": person,
            "commitment": commitment,
            "profile": profile,
            "operator_key_id": operator_key_id,
            "rules_digest": rules_digest,
            "schema_version": schema_version,
            "version": version,
        },
    )


def boot_event(
    *,
    boot_id: str,
    version: str,
    pid: int,
    rules_digest: str,
    config_digest: str,
    extra: Mapping[str, Any] | None = None,
) -> LedgerEvent:
    """Written at every start, before the server listens. `extra`: recorded strict overrides."""
    return LedgerEvent(
        kind=Kind.BOOT,
        actor=SYSTEM,
        subject=boot_id,
        data={
            "version": version,
            "pid": pid,
            "rules_digest": rules_digest,
            "config_digest": config_digest,
            **(extra or {}),
        },
    )


def shutdown_event(*, boot_id: str, reason: str) -> LedgerEvent:
    return LedgerEvent(kind=Kind.SHUTDOWN, actor=SYSTEM, subject=boot_id, data={"reason": reason})


def signing_key_created_event(*, key: str) -> LedgerEvent:
    """`key`: the verifier key (vkey) that checkpoints are signed with from here on."""
    return LedgerEvent(kind=Kind.SIGNING_KEY_CREATED, actor=SYSTEM, data={"key": key})


def signing_key_rotated_event(actor: Actor, *, old: str, new: str) -> LedgerEvent:
    """The checkpoint that first covers it is signed by both keys."""
    return LedgerEvent(
        kind=Kind.SIGNING_KEY_ROTATED, actor=actor, outcome="done", data={"old": old, "new": new}
    )


def sink_changed_event(*, name: str, path: str, reason: str, had: int) -> LedgerEvent:
    """A sink began anew or was damaged. `had`: how many events it held under a checkpoint."""
    data = {"name": name, "path": path, "reason": reason, "had": had}
    return LedgerEvent(kind=Kind.SINK_CHANGED, actor=SYSTEM, subject=name, data=data)


def disk_warning_event(
    *, level: int, percent: int, total_bytes: int, free_bytes: int
) -> LedgerEvent:
    """The volume of LMX_HOME passed a level (75, 90) or fell below it (0)."""
    return LedgerEvent(
        kind=Kind.DISK_WARNING,
        actor=SYSTEM,
        data={
            "level": level,
            "percent": percent,
            "total_bytes": total_bytes,
            "free_bytes": free_bytes,
        },
    )


def reserve_used_event(*, reserve_bytes: int) -> LedgerEvent:
    """The disk was full; from here on only what must be written is, until there is room again."""
    data = {"reserve_bytes": reserve_bytes}
    return LedgerEvent(kind=Kind.RESERVE_USED, actor=SYSTEM, data=data)


def reconciled(intent: StoredEvent) -> LedgerEvent:
    """Close an intent that an earlier run of the server left open.

    Loads and unloads change memory only, and no worker outlives its server: whatever had been
    begun is gone, so "interrupted" is all there is to say about it.
    """
    return LedgerEvent(
        kind=OUTCOME_OF[Kind(intent.kind)],
        actor=SYSTEM,
        subject=intent.subject,
        outcome=INTERRUPTED,
        data={**_demanded(intent), "intent_boot_id": intent.boot_id},
        intent_seq=intent.seq,
    )


def interrupted(intent: StoredEvent, ended_us: int) -> Attempt:
    """The run of an attempt that a restart closes: whoever began it, and what was begun with."""
    said = dict(intent.data)
    permission, plan, ask, act, proposal = (said.pop(name, None) for name in _NAMED_APART)
    feasibility = said.pop("feasibility", None)
    return Attempt(
        act=str(permission or act or ACTION[Kind(intent.kind)]),
        subject=intent.subject,
        actor=_actor_of(intent),
        outcome=INTERRUPTED,
        started_us=intent.ts_utc_us,
        ended_us=ended_us,
        inputs=said,
        plan=plan,
        feasibility=feasibility,
        effect={"closed_by": "restart", "intent_boot_id": intent.boot_id},
        ask=ask,
        proposal=proposal,
    )


_NAMED_APART: Final = ("permission", "plan", "ask", "act", "proposal")


def _demanded(intent: StoredEvent) -> dict[str, Any]:
    """What the outcome has to say again of its intent: which act, by which plan."""
    outcome = SCHEMAS[OUTCOME_OF[Kind(intent.kind)]]
    said = outcome.required | (outcome.by_name.keys() & _NAMED_APART)
    return {name: intent.data[name] for name in sorted(said) if name in intent.data}


def _actor_of(stored: StoredEvent) -> Actor:
    said = stored.fields.get("actor")
    known = said if isinstance(said, dict) else {}
    roles = frozenset(Role(role) for role in known.get("roles", ()) if role in set(Role))
    return Actor(id=stored.actor, name=stored.actor, roles=roles, person=known.get("person"))
