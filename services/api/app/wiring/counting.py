"""Puts the counting together: what happens is counted, what stands is looked at when asked."""

import platform
import shutil
import sys
import threading
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from app.authority.ledger.events import LedgerEvent
from app.authority.ledger.usage_row import UsageRow
from app.authority.lifecycle.plain import memory_of, residency_of
from app.authority.lifecycle.serving import Serving
from app.authority.lifecycle.transitions import State
from app.authority.ports import Clock, MemoryProbe
from app.authority.reading import Installation
from app.configuration.current import Current
from app.domain.memory import MemoryReading
from app.evidence.vocabulary import Kind
from app.routers.measuring.looking import Looks
from app.routers.metrics import Metrics
from app.wiring.advising import Advised
from app.wiring.governing import Governing
from app.wiring.opening import Authority

READING_S = 0.5
"""What takes longer to read than this is shown as old as it is."""
_SECOND_US = 1_000_000


def counting(
    *,
    current: Current,
    authority: Authority,
    serving: Serving,
    probe: MemoryProbe,
    installation: Installation,
    governed: Governing,
    advice: Advised,
    standing: Callable[[], Mapping[str, Any]],
) -> Metrics:
    """Metrics of this server, told of every event and every row of usage from now on."""
    process = psutil.Process()
    metrics = Metrics(
        Looks(
            ledger=standing,
            proposals=advice.waiting,
            approvals=partial(_approvals, governed, authority.clock),
            memory=partial(_memory, _Lately(probe), serving, authority.clock),
            models=partial(_models, serving),
            states=tuple(map(str, State)),
            queue_limit=lambda: current.settings.queue_limit,
            disk=partial(_disk, Path(installation.home)),
            process=partial(_process, process),
            safe_mode=lambda: bool(installation.safe_mode),
            build={"version": installation.version, "python": platform.python_version()},
        ),
        named=not current.settings.inference_requires_key,
    )
    authority.ledger.noticed = partial(_happened, metrics)
    authority.usage.noticed = partial(_used, metrics)
    return metrics


def _happened(metrics: Metrics, event: LedgerEvent) -> None:
    """One event is on record."""
    match event.kind:
        case Kind.LOAD_OUTCOME:
            ms = event.data.get("load_ms")
            metrics.loaded(event.outcome or "", ms / 1000 if isinstance(ms, int) else None)
        case Kind.UNLOAD_OUTCOME:
            metrics.unloaded(str(event.data.get("reason", "")))
        case Kind.WORKER_EXITED:
            metrics.lost()
        case Kind.MODEL_QUARANTINED:
            metrics.quarantined()
        case _:
            pass


def _used(metrics: Metrics, row: UsageRow) -> None:
    since_first = 0 if row.ttft_ms is None else max(0, row.duration_ms - row.ttft_ms)
    waited_ms = None if row.asked is None else row.asked.waited_ms
    metrics.used(
        model=row.model_id,
        outcome=row.outcome,
        seconds=since_first / 1000,
        waited_s=None if waited_ms is None else waited_ms / 1000,
    )


def _approvals(governed: Governing, clock: Clock) -> dict[str, float]:
    pending, oldest_us = governed.parts.asks.waiting()
    since_us = 0 if oldest_us is None else clock.utc_us() - oldest_us
    return {"pending": pending, "oldest_s": max(0, since_us) / _SECOND_US}


class _Lately:
    """The newest reading of memory there is: whoever scrapes does not wait for one that hangs."""

    def __init__(self, probe: MemoryProbe) -> None:
        self._probe = probe
        self._last: MemoryReading | None = None
        self._reading: threading.Thread | None = None

    def read(self) -> MemoryReading | None:
        """None where there never was one. Called on one thread at a time."""
        if self._reading is None or not self._reading.is_alive():
            self._reading = threading.Thread(target=self._take, name="memory", daemon=True)
            self._reading.start()
        self._reading.join(READING_S)
        return self._last

    def _take(self) -> None:
        self._last = self._probe.read()


def _memory(lately: _Lately, serving: Serving, clock: Clock) -> dict[str, int]:
    reading = lately.read()
    return {} if reading is None else memory_of(reading, serving.residency, now=clock.monotonic())


def _models(serving: Serving) -> list[dict[str, Any]]:
    return [residency_of(held) for held in serving.residency.all()]


def _disk(home: Path) -> dict[str, int]:
    now = shutil.disk_usage(home)
    return {"free": now.free, "total": now.total}


def _process(process: psutil.Process) -> dict[str, float]:
    """Of this process, in bytes and seconds. Workers are processes of their own."""
    with process.oneshot():
        times, found = process.cpu_times(), {"started": process.create_time()}
        found |= {"cpu_s": times.user + times.system, "rss": process.memory_info().rss}
        found["open_fds"] = process.num_fds()
    if sys.platform != "win32":
        import resource

        found["max_fds"] = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return found
