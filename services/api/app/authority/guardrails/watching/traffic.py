"""How requests went of late, from the rows of usage as they are written.

Like `recent`, each look reads only the rows that came since the one before. Five minutes are kept
request by request, at most so many of them; an hour is kept as counts of ten seconds each.
"""

import threading
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine

from app.authority.guardrails.values import Scope
from app.authority.ledger.writing import asking_directly

FIVE_MINUTES_US: Final = 300_000_000
HOUR_US: Final = 3_600_000_000
BUCKET_US: Final = 10_000_000
MOST: Final = 20_000
"""Requests that are kept one by one; with more, the newest are looked at."""

_FINE: Final = frozenset({"answered", "cancelled"})
"""How requests end that did not fail: a client that goes away is no failure of ours."""

_NAMES: Final = (
    "id, actor, model_id, started_us, duration_ms, ttft_ms, completion_tokens, outcome, requests"
)
_NEW: Final = f"SELECT {_NAMES} FROM usage WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608
_BEFORE: Final = "SELECT COALESCE(MAX(id), 0) FROM usage WHERE started_us < ?"
_CHUNK: Final = 5_000


@dataclass(frozen=True, slots=True)
class Ended:
    """One request that ended; `ms` and `tokens` of one, where the row stands for several."""

    at_us: int
    model: str
    actor: str
    ms: float
    generating_ms: float
    tokens: float


_KEY: Final[dict[Scope, Callable[[Ended], str]]] = {
    Scope.ALL: lambda _: "",
    Scope.MODEL: lambda ended: ended.model,
    Scope.ACTOR: lambda ended: ended.actor,
}


class Traffic:
    """Every method may be called from any thread, and raises AuditUnavailable."""

    def __init__(self, readers: Engine) -> None:
        self._readers = readers
        self._one = threading.Lock()
        self._seen: int | None = None
        self._ended: deque[Ended] = deque(maxlen=MOST)
        self._counts: deque[tuple[int, Counter[tuple[str, str, bool]]]] = deque()

    def latency(self, scope: Scope, now_us: int) -> dict[str, float]:
        """Seconds that 95 of 100 requests took at most."""
        return {key: _p95([one.ms for one in of]) / 1000 for key, of in self._of(scope, now_us)}

    def tokens_per_second(self, scope: Scope, now_us: int) -> dict[str, float]:
        """Of what generated anything: tokens by the time between the first and the last."""
        found = {}
        for key, of in self._of(scope, now_us):
            ms = sum(one.generating_ms for one in of if one.tokens)
            if ms > 0:
                found[key] = sum(one.tokens for one in of) * 1000 / ms
        return found

    def error_rate(self, scope: Scope, now_us: int) -> dict[str, float]:
        """The part of the last hour's requests that failed."""
        with self._one:
            self._follow(now_us)
            ended: Counter[str] = Counter()
            failed: Counter[str] = Counter()
            for _, counts in self._counts:
                for (model, actor, fine), number in counts.items():
                    key = {Scope.ALL: "", Scope.MODEL: model, Scope.ACTOR: actor}[scope]
                    ended[key] += number
                    failed[key] += 0 if fine else number
        return {key: failed[key] / number for key, number in ended.items()}

    def _of(self, scope: Scope, now_us: int) -> Iterable[tuple[str, list[Ended]]]:
        with self._one:
            self._follow(now_us)
            since_us, key = now_us - FIVE_MINUTES_US, _KEY[scope]
            found: defaultdict[str, list[Ended]] = defaultdict(list)
            for one in self._ended:
                if since_us < one.at_us <= now_us:
                    found[key(one)].append(one)
        return found.items()

    def _follow(self, now_us: int) -> None:
        with asking_directly(self._readers) as connection:
            if self._seen is None:
                self._seen = connection.execute(_BEFORE, (now_us - HOUR_US,)).fetchone()[0]
            while rows := connection.execute(_NEW, (self._seen, _CHUNK)).fetchall():
                for row in rows:
                    self._take(*row[1:])
                self._seen = rows[-1][0]
        while self._counts and self._counts[0][0] <= now_us - HOUR_US:
            self._counts.popleft()

    def _take(  # noqa: PLR0917 - the columns of a row
        self,
        actor: str,
        model: str,
        started_us: int,
        duration_ms: int,
        ttft_ms: int | None,
        tokens: int,
        outcome: str,
        requests: int,
    ) -> None:
        ms = duration_ms / max(1, requests)
        at_us = started_us + round(ms * 1000)
        self._count(at_us, (model, actor, outcome in _FINE), requests)
        generating = ms - ttft_ms if ttft_ms is not None else ms
        self._ended.append(Ended(at_us, model, actor, ms, generating, tokens / max(1, requests)))

    def _count(self, at_us: int, key: tuple[str, str, bool], requests: int) -> None:
        bucket = at_us - at_us % BUCKET_US
        if not self._counts or self._counts[-1][0] < bucket:
            self._counts.append((bucket, Counter()))
        self._counts[-1][1][key] += requests  # rows come in the order in which they ended


def _p95(values: list[float]) -> float:
    """The smallest value that 95 of 100 do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-95 * len(ordered) // 100) - 1)]
