"""What the server counts for Prometheus: requests, refusals and tokens, never who or what text."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """One registry per server, so that two in one process (tests) don't share counts."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
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
