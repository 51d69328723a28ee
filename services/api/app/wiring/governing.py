"""Puts approvals together: the acts that can be asked for, the workflow, who may approve."""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from app.authority.acts.registry import Resources, registry
from app.authority.approvals.asking import Asking
from app.authority.approvals.challenges import Challenges
from app.authority.approvals.deadlines import Forward
from app.authority.approvals.deciding import Deciding
from app.authority.approvals.executing import Executing
from app.authority.approvals.parts import Limits, Parts
from app.authority.approvals.profile_store import Profiles
from app.authority.approvals.runs_as_asks import RunsAsAsks
from app.authority.approvals.store import Asks
from app.authority.approvers import Approvers
from app.authority.catalog.removal.leftovers import Leftovers
from app.authority.governance import Governance
from app.authority.lifecycle.serving import Serving
from app.authority.policy.admitting import NeedsApproval
from app.authority.policy.hard import HardPolicy
from app.authority.ports import MemoryProbe
from app.authority.pulling import ApprovedPulls, Pulling
from app.domain.refusals import Refusal
from app.settings import ApprovalSettings, Settings
from app.wiring.guarding import Guarded
from app.wiring.opening import Authority
from app.wiring.pulling import hub_of, pulling

HOUR_S = 3600


def policy_of(settings: ApprovalSettings) -> HardPolicy:
    return HardPolicy(asks_for=settings.asks_for, require_signature=settings.require_signature)


@dataclass(frozen=True, slots=True)
class Governing:
    """Approvals, put together."""

    parts: Parts
    governance: Governance
    executing: Executing
    approvers: Approvers
    profiles: Profiles
    runs_as_asks: RunsAsAsks
    pulling: Pulling

    async def ask_instead(self, needs: NeedsApproval, request_id: str | None) -> Refusal:
        """A run that policy wants a person for becomes an ask; the refusal that names it."""
        try:
            return await asyncio.to_thread(self.runs_as_asks.refusal, needs, request_id)
        except Refusal as refusal:
            return refusal


def governing(
    settings: Settings,
    authority: Authority,
    serving: Serving,
    probe: MemoryProbe,
    guards: Guarded,
    *,
    home: Path,
    version: str,
) -> Governing:
    keys, ledger = authority.keys, authority.ledger
    profiles = Profiles(ledger, authority.database, authority.clock, keys.approvers)

    async def ask_instead(needs: NeedsApproval, request_id: str | None) -> Refusal:
        return await governed.ask_instead(needs, request_id)  # pulls are asked for, and asks pull

    hub = hub_of(settings.hub, version)
    pulls = pulling(settings, authority, serving, probe, hub, guards.policy, ask_instead)
    acts = registry(
        Resources(
            keys=keys,
            people=authority.people,
            profiles=profiles,
            catalog=authority.catalog,
            serving=serving,
            probe=probe,
            ledger=ledger,
            clock=authority.clock,
            usage_digests=authority.usage_digests,
            logs=home / "logs",
            trash=authority.trash,
            leftovers=Leftovers(
                home.resolve(), authority.catalog, authority.database, pulls.under_way
            ),
            routing=authority.routing,
            pulls=ApprovedPulls(pulls),
            guardrails=guards.changing,
        )
    )
    limits = _limits(settings.approvals)
    parts = Parts(
        asks=Asks(ledger, authority.database),
        ledger=ledger,
        keys=keys,
        acts=acts,
        profiles=profiles,
        policy=guards.policy,
        runs=ledger.runs,
        clock=Forward(authority.clock, not_before_us=ledger.latest_us()),
        limits=lambda: limits,
    )
    asking, deciding = Asking(parts), Deciding(parts, Challenges(authority.clock))
    executing = Executing(parts, deciding)
    governance = Governance(parts, asking, deciding, executing)
    governed = Governing(
        parts=parts,
        governance=governance,
        executing=executing,
        approvers=Approvers(authority.people, keys, profiles, governance),
        profiles=profiles,
        runs_as_asks=RunsAsAsks(asking),
        pulling=pulls,
    )
    return governed


def _limits(settings: ApprovalSettings) -> Limits:
    return Limits(
        ask_s=settings.ask_hours * HOUR_S,
        execute_s=settings.execute_hours * HOUR_S,
        open_asks=settings.pending_limit,
        a_minute=settings.asks_per_minute,
    )
