"""What the server counts for Prometheus: requests, refusals and tokens, never who or what text."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from app.domain.refusals import Refusal

CONTENT_TYPE = CONTENT_TYPE_LATEST

_LEDGER_GAUGES: Final[Mapping[str, tuple[str, Callable[[Mapping[str, Any]], object]]]] = {
    "lmx_ledger_events": ("Events in the ledger.", lambda now: now["size"]),
    "lmx_ledger_available": ("1 while it can be written.", lambda now: now["available"]),
    "lmx_ledger_held_outside": (
        "Events under the newest checkpoint that a witness cosigned.",
        lambda now: (now["held_outside"] or {}).get("size", 0),
    ),
    "lmx_ledger_disk_warning_percent": (
        "The level of fullness that the volume has passed: 75, 90, or 0.",
        lambda now: now["disk_warning_percent"] or 0,
    ),
    "lmx_ledger_reserve_in_use": (
        "1 while the disk is full and only what must be written is.",
        lambda now: now["reserve"]["in_use"],
    ),
}


class _LedgerCollector(Collector):
    def __init__(self, standing: Callable[[], Mapping[str, Any]]) -> None:
        self._standing = standing

    def collect(self) -> Iterator[GaugeMetricFamily]:
        try:
            now = self._standing()
        except Refusal:
            now = {}
        if not now:
            yield GaugeMetricFamily("lmx_ledger_available", "1 while it can be written.", value=0)
            return
        for name, (about, value) in _LEDGER_GAUGES.items():
            yield GaugeMetricFamily(name, about, value=float(value(now)))  # type: ignore[arg-type]
        lag = GaugeMetricFamily("lmx_ledger_sink_lag", "Events a copy lacks.", labels=["required"])
        for required in (True, False):
            lags = [sink["lag"] for sink in now["sinks"] if sink["required"] is required]
            lag.add_metric([str(required).lower()], max(lags, default=0))
        yield lag


class _AdviceCollector(Collector):
    def __init__(self, waiting: Callable[[], int]) -> None:
        self._waiting = waiting

    def collect(self) -> Iterator[GaugeMetricFamily]:
        with suppress(Refusal):
            about = "Proposals of advisors that wait for a person."
            yield GaugeMetricFamily("lmx_proposals_open", about, value=self._waiting())


class Metrics:
    """One registry per server, so that two in one process (tests) don't share counts."""

    def __init__(
        self,
        standing: Callable[[], Mapping[str, Any]] = dict,
        waiting: Callable[[], int] = int,
    ) -> None:
        """`standing`: how the ledger stands, `waiting`: how many proposals wait, both asked when
        metrics are."""
        self._registry = CollectorRegistry()
        self._registry.register(_LedgerCollector(standing))
        self._registry.register(_AdviceCollector(waiting))
        self._requests = Counter(
            "lmx_requests", "Answered requests.", ["method", "route", "status"],
            registry=self._registry,
        )  # fmt: skip
        self._refusals = Counter(
            "lmx_refusals", "Refused requests, by code.", ["code"], registry=self._registry
        )
        self._tokens = Counter(
            "lmx_tokens", "Tokens read and generated.", ["kind"], registry=self._registry
        )
        self._first = Histogram(
            "lmx_first_token_seconds", "From the request to the first text of its answer.",
            buckets=(0.005, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300),
            registry=self._registry,
        )  # fmt: skip

    def answered(self, *, method: str, route: str, status: int) -> None:
        self._requests.labels(method, route, str(status)).inc()

    def refused(self, code: str) -> None:
        self._refusals.labels(code).inc()

    def generated(self, *, prompt_tokens: int, completion_tokens: int) -> None:
        self._tokens.labels("prompt").inc(prompt_tokens)
        self._tokens.labels("completion").inc(completion_tokens)

    def first_token(self, seconds: float) -> None:
        self._first.observe(seconds)

    def render(self) -> bytes:
        return generate_latest(self._registry)
