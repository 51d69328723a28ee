"""The events of an installation's and a server's life, as pure constructors."""

from collections.abc import Mapping
from typing import Any, Final

from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.stored import StoredEvent
from app.domain.actors import SYSTEM
from app.evidence.vocabulary import OUTCOME_OF, Kind

INTERRUPTED: Final = "interrupted_by_restart"


def genesis_event(
    *,
    install_id: str,
    account: str,
    operator_key_id: str,
    rules_digest: str,
    schema_version: str,
    version: str,
    profile: str = "solo",
) -> LedgerEvent:
    """Event 1: who this installation belongs to and which rules it began with."""
    return LedgerEvent(
        kind=Kind.GENESIS,
        actor=SYSTEM,
        subject=install_id,
        data={
            "account": account,
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
        data={"intent_boot_id": intent.boot_id},
        intent_seq=intent.seq,
    )
