"""What the server counts for Prometheus: numbers, never who or what text."""

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Generic, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from app.routers.errors import WIRE
from app.routers.measuring.ended import Ended
from app.routers.measuring.looking import Looks, looked
from app.routers.measuring.naming import SURFACES, Models, surface_of
from app.routers.measuring.series import COUNTERS, HISTOGRAMS, SERIES, Series, Type

CONTENT_TYPE = CONTENT_TYPE_LATEST

Child = TypeVar("Child", Counter, Gauge, Histogram)

_BY_NAME: Final[Mapping[str, Series]] = {series.name: series for series in SERIES}
_LOOKED_AT: Final = frozenset({"lmx_log_lines_lost_total", "process_cpu_seconds_total"})
"""Counters that somebody else counts."""
_FROM_THE_START: Final[Mapping[str, tuple[str, ...]]] = {
    "lmx_refusals_total": tuple(sorted(refusal.code for refusal in WIRE)),
    "lmx_loads_total": ("loaded", "failed", "abandoned"),
    "lmx_unloads_total": ("asked", "idle", "evicted", "shutdown", "other"),
    "lmx_request_seconds": tuple(dict.fromkeys(surface for _, surface in SURFACES)),
}
"""Shown as 0 before the first: an increase from nothing is none to Prometheus."""

_no_created_series: Callable[[], None] = disable_created_metrics
_no_created_series()  # a second series for each counter, which nobody reads


class Metrics:
    """One registry per server, so that two in one process (tests) don't share counts.

    Counting may be done on any thread, and costs a microsecond or two.
    """

    def __init__(self, looks: Looks | None = None, *, named: bool = True) -> None:
        """`named`: whether everybody may read the ids of models."""
        self.looks = looks or Looks()
        self.models = Models(named=named)
        self._registry = CollectorRegistry()
        self._registry.register(_Looked(self))
        self._rendering = threading.Lock()
        counted = (one for one in COUNTERS if one.name not in _LOOKED_AT)
        self._counters = {one.name: _counter(one, self._registry) for one in counted}
        self._histograms = {one.name: _histogram(one, self._registry) for one in HISTOGRAMS}
        self._under_way = _Family(
            Gauge(
                "lmx_requests_in_progress",
                _BY_NAME["lmx_requests_in_progress"].about,
                ["surface"],
                registry=self._registry,
            )
        )
        for surface in _FROM_THE_START["lmx_request_seconds"]:
            self._under_way.of(surface)

    # --- requests ---------------------------------------------------------------------------

    def began(self, path: str) -> str:
        """A request has come; returns its surface, to be given back when it has ended."""
        surface = surface_of(path)
        self._under_way.of(surface).inc()
        return surface

    def answered(self, ended: Ended, surface: str) -> None:
        self._under_way.of(surface).dec()
        requests = self._counters["lmx_requests_total"]
        requests.of(ended.method, ended.route, str(ended.status)).inc()
        self._histograms["lmx_request_seconds"].of(surface).observe(ended.seconds)

    def refused(self, code: str) -> None:
        self._counters["lmx_refusals_total"].of(code).inc()

    def generated(self, *, model: str, prompt_tokens: int, completion_tokens: int) -> None:
        tokens, label = self._counters["lmx_tokens_total"], self.models.label(model)
        tokens.of("prompt", label).inc(prompt_tokens)
        tokens.of("completion", label).inc(completion_tokens)

    def first_token(self, seconds: float) -> None:
        self._histograms["lmx_first_token_seconds"].of().observe(seconds)

    # --- models -----------------------------------------------------------------------------

    def used(self, *, model: str, outcome: str, seconds: float, waited_s: float | None) -> None:
        """A request left its model. `seconds`: since its first text; `waited_s`: for its turn."""
        label = self.models.label(model)
        self._counters["lmx_answers_total"].of(label, outcome).inc()
        self._counters["lmx_generation_seconds_total"].of(label).inc(seconds)
        if waited_s is not None:
            self._histograms["lmx_queue_wait_seconds"].of().observe(waited_s)

    def loaded(self, outcome: str, seconds: float | None) -> None:
        self._counters["lmx_loads_total"].of(outcome).inc()
        if seconds is not None:
            self._histograms["lmx_load_seconds"].of().observe(seconds)

    def unloaded(self, reason: str) -> None:
        word = reason.split(" ", 1)[0]
        known = _FROM_THE_START["lmx_unloads_total"]
        self._counters["lmx_unloads_total"].of(word if word in known else "other").inc()

    def lost(self) -> None:
        self._counters["lmx_worker_losses_total"].of().inc()

    def quarantined(self) -> None:
        self._counters["lmx_quarantines_total"].of().inc()

    # --- asked for --------------------------------------------------------------------------

    def render(self) -> bytes:
        """The text that Prometheus reads. Blocks for a few small queries, one caller at a time."""
        with self._rendering:
            return generate_latest(self._registry)


class _Looked(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def describe(self) -> Iterator[Metric]:
        """So that nothing is looked at before somebody asks."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        families: dict[str, Any] = {}
        for name, labels, value in looked(self._metrics.looks, self._metrics.models):
            family = families.setdefault(name, _family(_BY_NAME[name]))
            family.add_metric(labels, float(value))
        yield from families.values()


def _family(series: Series) -> Metric:
    kind = CounterMetricFamily if series.type is Type.COUNTER else GaugeMetricFamily
    return kind(series.name, series.about, labels=series.labels)


class _Family(Generic[Child]):
    """One metric's series by the values of its labels; looking one up costs a dictionary's get."""

    def __init__(self, metric: Child) -> None:
        self._metric: Child = metric
        self._children: dict[tuple[str, ...], Child] = {}

    def of(self, *values: str) -> Child:
        child = self._children.get(values)
        if child is None:
            child = self._metric.labels(*values) if values else self._metric
            self._children[values] = child
        return child


def _counter(series: Series, registry: CollectorRegistry) -> _Family[Counter]:
    counter = _Family(Counter(series.name, series.about, series.labels, registry=registry))
    for value in _FROM_THE_START.get(series.name, ()):
        counter.of(value)
    return counter


def _histogram(series: Series, registry: CollectorRegistry) -> _Family[Histogram]:
    histogram = _Family(
        Histogram(
            series.name, series.about, series.labels, buckets=series.buckets, registry=registry
        )
    )
    for value in _FROM_THE_START.get(series.name, ()):
        histogram.of(value)
    return histogram
