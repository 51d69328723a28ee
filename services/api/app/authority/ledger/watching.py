"""What happens to the ledger's copies and its volume while the server runs, put on record."""

from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.lifetime import disk_warning_event, sink_changed_event
from app.authority.ledger.reserve import DiskChange, DiskWatch
from app.authority.ledger.sinks import SinkChange
from app.authority.ledger.store import Ledger
from app.observability import recorded_path


class Watching:
    """Called by a timer, on one thread. What cannot be recorded now is kept for the next call."""

    def __init__(self, ledger: Ledger, disk: DiskWatch) -> None:
        self._ledger = ledger
        self._disk = disk
        self._unsaid: list[LedgerEvent] = []

    def look(self) -> None:
        """Record sinks that began anew and levels of the disk; raises AuditUnavailable."""
        self._unsaid += [changed(change) for change in self._ledger.keeping.sinks.changes()]
        level = self._disk.check()
        if level is not None:
            self._unsaid.append(_fuller(level))
        while self._unsaid:
            self._ledger.append(self._unsaid[0])
            del self._unsaid[0]

    @property
    def disk_level(self) -> int:
        """Percent of the volume from which on the operator is warned: 75, 90, or 0 for neither."""
        return self._disk.level


def changed(change: SinkChange) -> LedgerEvent:
    return sink_changed_event(
        name=change.name, path=recorded_path(change.path), reason=change.reason, had=change.had
    )


def _fuller(change: DiskChange) -> LedgerEvent:
    return disk_warning_event(
        level=change.level,
        percent=change.used_bytes * 100 // max(1, change.total_bytes),
        total_bytes=change.total_bytes,
        free_bytes=change.total_bytes - change.used_bytes,
    )
