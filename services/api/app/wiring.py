"""The composition root: the only place that knows every part and puts them together."""

import asyncio
import getpass
import hashlib
import json
import os
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import version as installed_version
from pathlib import Path

import structlog
from sqlalchemy import Engine as Database
from starlette.types import ASGIApp

from app.authority.catalog import Catalog, known_models
from app.authority.execution import Execution
from app.authority.inference import Inference, InferencePorts
from app.authority.keys import Keys
from app.authority.ledger import (
    Kind,
    Ledger,
    LedgerEvent,
    RefusalRecorder,
    UsageLog,
    boot_event,
    genesis_event,
    shutdown_event,
)
from app.authority.lifecycle.equipment import Equipment, Limits
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Access, Permission, grant
from app.authority.policy.routing import Routing, load_routing
from app.authority.ports import EngineHost, MemoryProbe
from app.authority.reading import Installation, Reading
from app.authority.rules import rules_digest
from app.clock import SystemClock
from app.database import REVISIONS, migrate, open_engine
from app.domain.actors import SYSTEM
from app.domain.refusals import AuditUnavailable, Refusal
from app.engines.memory_probe import SystemMemoryProbe
from app.engines.supervisor import WorkerHost
from app.routers.app import build_api
from app.routers.dependencies import Services
from app.routers.metrics import Metrics
from app.settings import DEFAULT_PORT, TEMPLATES, Settings

log = structlog.get_logger(__name__)

CHECKOUT = TEMPLATES.parent
"""Paths in `config/models.yaml` are relative to it."""

STOP_GRACE_S = 5.0
ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Server:
    """What `main` needs to run and announce it."""

    app: ASGIApp
    version: str
    listening: str
    answering_model: str
    operator_key_path: Path


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's parts, open and checked."""

    database: Database
    clock: SystemClock
    boot_id: str
    ledger: Ledger
    keys: Keys
    catalog: Catalog
    routing: Routing
    usage: UsageLog
    refusals: RefusalRecorder


def wire(
    settings: Settings,
    *,
    home: Path,
    listening: str,
    host: EngineHost | None = None,
    probe: MemoryProbe | None = None,
) -> Server:
    """Open the state, record the start, and return the server; tests hand in a host and a probe.

    Raises StartRefused or AuditUnavailable: then nothing answers.
    """
    version = installed_version("lmx-authority")
    authority = open_authority(settings, home=home, version=version)
    import_bundled(authority)
    engine_host = host or WorkerHost(load_timeout_s=settings.load_timeout_s)
    memory = probe or SystemMemoryProbe()
    serving = Serving(
        Equipment(
            catalog=authority.catalog,
            ledger=authority.ledger,
            host=engine_host,
            probe=memory,
            clock=authority.clock,
            limits=_limits(settings),
        )
    )
    for model_id in _quarantined(authority):
        serving.quarantined_before(model_id)
    installation = Installation(
        version=version,
        listening=listening,
        home=str(home),
        operator_key_path=str(home / "operator.key"),
        started=authority.clock.monotonic(),
        default_context=settings.default_context,
        default_slots=settings.slots,
    )
    services = _services(settings, authority, serving, memory, installation)
    return Server(
        app=build_api(services, lifespan=_lifespan(settings, authority, serving)),
        version=version,
        listening=listening,
        answering_model=_answering(authority),
        operator_key_path=home / "operator.key",
    )


def open_authority(settings: Settings, *, home: Path, version: str) -> Authority:
    """Migrate, check the ledger's guards, record genesis or boot, close open intents."""
    path = home / "lmx.db"
    migrate(path)
    database = open_engine(path)
    clock = SystemClock()
    boot_id = str(uuid.uuid4())
    ledger = Ledger(database, clock=clock, boot_id=boot_id)
    ledger.check_guards()
    keys = Keys(ledger, database, clock=clock)
    if ledger.size() == 0:
        _begin(ledger, keys, home, version)
    ledger.append(_boot(settings, boot_id, version))
    ledger.reconcile()
    known = known_models([TEMPLATES / "models.yaml", home / "models.yaml"])
    catalog = Catalog(ledger, database, clock=clock, store_dir=home / "store", known=known)
    catalog.sweep()
    return Authority(
        database=database,
        clock=clock,
        boot_id=boot_id,
        ledger=ledger,
        keys=keys,
        catalog=catalog,
        routing=load_routing(_own_or_template(home, "routing.yaml")),
        usage=UsageLog(database),
        refusals=RefusalRecorder(ledger, clock=clock),
    )


def import_bundled(authority: Authority) -> None:
    """Bring models that ship with the project into the store, by the path every import takes."""
    have = {m.id: m.digest for m in authority.catalog.list()}
    for model in authority.catalog.known.bundled():
        if model.id in have:
            continue
        may = grant(SYSTEM, Permission.MODEL_IMPORT, subject=model.id)
        try:
            authority.catalog.import_directory(
                may, CHECKOUT / model.path, model.id, lambda _: None, lambda: False
            )
        except Refusal as refusal:
            authority.refusals.record(SYSTEM, refusal, model.id, None)
            log.error("bundled_model_refused", model=model.id, reason=refusal.message)


def _begin(ledger: Ledger, keys: Keys, home: Path, version: str) -> None:
    """The first start: the account that started it is operator and approver (rule C05)."""
    key = keys.ensure_operator_key(home / "operator.key")
    ledger.append(
        genesis_event(
            install_id=str(uuid.uuid4()),
            account=getpass.getuser(),
            operator_key_id=key.id,
            rules_digest=rules_digest(),
            schema_version=REVISIONS[-1],
            version=version,
        )
    )


def _boot(settings: Settings, boot_id: str, version: str) -> LedgerEvent:
    configured = settings.model_dump(mode="json")
    canonical = json.dumps(configured, sort_keys=True, separators=(",", ":"))
    overrides = {} if settings.port == DEFAULT_PORT else {"G-DEPLOY-02": f"port {settings.port}"}
    return boot_event(
        boot_id=boot_id,
        version=version,
        pid=os.getpid(),
        rules_digest=rules_digest(),
        config_digest=hashlib.sha256(canonical.encode()).hexdigest(),
        extra={"overrides": overrides},
    )


def _limits(settings: Settings) -> Limits:
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


def _own_or_template(home: Path, name: str) -> Path:
    own = home / name
    return own if own.exists() else TEMPLATES / name


def _answering(authority: Authority) -> str:
    """The model the banner shows: what the alias `default` leads to, else the first there is."""
    ids = authority.catalog.ids()
    try:
        return authority.routing.resolve("default", ids).model_id
    except Refusal:
        return min(ids, default="none yet: lmx models import DIR")


def _quarantined(authority: Authority) -> set[str]:
    """Models whose last word in the ledger is that their worker crashed too often."""
    ledger = authority.ledger
    into = {e.subject: e.seq for e in ledger.events(kind=Kind.MODEL_QUARANTINED, limit=ALL)}
    out = {e.subject: e.seq for e in ledger.events(kind=Kind.MODEL_RELEASED, limit=ALL)}
    return {model for model, seq in into.items() if seq > out.get(model, 0)}


def _services(
    settings: Settings,
    authority: Authority,
    serving: Serving,
    probe: MemoryProbe,
    installation: Installation,
) -> Services:
    access = Access(inference_needs_key=settings.inference_requires_key)
    inference = Inference(
        InferencePorts(
            catalog=authority.catalog,
            routing=authority.routing,
            serving=serving,
            usage=authority.usage,
            refusals=authority.refusals,
            clock=authority.clock,
            access=access,
            timeout_s=settings.request_timeout_s,
        )
    )
    execution = Execution(
        catalog=authority.catalog,
        serving=serving,
        keys=authority.keys,
        default_slots=settings.slots,
        default_context=settings.default_context,
    )
    reading = Reading(
        catalog=authority.catalog,
        routing=authority.routing,
        serving=serving,
        keys_store=authority.keys,
        ledger=authority.ledger,
        probe=probe,
        clock=authority.clock,
        installation=installation,
    )

    async def ready() -> Mapping[str, bool]:
        return {"ledger": authority.ledger.available}

    return Services(
        keys=authority.keys,
        inference=inference,
        execution=execution,
        reading=reading,
        refusals=authority.refusals,
        ready=ready,
        metrics=Metrics(),
        version=installation.version,
        allowed_hosts=frozenset(settings.allowed_hosts),
        max_body_bytes=settings.max_body_bytes,
        inference_needs_key=settings.inference_requires_key,
    )


Lifespan = Callable[[object], AbstractAsyncContextManager[None]]


def _lifespan(settings: Settings, authority: Authority, serving: Serving) -> Lifespan:
    """What runs beside the endpoint, and how it ends: models first, then the last record."""

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(serving.sweep_forever()),
            asyncio.create_task(_preload(settings, authority, serving)),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await serving.close()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(_close, authority)

    return lifespan


async def _preload(settings: Settings, authority: Authority, serving: Serving) -> None:
    """Load what the settings name; a refusal is recorded and does not stop the server."""
    for name in settings.preload:
        try:
            route = authority.routing.resolve(name, authority.catalog.ids())
            may = grant(SYSTEM, Permission.MODEL_LOAD, subject=route.model_id)
            await serving.load(may, authority.catalog.get(route.model_id), None)
        except Refusal as refusal:
            log.warning("preload_refused", model=name, reason=refusal.message)
            await asyncio.to_thread(authority.refusals.record, SYSTEM, refusal, name, None)


def _close(authority: Authority) -> None:
    authority.usage.close()
    authority.refusals.close()
    with suppress(AuditUnavailable):  # said in the log by the ledger; nothing is left to refuse
        authority.ledger.append(shutdown_event(boot_id=authority.boot_id, reason="asked to stop"))
    authority.database.dispose()
