"""What runs beside the endpoint, and in which order it ends."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress

import structlog

from app.authority.ledger import shutdown_event
from app.authority.lifecycle.serving import Serving
from app.authority.permissions import Permission, grant
from app.authority.policy.admitting import NeedsApproval
from app.domain.actors import SYSTEM
from app.domain.refusals import AuditUnavailable, Refusal
from app.settings import Settings
from app.wiring.advising import Advised
from app.wiring.governing import Governing
from app.wiring.guarding import Guarded
from app.wiring.opening import Authority

log = structlog.get_logger(__name__)

COUNTS_S = 15.0
USAGE_S = 20.0
SETTLE_S = 0.25
WATCH_S = 30.0
DEADLINES_S = 5.0
PURGES_S = 60.0
DIGESTS_S = 30.0
ADVICE_S = 60.0

Lifespan = Callable[[object], AbstractAsyncContextManager[None]]


def running(  # noqa: PLR0917 - what runs
    settings: Settings,
    authority: Authority,
    serving: Serving,
    governed: Governing,
    guards: Guarded,
    advice: Advised,
) -> Lifespan:
    """What runs beside the endpoint, and how it ends: models first, then the last record."""

    jobs = [
        *_jobs(authority),
        (DEADLINES_S, governed.parts.expire_due),
        (DEADLINES_S, advice.expire_due),
        (settings.guardrails.tick_s, guards.ticking.tick),
        (DIGESTS_S, guards.digests.tick),
    ]

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncIterator[None]:
        await governed.executing.recover()
        await advice.accepting.recover()
        tasks = [
            asyncio.create_task(serving.idling.sweep_forever()),
            asyncio.create_task(_preload(settings, authority, serving, governed)),
            asyncio.create_task(_purge_due(authority, governed)),
            asyncio.create_task(_advise(advice)),
            *(asyncio.create_task(_repeat(every_s, job)) for every_s, job in jobs),
        ]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await governed.executing.close()
            await serving.close()
            await advice.accepting.close()  # a load that it began has ended by now
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.to_thread(_close, authority)

    return lifespan


def _jobs(authority: Authority) -> list[tuple[float, Callable[[], object]]]:
    """What is done again and again beside the endpoint: every so many seconds, what."""
    return [
        (SETTLE_S, authority.ledger.settle),
        (WATCH_S, authority.watching.look),
        (COUNTS_S, authority.refusals.flush_due),
        (COUNTS_S, authority.reads.flush_due),
        (USAGE_S, authority.usage_digests.tick),
        (PURGES_S, authority.responses.sweep),
    ]


async def _repeat(every_s: float, job: Callable[[], object]) -> None:
    """Run `job` on a thread until cancelled; one that fails is run again next time."""
    while True:
        try:
            await asyncio.to_thread(job)
        except AuditUnavailable:
            pass  # said in the log by the ledger
        except Exception:
            log.exception("job_failed", job=getattr(job, "__qualname__", repr(job)))
        await asyncio.sleep(every_s)


async def _preload(
    settings: Settings, authority: Authority, serving: Serving, governed: Governing
) -> None:
    """Load what the settings name; a refusal is recorded and does not stop the server."""
    for name in settings.preload:
        try:
            route = authority.routing.resolve(name, authority.catalog.ids())
            may = grant(SYSTEM, Permission.MODEL_LOAD, subject=route.model_id)
            await serving.load(may, authority.catalog.get(route.model_id), None)
        except NeedsApproval as needs:
            await _preload_refused(authority, name, await governed.ask_instead(needs, None))
        except Refusal as refusal:
            await _preload_refused(authority, name, refusal)


async def _preload_refused(authority: Authority, name: str, refusal: Refusal) -> None:
    log.warning("preload_refused", model=name, reason=refusal.message)
    await asyncio.to_thread(authority.refusals.record, SYSTEM, refusal, name, None)


async def _purge_due(authority: Authority, governed: Governing) -> None:
    """Whenever the grace of something in the trash is over, remove it, by the approval it has."""
    while True:
        try:
            due = await asyncio.to_thread(authority.trash.due)
        except Exception:
            log.exception("job_failed", job="trash.due")
            due = []
        for entry in due:
            try:
                await governed.executing.purging(entry.ask)
            except Refusal as refusal:
                log.warning("purge_refused", trash=entry.id, reason=refusal.message)
            except Exception:
                log.exception("purge_failed", trash=entry.id)
        await asyncio.sleep(PURGES_S)


async def _advise(advice: Advised) -> None:
    """Look once at the walls; again and again, let those advisors run whose time has come."""
    await asyncio.sleep(ADVICE_S)
    await _looked_at(advice)
    while True:
        try:
            await advice.hosting.run_due()
        except AuditUnavailable:
            pass  # said in the log by the ledger
        except Exception:
            log.exception("job_failed", job="advice")
        await asyncio.sleep(ADVICE_S)


async def _looked_at(advice: Advised) -> None:
    """So that the status says from then on which walls stand."""
    try:
        await advice.hosting.advisors()
    except Exception:
        log.exception("job_failed", job="advisors")


def _close(authority: Authority) -> None:
    authority.usage.close()
    authority.refusals.close()
    authority.reads.close()
    with suppress(AuditUnavailable):  # said in the log by the ledger; nothing is left to refuse
        authority.ledger.append(shutdown_event(boot_id=authority.boot_id, reason="asked to stop"))
    authority.ledger.close()
    authority.database.dispose()


def worker_said(level: str, message: str) -> None:
    """What a worker says goes into the server's log, redacted like everything else there."""
    log.log(getattr(logging, level.upper(), logging.INFO), "worker", said=message)
