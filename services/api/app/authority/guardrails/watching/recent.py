"""What happened within the last hour, counted from the ledger's events as they are written.

Each look reads only what was appended since the one before, so that counting at a decision costs
what happened meanwhile. The bodies answer: an index that is behind or altered changes nothing.
"""

import threading
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Engine

from app.authority.guardrails.values import Scope
from app.authority.ledger.writing import asking_directly
from app.evidence.vocabulary import Kind

HOUR_US: Final = 3_600_000_000
EVICTED: Final = "evicted for "
"""How the reason of an unload begins that made room."""

_SIZE: Final = "SELECT COALESCE(MAX(seq), 0) FROM ledger_event"
_BODIES: Final = "SELECT seq, body FROM ledger_event WHERE seq > ? ORDER BY seq LIMIT ?"
_BACKWARDS: Final = "SELECT seq, body FROM ledger_event WHERE seq <= ? ORDER BY seq DESC LIMIT ?"
_CHUNK: Final = 2_000
_MOST: Final = 500_000
"""Events that are read back at most when the server starts."""

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Happening:
    """`times`: how many it stands for; floods are counted in one event."""

    at_us: int
    what: str
    model: str
    actor: str
    times: int = 1


def _failed(body: Body) -> bool:
    return bool(body["outcome"] == "failed")


def _evicted(body: Body) -> bool:
    return bool(body["outcome"] == "unloaded") and str(body["data"].get("reason")).startswith(
        EVICTED
    )


def _deletion(body: Body) -> bool:
    return bool(body["data"].get("act") == "model_delete")


_COUNTED: Final[Mapping[str, tuple[str, Callable[[Body], bool]]]] = {
    str(Kind.LOAD_OUTCOME): ("load_failures", _failed),
    str(Kind.UNLOAD_OUTCOME): ("evictions", _evicted),
    str(Kind.REFUSAL): ("blocked_attempts", lambda _: True),
    str(Kind.ASK_MADE): ("deletes_asked", _deletion),
}
"""By the kind of event: the primitive it counts for, and when it does."""

COUNTED: Final = frozenset(name for name, _ in _COUNTED.values())


def happening(content: bytes) -> Happening | None:
    """What an event counts for; None for nothing, or where its body cannot be read."""
    try:
        body = orjson.loads(content)
        name, counts = _COUNTED[body["kind"]]
        if not counts(body):
            return None
        times = body["data"].get("count", 1)
        actor, subject = body["actor"]["id"], body["subject"]
        return Happening(body["ts_utc_us"], name, subject, actor, max(1, int(times)))
    except (ValueError, LookupError, TypeError, AttributeError):
        return None


class Recent:
    """Every method may be called from any thread."""

    def __init__(self, readers: Engine) -> None:
        self._readers = readers
        self._one = threading.Lock()
        self._seen: int | None = None
        self._held: deque[Happening] = deque()

    def counts(self, what: str, scope: Scope, now_us: int) -> dict[str, int]:
        """How often it happened within the hour before `now_us`, by model or key; by "" for all.

        Raises AuditUnavailable.
        """
        with self._one:
            self._follow(now_us)
            since_us = now_us - HOUR_US
            found: Counter[str] = Counter({"": 0} if scope is Scope.ALL else {})
            for one in self._held:
                if one.what == what and since_us < one.at_us <= now_us:
                    found[_key(one, scope)] += one.times
            return dict(found)

    def _follow(self, now_us: int) -> None:
        with asking_directly(self._readers) as connection:
            if self._seen is None:
                self._held, self._seen = _read_back(connection, now_us - HOUR_US)
            while rows := connection.execute(_BODIES, (self._seen, _CHUNK)).fetchall():
                self._held.extend(filter(None, (happening(body) for _, body in rows)))
                self._seen = rows[-1][0]
        while self._held and self._held[0].at_us <= now_us - HOUR_US:
            self._held.popleft()


def _key(one: Happening, scope: Scope) -> str:
    return {Scope.ALL: "", Scope.MODEL: one.model, Scope.ACTOR: one.actor}[scope]


def _read_back(connection: Any, since_us: int) -> tuple[deque[Happening], int]:
    """Backwards from the newest event to the first that is too old."""
    size: int = connection.execute(_SIZE).fetchone()[0]
    held: deque[Happening] = deque()
    at = size
    while at > max(0, size - _MOST):
        rows = connection.execute(_BACKWARDS, (at, _CHUNK)).fetchall()
        held.extendleft(filter(None, (happening(body) for _, body in rows)))
        at -= len(rows)
        if not rows or orjson.loads(rows[-1][1])["ts_utc_us"] < since_us:
            break
    return held, size
