"""Copies of a ledger on volumes that block, and what is around them."""

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from app.authority.ledger.sinks import Sinks
from app.authority.ledger.sinks.apart import Apart
from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.values import Known, Sink
from app.domain.refusals import AuditUnavailable
from tests.fakes.log import MemoryLog

TIMEOUT_S = 0.2
"""How long a volume that never answers is waited for."""
PATIENCE_S = 30.0
"""How long one is waited for that does answer, however busy the machine and its disk are."""
BLOCKED_S = 60.0
RETRY_S = 0.05


class BlockedFile(FileSink):
    """A volume that stops answering while its gate is closed."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.gate = threading.Event()
        self.gate.set()
        self.tried = 0

    def open(self, known: Known) -> object:  # type: ignore[override]
        self.tried += 1
        self.gate.wait(BLOCKED_S)
        return super().open(known)

    def _write(self, data: memoryview) -> int:
        self.gate.wait(BLOCKED_S)
        return super()._write(data)


class House:
    """A log, its sinks, and how long a delivery took."""

    def __init__(self, log: MemoryLog, *sinks: Sink) -> None:
        self.log = log
        self.sinks = Sinks(sinks)

    def open(self) -> list[tuple[str, str]]:
        log = self.log
        found = self.sinks.open(size=log.size, root_at=log.root_at, keys=[log.key])
        return [(change.name, change.reason) for change in found]

    def deliver(self, grown: int = 1) -> float:
        log = self.log.grow(grown)
        started = time.monotonic()
        self.sinks.deliver(size=log.size, note=log.note(), bodies=log.bodies)
        return time.monotonic() - started

    def refused(self, match: str) -> float:
        started = time.monotonic()
        with pytest.raises(AuditUnavailable, match=match):
            self.deliver()
        return time.monotonic() - started


def apart(file: FileSink, *, required: bool = False, timeout_s: float = PATIENCE_S) -> Apart:
    return Apart("second", file, required=required, timeout_s=timeout_s, retry_s=RETRY_S)


def waits(sink: Apart, seconds: float) -> None:
    """So long it waits from now on."""
    sink._timeout_s = seconds


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.005)


Houses = Callable[..., House]
