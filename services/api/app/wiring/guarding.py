"""Puts guardrails at work together: what is read, what is kept, and the policy that asks them."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

from app.authority.approvals.store import Asks
from app.authority.guardrails.adopting import adopt
from app.authority.guardrails.changing import Changing
from app.authority.guardrails.policy import GuardedPolicy
from app.authority.guardrails.standing import Standing
from app.authority.guardrails.watching.alerts import Alerts
from app.authority.guardrails.watching.decision_store import DecisionStore
from app.authority.guardrails.watching.digests import DecisionDigests
from app.authority.guardrails.watching.memory import Glance
from app.authority.guardrails.watching.observing import Observing
from app.authority.guardrails.watching.readings import Sources
from app.authority.guardrails.watching.recent import Recent
from app.authority.guardrails.watching.subjects import Models, Terms
from app.authority.guardrails.watching.ticking import Ticking
from app.authority.guardrails.watching.traffic import Traffic
from app.authority.lifecycle.serving import Serving
from app.authority.lifecycle.transitions import HOLDS_MEMORY
from app.authority.policy.hard import HardPolicy
from app.authority.ports import MemoryProbe
from app.settings import TEMPLATES
from app.wiring.opening import Authority

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Guarded:
    """Guardrails at work, put together."""

    standing: Standing
    changing: Changing
    decisions: DecisionStore
    policy: GuardedPolicy
    ticking: Ticking
    digests: DecisionDigests


def guarded(
    authority: Authority,
    probe: MemoryProbe,
    hard: HardPolicy,
    serving: Callable[[], Serving],
) -> Guarded:
    """`serving` is asked for when something is read: the lifecycle asks this policy, so it is made
    later."""
    ledger, clock = authority.ledger, authority.clock
    standing = Standing(ledger, authority.database)
    decisions = DecisionStore(authority.database)
    observing = Observing(_sources(authority, probe, serving), decisions)
    alerts = Alerts(ledger)
    return Guarded(
        standing=standing,
        changing=Changing(standing, clock),
        decisions=decisions,
        policy=GuardedPolicy(hard, standing, observing, alerts, clock),
        ticking=Ticking(standing, observing, decisions, alerts),
        digests=DecisionDigests(ledger, decisions, clock),
    )


def adopt_shipped(guards: Guarded, authority: Authority) -> None:
    """At the first start, what ships begins to decide. Raises StartRefused, AuditUnavailable."""
    adopted = adopt(guards.changing, authority.ledger, TEMPLATES)
    if adopted.now:
        log.info("guardrails_adopted", directory=str(TEMPLATES))
    elif adopted.another_ships:
        log.info("guardrails_ship_anew", hint="lmx guardrails check config/guardrails.yaml")


def _sources(authority: Authority, probe: MemoryProbe, serving: Callable[[], Serving]) -> Sources:
    ledger, asks = authority.ledger, Asks(authority.ledger, authority.database)
    terms = Terms(
        usual=lambda model: serving().usual_terms(model),
        worker_base_bytes=lambda: serving().loading.worker_base_bytes,
    )
    return Sources(
        models=Models(authority.catalog, Glance(probe, authority.clock), terms),
        recent=Recent(ledger.readers),
        traffic=Traffic(ledger.readers),
        clock=authority.clock,
        promised_bytes=lambda: _promised_bytes(serving()),
        waiting=lambda: sum(held.queued for held in serving().residency.all()),
        pending=asks.pending_count,
        sink_lag=lambda: max((s.lag for s in ledger.keeping.sinks.states()), default=0),
    )


def _promised_bytes(serving: Serving) -> int:
    """On any thread: over a copy of what is held."""
    held = serving.residency.all()
    return sum(one.untaken_bytes for one in held if one.state in HOLDS_MEMORY)
