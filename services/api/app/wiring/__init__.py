"""The composition root: the only place that knows every part and puts them together."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as installed_version
from pathlib import Path

from starlette.types import ASGIApp

from app.authority.acts.rule_override import overrides
from app.authority.auditing.custody import Custody
from app.authority.auditing.exports import Exports
from app.authority.auditing.glance import Glance
from app.authority.auditing.keeping_backups import KeepingBackups
from app.authority.auditing.proofs import Proofs
from app.authority.auditing.questions import Questions
from app.authority.auditing.reporting import Reports
from app.authority.auditing.runs import Runs
from app.authority.auditing.standing import Standing
from app.authority.guardrails.status import in_force
from app.authority.keys import OperatorKey
from app.authority.ledger.cosignatures import StoredCosignatures
from app.authority.ledger.index import rebuild_of
from app.authority.ledger.reasons import Reasons
from app.authority.ledger.tiles import StoredTiles
from app.authority.lifecycle.equipment import Equipment, Limits
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Access
from app.authority.ports import AdvisorHost, EngineHost, MemoryProbe
from app.authority.reading import Installation, Reading
from app.configuration.current import Current
from app.domain.refusals import AuditUnavailable
from app.engines.memory_probe import SystemMemoryProbe
from app.engines.supervisor import WorkerHost
from app.engines.worker_engine import Patience
from app.evidence.notes import VerifierKey
from app.routers.app import build_api
from app.routers.connections import Connection, protocol
from app.routers.dependencies import Services
from app.settings import Settings
from app.upgrading import Upgraded
from app.wiring import restoring
from app.wiring.advising import Advised, advised, hosted
from app.wiring.cases import Cases, cases
from app.wiring.configuring import configuring, when_hung_up
from app.wiring.counting import counting
from app.wiring.governing import Governing, governing, policy_of
from app.wiring.guarding import Guarded, adopt_shipped, guarded
from app.wiring.holding import client_patience, key_limits
from app.wiring.opening import (
    Authority,
    answering_model,
    import_bundled,
    open_authority,
    quarantined_models,
)
from app.wiring.pulling import repairs
from app.wiring.running import running, worker_said

STOP_GRACE_S = 5.0


@dataclass(frozen=True, slots=True)
class Server:
    """What `main` needs to run and announce it."""

    app: ASGIApp
    version: str
    listening: str
    answering_model: str
    operator_key: OperatorKey
    safe_mode: str
    upgraded: Upgraded | None
    """What this start brought the state to."""
    end_answers: Callable[[], Awaitable[None]]
    """Let answers under way end within the drain timeout, and end the others with an error."""
    protocol: type[Connection]
    """What holds its connections."""
    hung_up: Callable[[], None]
    """For the event loop, on SIGHUP."""


def wire(
    settings: Settings,
    *,
    home: Path,
    listening: str,
    host: EngineHost | None = None,
    probe: MemoryProbe | None = None,
    advisors: AdvisorHost | None = None,
    safe_mode: str = "",
) -> Server:
    """Open the state, record the start, and return the server; tests hand in hosts and a probe.

    `safe_mode`: why no model is loaded unless an operator says so, or "".
    Raises StartRefused or AuditUnavailable: then nothing answers.
    """
    version = installed_version("lmx-authority")
    authority = open_authority(settings, home=home, version=version, safe_mode=safe_mode)
    import_bundled(authority)
    patience = Patience(load_s=settings.load_timeout_s, silence_s=settings.worker_silence_s)
    engine_host = host or WorkerHost(patience=patience, log=worker_said)
    memory = probe or SystemMemoryProbe()
    current = Current(settings)
    limits_now = partial(_limits, current)
    guards = guarded(authority, memory, policy_of(settings.approvals), serving=lambda: serving)
    adopt_shipped(guards, authority)
    serving = Serving(
        Equipment(
            catalog=authority.catalog,
            ledger=authority.ledger,
            host=engine_host,
            probe=memory,
            clock=authority.clock,
            limits_now=limits_now,
            policy=guards.policy,
            own_terms=authority.annotations.own_terms,
            safe_mode=safe_mode,
        )
    )
    for model_id in quarantined_models(authority):
        serving.quarantined_before(model_id)
    installation = Installation(
        version=version,
        listening=listening,
        home=str(home),
        operator_key_path=str(authority.operator_key.path),
        started=authority.clock.monotonic(),
        default_context=settings.default_context,
        default_slots=settings.slots,
        safe_mode=safe_mode,
    )
    governed = governing(settings, authority, serving, memory, guards, home=home, version=version)
    restoring.follow_up(authority.restored, governed.parts)
    made = cases(
        current,
        authority,
        serving,
        governed,
        guards,
        home=home,
        limits=key_limits(current, authority.clock),
    )
    advice = advised(
        settings,
        authority,
        serving,
        memory,
        governed,
        guards,
        made,
        advisors or hosted(home),
        home=home,
        limits_now=limits_now,
    )
    services = _services(
        current,
        authority,
        serving,
        memory,
        installation,
        governed=governed,
        guards=guards,
        made=made,
        advice=advice,
    )
    beside = running(settings, authority, serving, governed, guards, advice)
    return Server(
        app=build_api(services, lifespan=beside),
        version=version,
        listening=listening,
        answering_model=answering_model(authority),
        operator_key=authority.operator_key,
        safe_mode=safe_mode,
        upgraded=authority.upgraded,
        end_answers=serving.close,
        protocol=protocol(partial(client_patience, current), services.metrics),
        hung_up=when_hung_up(authority, services.configuring.reload),
    )


def _limits(current: Current) -> Limits:
    settings = current.settings
    return Limits(
        default_context=settings.default_context,
        slots=settings.slots,
        queue_limit=settings.queue_limit,
        idle_ttl_s=settings.idle_ttl_s,
        drain_timeout_s=settings.drain_timeout_s,
        stop_grace_s=STOP_GRACE_S,
        crash_limit=settings.crash_limit,
        worker_base_bytes=settings.worker_base_bytes,
    )


def _services(
    current: Current,
    authority: Authority,
    serving: Serving,
    probe: MemoryProbe,
    installation: Installation,
    *,
    governed: Governing,
    guards: Guarded,
    made: Cases,
    advice: Advised,
) -> Services:
    settings = current.settings
    access = Access(inference_needs_key=settings.inference_requires_key)
    reads = authority.reads
    proofs = Proofs(
        ledger=authority.ledger,
        cosignatures=StoredCosignatures(authority.ledger.readers),
        keys=lambda: authority.ledger.keeping.signer.keys,
        witnesses=tuple(map(VerifierKey.parse, settings.ledger.witnesses)),
        clock=authority.clock,
        note_read=reads.note,
    )

    standing = Standing(authority.ledger, authority.watching, proofs.last_held)
    reasons = Reasons()  # one, so that nobody remembers an index that was made anew
    reading = Reading(
        catalog=authority.catalog,
        routing=authority.routing,
        serving=serving,
        keys_store=authority.keys,
        probe=probe,
        clock=authority.clock,
        access=access,
        installation=installation,
        standing=standing,
        overrides=partial(overrides, authority.ledger, authority.clock),
        profile=lambda: str(governed.profiles.current().kind),
        guardrails=partial(in_force, guards.changing.standing),
        advice=advice.standing,
        glance=Glance(authority.ledger, authority.clock),
    )

    async def ready() -> Mapping[str, bool]:
        try:
            await asyncio.to_thread(authority.ledger.size)
        except AuditUnavailable:
            return {"database": False, "ledger": False}
        return {"database": True, "ledger": authority.ledger.available}

    return Services(
        keys=authority.keys,
        inference=made.inference,
        computing=made.computing,
        responses=authority.responses,
        execution=made.execution,
        reading=reading,
        questions=Questions(
            ledger=authority.ledger,
            note_read=reads.note,
            rebuild=partial(rebuild_of, authority.database),
            prove=proofs.inclusion,
            reasons=reasons,
        ),
        runs=Runs(
            ledger=authority.ledger,
            blob=StoredTiles(authority.ledger.readers).blob,
            note_read=reads.note,
            reasons=reasons,
        ),
        reports=Reports(
            ledger=authority.ledger,
            note_read=reads.note,
            keys=authority.keys,
            clock=authority.clock,
            access=access,
            reasons=reasons,
        ),
        exports=Exports(
            ledger=authority.ledger,
            tiles=StoredTiles(authority.ledger.readers),
            keys=lambda: authority.ledger.keeping.signer.keys,
            witnesses=settings.ledger.witnesses,
            note_read=reads.note,
        ),
        proofs=proofs,
        governance=governed.governance,
        approvers=governed.approvers,
        guarding=made.guarding,
        advising=advice.advising,
        custody=Custody(
            people=authority.people,
            ledger=authority.ledger,
            clock=authority.clock,
            note_read=reads.note,
        ),
        backups=KeepingBackups(authority.ledger),
        configuring=configuring(authority, current, Path(installation.home)),
        housekeeping=made.housekeeping,
        pulling=governed.pulling,
        repairs=repairs(authority, serving, governed.pulling),
        refusals=authority.refusals,
        ready=ready,
        metrics=counting(
            current=current,
            authority=authority,
            serving=serving,
            probe=probe,
            installation=installation,
            governed=governed,
            advice=advice,
            standing=standing,
        ),
        version=installation.version,
        allowed_hosts=frozenset(settings.allowed_hosts),
        max_body_bytes=settings.max_body_bytes,
        inference_needs_key=settings.inference_requires_key,
    )
