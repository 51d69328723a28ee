"""The only list of the kinds of acts that can be asked for: one file each, one line here.

A kind says what it needs by its constructor; `Resources` holds everything that any of them needs.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from app.authority.acts.cache_purge import CachePurge
from app.authority.acts.guardrails_activate import GuardrailsActivate
from app.authority.acts.guardrails_add import GuardrailsAdd
from app.authority.acts.guardrails_rebind import GuardrailsRebind
from app.authority.acts.guardrails_retire import GuardrailsRetire
from app.authority.acts.key_create import KeyCreate
from app.authority.acts.key_revoke import KeyRevoke
from app.authority.acts.ledger_prune import LedgerPrune
from app.authority.acts.model_delete import ModelDelete
from app.authority.acts.model_load import ModelLoad
from app.authority.acts.model_pull import ModelPull, Pulls
from app.authority.acts.profile_loosen import ProfileLoosen
from app.authority.acts.recovery_epoch import RecoveryEpoch
from app.authority.acts.rule_override import RuleOverride
from app.authority.acts.state_removal import StateRemoval
from app.authority.acts.trash_purge import TrashPurge
from app.authority.approvals.acts import Act
from app.authority.approvals.profile_store import Profiles
from app.authority.catalog import Catalog
from app.authority.catalog.removal.leftovers import Leftovers
from app.authority.catalog.removal.trash import Trash
from app.authority.guardrails.changing import Changing
from app.authority.keys import Keys, People
from app.authority.ledger.store import Ledger
from app.authority.ledger.usage_digests import UsageDigests
from app.authority.lifecycle.serving import Serving
from app.authority.policy.routing import Routing
from app.authority.ports import Clock, MemoryProbe


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What acts are made of."""

    keys: Keys
    people: People
    profiles: Profiles
    catalog: Catalog
    serving: Serving
    probe: MemoryProbe
    ledger: Ledger
    clock: Clock
    usage_digests: UsageDigests
    logs: Path
    trash: Trash
    leftovers: Leftovers
    routing: Routing
    pulls: Pulls
    guardrails: Changing


KINDS: Final[tuple[Callable[[Resources], Act], ...]] = (
    lambda r: KeyCreate(r.keys, r.people),
    lambda r: KeyRevoke(r.keys, r.profiles),
    lambda r: ProfileLoosen(r.profiles),
    lambda r: ModelLoad(r.catalog, r.serving, r.probe),
    lambda r: ModelPull(r.catalog, r.pulls),
    lambda r: ModelDelete(r.catalog, r.trash, r.serving, r.routing),
    lambda r: TrashPurge(r.trash),
    lambda r: CachePurge(r.leftovers),
    lambda r: RuleOverride(r.ledger, r.clock),
    lambda r: GuardrailsActivate(r.guardrails),
    lambda r: GuardrailsAdd(r.guardrails),
    lambda r: GuardrailsRebind(r.guardrails),
    lambda r: GuardrailsRetire(r.guardrails),
    lambda r: StateRemoval(r.logs, r.usage_digests, r.clock),
    lambda r: LedgerPrune(r.ledger, r.clock),
    lambda _: RecoveryEpoch(),
)


def registry(resources: Resources) -> Mapping[str, Act]:
    """Every kind of act by its name. Raises ValueError for one that is not complete."""
    return listed(make(resources) for make in KINDS)


def listed(acts: Iterable[Act]) -> Mapping[str, Act]:
    """The acts by kind. Each kind is there once and declares what is typed to approve it."""
    found: dict[str, Act] = {}
    for act in acts:
        if act.kind in found:
            raise ValueError(f"two acts are called {act.kind}")
        if not act.phrase.startswith("yes, ") or not act.meaning:
            raise ValueError(f"{act.kind} does not declare its phrase or its meaning")
        found[act.kind] = act
    return found
