"""The one place where a refusal is counted and, where it must be, handed to the ledger."""

import asyncio
import logging

from app.domain.actors import Actor
from app.domain.refusals import AuditUnavailable, Refusal
from app.routers.dependencies import Services

log = logging.getLogger(__name__)


async def note_refusal(
    services: Services, refusal: Refusal, *, actor: Actor, subject: str, request_id: str
) -> None:
    """Count it; record it if its class says so.

    A refused act did not happen, so the client hears the refusal even where the ledger cannot
    keep it; that the ledger could not is an error in the log.
    """
    services.metrics.refused(refusal.code)
    if not refusal.recorded:
        return
    try:
        await asyncio.to_thread(services.refusals.record, actor, refusal, subject[:200], request_id)
    except AuditUnavailable:
        log.exception("request %s: refusal %s was not recorded", request_id, refusal.code)
