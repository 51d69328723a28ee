"""Gauges: what is looked at when somebody asks for /metrics, and at no other time.

Each look returns plain values and costs no more than a few small queries, however long the ledger
is. One that fails leaves its series out; the others are shown.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.domain.refusals import Refusal
from app.observability import lines_lost
from app.routers.measuring.naming import Models

log = logging.getLogger(__name__)

Values = Mapping[str, Any]
Sample = tuple[str, tuple[str, ...], float]
"""Name of a series, values of its labels, value."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Where gauges come from; an empty answer shows nothing. All are called on one thread."""

    ledger: Callable[[], Values] = dict
    """As `lmx status` shows it; empty or refused: it cannot be read."""
    proposals: Callable[[], int] | None = None
    approvals: Callable[[], Values] = dict
    """`pending`: how many; `oldest_s`: seconds since the oldest was made."""
    memory: Callable[[], Values] = dict
    models: Callable[[], Sequence[Values]] = tuple
    states: Sequence[str] = ()
    queue_limit: Callable[[], int] | None = None
    disk: Callable[[], Values] = dict
    process: Callable[[], Values] = dict
    safe_mode: Callable[[], bool] | None = None
    build: Values = field(default_factory=dict)


def looked(looks: Looks, names: Models) -> Iterator[Sample]:
    """Every sample there is now."""
    parts: tuple[Callable[[], Iterable[Sample]], ...] = (
        lambda: _ledger(_readable(looks.ledger)),
        lambda: _number("lmx_proposals_open", looks.proposals),
        lambda: _approvals(looks.approvals()),
        lambda: _memory(looks.memory()),
        lambda: _models(looks.models(), looks.states, names),
        lambda: _number("lmx_queue_limit", looks.queue_limit),
        lambda: _all_of(_DISK, looks.disk()),
        lambda: _all_of(_PROCESS, looks.process()),
        lambda: _number("lmx_safe_mode", looks.safe_mode),
        lambda: _build(looks.build),
        lambda: [("lmx_log_lines_lost_total", (), lines_lost())],
    )
    for part in parts:
        try:
            yield from list(part())
        except (Refusal, OSError) as error:
            log.warning("metrics: not shown: %s", error)


def _readable(standing: Callable[[], Values]) -> Values:
    try:
        return standing()
    except Refusal:
        return {}


def _ledger(now: Values) -> Iterator[Sample]:
    if not now:
        yield "lmx_ledger_available", (), 0
        return
    size, checkpoint = now["size"], now.get("checkpoint") or {}
    yield "lmx_ledger_events", (), size
    yield "lmx_ledger_available", (), now["available"]
    yield "lmx_ledger_unsigned", (), max(0, size - checkpoint.get("size", 0))
    yield "lmx_ledger_held_outside", (), (now["held_outside"] or {}).get("size", 0)
    yield "lmx_ledger_disk_warning_percent", (), now["disk_warning_percent"] or 0
    yield "lmx_ledger_reserve_in_use", (), now["reserve"]["in_use"]
    for required in (True, False):
        lags = [sink["lag"] for sink in now["sinks"] if sink["required"] is required]
        yield "lmx_ledger_sink_lag", (str(required).lower(),), max(lags, default=0)


def _approvals(now: Values) -> Iterator[Sample]:
    if now:
        yield "lmx_approvals_pending", (), now["pending"]
        yield "lmx_approvals_oldest_seconds", (), now["oldest_s"]


def _memory(now: Values) -> Iterator[Sample]:
    if now:
        for term, key in _TERMS.items():
            yield "lmx_memory_bytes", (term,), now[key]
        yield "lmx_memory_reading_age_seconds", (), now["reading_age_ms"] / 1000


def _models(now: Sequence[Values], states: Sequence[str], names: Models) -> Iterator[Sample]:
    for state in states:
        yield "lmx_models", (state,), sum(model["state"] == state for model in now)
    totals: dict[tuple[str, str], float] = {}
    for model in now:
        for name, key in _OF_A_MODEL.items():
            at = name, names.label(model["id"])
            totals[at] = totals.get(at, 0) + model[key]
    for (name, label), value in totals.items():
        yield name, (label,), value


def _number(name: str, look: Callable[[], float] | None) -> Iterator[Sample]:
    if look is not None:
        yield name, (), look()


def _build(build: Values) -> Iterator[Sample]:
    if build:
        yield "lmx_build_info", (build["version"], build["python"]), 1


def _all_of(names: Mapping[str, str], now: Values) -> Iterator[Sample]:
    for key, value in now.items():
        yield names[key], (), value


_TERMS = {
    "total": "total_bytes",
    "available": "available_bytes",
    "promised": "promised_untaken_bytes",
    "budget": "budget_bytes",
}
_OF_A_MODEL = {
    "lmx_model_active": "active",
    "lmx_model_queued": "queued",
    "lmx_model_resident_bytes": "resident_bytes",
    "lmx_model_promised_bytes": "promised_bytes",
}
_DISK = {"free": "lmx_disk_free_bytes", "total": "lmx_disk_total_bytes"}
_PROCESS = {
    "cpu_s": "process_cpu_seconds_total",
    "rss": "process_resident_memory_bytes",
    "open_fds": "process_open_fds",
    "max_fds": "process_max_fds",
    "started": "process_start_time_seconds",
}
