"""What runs beside the endpoint, and in which order it ends."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import structlog

from app.authority.ledger import shutdown_event
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Permission, grant
from app.domain.actors import SYSTEM
from app.domain.refusals import AuditUnavailable, Refusal
from app.settings import Settings
from app.wiring.opening import Authority

log = structlog.get_logger(__name__)

REFUSAL_FLUSH_S = 15.0
SETTLE_S = 0.25

Lifespan = Callable[[object], AbstractAsyncContextManager[None]]


def running(settings: Settings, authority: Authority, serving: Serving) -> Lifespan:
    """What runs beside the endpoint, and how it ends: models first, then the last record."""

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        tasks = [
            asyncio.create_task(serving.sweep_forever()),
            asyncio.create_task(_preload(settings, authority, serving)),
            asyncio.create_task(_count_refusals(authority)),
            asyncio.create_task(_settle(authority)),
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


async def _count_refusals(authority: Authority) -> None:
    """Write the counts of refusal floods when their minute is over, until cancelled."""
    while True:
        await asyncio.sleep(REFUSAL_FLUSH_S)
        await asyncio.to_thread(authority.refusals.flush_due)


async def _settle(authority: Authority) -> None:
    """Keep the newest checkpoint and the index in the database, until cancelled."""
    while True:
        await asyncio.sleep(SETTLE_S)
        with suppress(AuditUnavailable):  # said in the log by the ledger
            await asyncio.to_thread(authority.ledger.settle)


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
    authority.ledger.close()
    authority.database.dispose()


def worker_said(level: str, message: str) -> None:
    """What a worker says goes into the server's log, redacted like everything else there."""
    log.log(getattr(logging, level.upper(), logging.INFO), "worker", said=message)
