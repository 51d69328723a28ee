"""Opens the authority's state in the one order that is safe, and records that it did."""

import getpass
import os
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import Engine as Database

from app.authority.catalog import Catalog, known_models
from app.authority.catalog.annotations import Annotations
from app.authority.catalog.removal.bin import Bin
from app.authority.catalog.removal.trash import Trash
from app.authority.catalog.signers import trusted_signers
from app.authority.keys import Keys, NewPerson, OperatorKey, People
from app.authority.ledger import (
    Kind,
    Ledger,
    LedgerEvent,
    RefusalRecorder,
    UsageLog,
    boot_event,
    genesis_event,
)
from app.authority.ledger.opening import Opened, open_ledger, record_opening
from app.authority.ledger.reads import ReadRecorder
from app.authority.ledger.reserve import DiskWatch, Reserve
from app.authority.ledger.sinks import Sinks, further_sink, own_sink
from app.authority.ledger.usage_digests import UsageDigests
from app.authority.ledger.watching import Watching
from app.authority.permissions import Access, Permission, grant
from app.authority.policy.routing import Routing, load_routing
from app.authority.responses.store import Keeping, Responses
from app.authority.rules import rules_digest
from app.clock import SystemClock
from app.configuration.reloading import canonical, digest
from app.database import open_engine
from app.domain.actors import SYSTEM
from app.domain.refusals import Refusal
from app.domain.revisions import REVISIONS
from app.settings import DEFAULT_PORT, TEMPLATES, LedgerSettings, Settings
from app.upgrading import Upgraded
from app.wiring import restoring, upgrades
from app.wiring.versions import versions_of

log = structlog.get_logger(__name__)

CLOCK_BEHIND_S = 2
"""Less is how clocks are kept right; more was set by somebody, or is an empty battery."""

CHECKOUT = TEMPLATES.parent
"""Paths in `config/models.yaml` are relative to it."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The authority's parts, open and checked."""

    database: Database
    clock: SystemClock
    boot_id: str
    ledger: Ledger
    keys: Keys
    people: People
    operator_key: OperatorKey
    catalog: Catalog
    annotations: Annotations
    trash: Trash
    routing: Routing
    usage: UsageLog
    usage_digests: UsageDigests
    refusals: RefusalRecorder
    reads: ReadRecorder
    watching: Watching
    responses: Responses
    upgraded: Upgraded | None
    """What this start brought the state to, None where it was there already."""
    restored: restoring.Pending | None
    """What was put back from a backup before this start."""


def open_authority(
    settings: Settings, *, home: Path, version: str, safe_mode: str = ""
) -> Authority:
    """Upgrade, check the ledger's guards, record genesis or boot, close open intents."""
    restoring.finish(home)
    done = upgrades.upgraded(home)
    database = open_engine(home / "lmx.db")
    clock = SystemClock()
    boot_id = str(uuid.uuid4())
    opened = ledger_in(settings, database, clock, home=home, version=version, boot_id=boot_id)
    ledger = opened.ledger
    keys = Keys(ledger, database, clock=clock)
    genesis = _genesis(version, opened.install_id)
    operator_key = keys.ensure_operator_key(
        home / "operator.key", account=getpass.getuser(), genesis=genesis
    )
    record_opening(opened)
    restored = restoring.record(home, ledger, keys)
    found = {
        "adopted": opened.adopted,
        **({"safe_mode": safe_mode} if safe_mode else {}),
        **_behind(opened.last_us, clock.utc_us()),
    }
    ledger.append(_boot(settings, boot_id, version, found))
    if done is not None:
        upgrades.record(ledger, done, home)
    ledger.reconcile()
    known = known_models([TEMPLATES / "models.yaml", home / "models.yaml"])
    catalog = Catalog(
        ledger,
        database,
        clock=clock,
        store_dir=home / "store",
        known=known,
        signers=partial(trusted_signers, home / "signers"),
    )
    catalog.sweep()
    written = load_routing(_own_or_template(home, "routing.yaml"))
    annotations = Annotations(catalog, database, taken=written.aliases)
    trash = Trash(
        Bin(
            catalog=catalog,
            ledger=ledger,
            engine=database,
            clock=clock,
            store=(home / "store").resolve(),
            directory=(home / "trash").resolve(),
            grace_s=lambda: settings.approvals.grace_hours * 3600,
            changed=annotations.refresh,
        )
    )
    trash.settle()
    return Authority(
        database=database,
        clock=clock,
        boot_id=boot_id,
        ledger=ledger,
        keys=keys,
        people=People(ledger, database, clock=clock),
        operator_key=operator_key,
        catalog=catalog,
        annotations=annotations,
        trash=trash,
        routing=replace(written, given=annotations.chains),
        usage=UsageLog(database, may_write=lambda: not ledger.on_reserve),
        usage_digests=UsageDigests(ledger, database, clock, keep_days=settings.ledger.usage_days),
        refusals=RefusalRecorder(ledger, clock=clock),
        reads=ReadRecorder(ledger, clock=clock),
        watching=Watching(ledger, DiskWatch(home)),
        responses=Responses(
            database,
            clock,
            Keeping(frozenset(settings.responses.keep_for), settings.responses.keep_hours),
            Access(inference_needs_key=settings.inference_requires_key),
        ),
        upgraded=done,
        restored=restored,
    )


def ledger_in(
    settings: Settings,
    database: Database,
    clock: SystemClock,
    *,
    home: Path,
    version: str,
    boot_id: str,
) -> Opened:
    """Open the ledger of `home`: its signer, its copies and its reserve. Raises StartRefused."""
    return open_ledger(
        database,
        clock,
        boot_id=boot_id,
        directory=home / "ledger",
        sinks=partial(_sinks, settings.ledger, home / "ledger"),
        reserve=Reserve(home / "ledger" / "reserve", settings.ledger.reserve_bytes),
        versions=versions_of(version),
    )


def import_bundled(authority: Authority) -> None:
    """Bring models that ship with the project into the store, by the path every import takes."""
    have = {m.id: m.digest for m in authority.catalog.list()}
    deleted = {entry.model_id for entry in authority.trash.entries() if entry.state != "restored"}
    for model in authority.catalog.known.bundled():
        if model.id in deleted and model.id not in have:
            continue  # a person said so; lmx models import brings it back
        if model.id in have:
            if have[model.id] != model.manifest.digest:
                log.warning("bundled_model_changed", model=model.id, keeps=have[model.id])
            continue
        may = grant(SYSTEM, Permission.MODEL_IMPORT, subject=model.id)
        try:
            authority.catalog.import_directory(
                may, CHECKOUT / model.path, model.id, lambda _: None, lambda: False
            )
        except Refusal as refusal:
            authority.refusals.record(SYSTEM, refusal, model.id, None)
            log.error("bundled_model_refused", model=model.id, reason=refusal.message)


def _genesis(version: str, install_id: str) -> Callable[[str, NewPerson], LedgerEvent]:
    """The first start: the account that started it is operator and approver (rule C05)."""

    def event(operator_key_id: str, person: NewPerson) -> LedgerEvent:
        return genesis_event(
            install_id=install_id,
            person=person.id,
            commitment=person.commitment.hex(),
            operator_key_id=operator_key_id,
            rules_digest=rules_digest(),
            schema_version=REVISIONS[-1],
            version=version,
        )

    return event


def _behind(last_us: int, now_us: int) -> dict[str, int]:
    """How far the clock is behind the last event, where it is. Its number says what came later."""
    behind_s = -((now_us - last_us) // 1_000_000)
    if behind_s < CLOCK_BEHIND_S:
        return {}
    log.warning(
        "clock_behind",
        seconds=behind_s,
        do="Set the clock right. Events keep their order by number; times go back here.",
    )
    return {"clock_behind_s": behind_s}


def _boot(settings: Settings, boot_id: str, version: str, found: Mapping[str, Any]) -> LedgerEvent:
    """The start and, as evidence under `config_digest`, the settings that were in force."""
    overrides = {} if settings.port == DEFAULT_PORT else {"G-DEPLOY-02": f"port {settings.port}"}
    event = boot_event(
        boot_id=boot_id,
        version=version,
        pid=os.getpid(),
        rules_digest=rules_digest(),
        config_digest=digest(settings),
        extra={"overrides": overrides, **found},
    )
    return replace(event, evidence=(canonical(settings),))


def _sinks(settings: LedgerSettings, own: Path, install_id: str) -> Sinks:
    """The copy beside the database, and those the settings add."""
    further = (
        further_sink(
            sink.directory,
            install_id=install_id,
            required=sink.required,
            timeout_s=sink.timeout_s,
        )
        for sink in settings.sinks
    )
    return Sinks([own_sink(own), *further])


def _own_or_template(home: Path, name: str) -> Path:
    own = home / name
    return own if own.exists() else TEMPLATES / name


def answering_model(authority: Authority) -> str:
    """The model the banner shows: what the alias `default` leads to, else the first there is."""
    ids = authority.catalog.ids()
    try:
        return authority.routing.resolve("default", ids).model_id
    except Refusal:
        return min(ids, default="none yet: lmx models import DIR")


def quarantined_models(authority: Authority) -> set[str]:
    """Models whose last word in the ledger is that their worker crashed too often."""
    last = authority.ledger.latest(Kind.MODEL_QUARANTINED, Kind.MODEL_RELEASED)
    return {model for model, event in last.items() if event.kind == Kind.MODEL_QUARANTINED}
