"""A start after a restore: what was put back is recorded as put back before anything else is done.

Until that is done `ledger/restored.json` stays, so that a start which was cut off does it again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from app import files
from app.authority.approvals.parts import Parts
from app.authority.approvals.sealing import Sealing
from app.authority.approvals.transitions import OPEN, Cause, State
from app.authority.keys import Keys
from app.authority.ledger import Kind, Ledger, LedgerEvent
from app.backups import restoring
from app.backups.mark import MARK, Restored
from app.domain.actors import SYSTEM
from app.domain.refusals import BackupRefused, StartRefused

log = structlog.get_logger(__name__)

_ENDED: Final = (
    "The state was restored from a backup: what happened to this ask afterwards is not known here. "
    "Ask again."
)


@dataclass(frozen=True, slots=True)
class Pending:
    """A restore that this start has recorded and not yet followed up."""

    home: Path
    restored: Restored


def finish(home: Path) -> None:
    """Bring a restore to its end that was cut off. Before the database is looked at."""
    try:
        if restoring.finish(home):
            log.warning("restore_finished", home=str(home))
    except BackupRefused as refusal:
        raise StartRefused(refusal.message) from refusal


def record(home: Path, ledger: Ledger, keys: Keys) -> Pending | None:
    """Record what was restored, and revoke again, in one transaction; None where nothing was."""
    if not files.present(home / MARK):
        return None
    try:
        restored = Restored.decoded(files.read(home / MARK))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StartRefused(
            f"The state was restored from a backup, and {home / MARK}, which says from which one, "
            f"cannot be read ({type(error).__name__}). Restore the backup again."
        ) from error
    if not _is_recorded(ledger, restored):
        keys.revoke_again(restored.revoked, lambda revoked: _event(restored, revoked))
        log.warning(
            "state_restored",
            backup=restored.name,
            events=restored.size,
            replaced_events=restored.replaced_size,
            replaced=restored.replaced,
        )
    return Pending(home, restored)


def follow_up(pending: Pending | None, parts: Parts) -> None:
    """End what waits for a decision, was approved or begun: it may have been used since."""
    if pending is None:
        return
    for state in OPEN:
        while waiting := parts.asks.in_state(state):
            for ask in waiting:
                parts.end(ask, Cause.DEADLINE, _ENDED)
    for ask in parts.asks.in_state(State.CLAIMED):
        Sealing(parts).not_known(ask, _ENDED)
    (pending.home / MARK).unlink(missing_ok=True)
    files.sync_folder((pending.home / MARK).parent)


def _is_recorded(ledger: Ledger, restored: Restored) -> bool:
    """A backup cannot hold an event with its own manifest's digest: one that does came after."""
    found = ledger.events(kind=Kind.STATE_RESTORED, limit=1, newest_first=True)
    return bool(found) and found[0].data.get("manifest") == restored.manifest


def _event(restored: Restored, revoked: tuple[str, ...]) -> LedgerEvent:
    data = {
        "size": restored.size,
        "root": restored.root,
        "manifest": restored.manifest,
        "made_us": restored.made_us,
        "revoked": list(revoked),
        "asks_ended": restored.asks,
    }
    if restored.replaced_size is not None:
        data["replaced_size"] = restored.replaced_size
        if restored.replaced_root:
            data["replaced_root"] = restored.replaced_root
    return LedgerEvent(Kind.STATE_RESTORED, SYSTEM, subject=restored.name, data=data)
