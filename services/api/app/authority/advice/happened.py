"""What the ledger has of models and of refusals, counted for advice; read from its index.

Who asked is read nowhere. Of refusals the index has no code, so their bodies are read, each once.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median_low
from typing import Final

import orjson

from app.authority.guardrails.watching.recent import EVICTED
from app.authority.ledger.writing import DriverConnection
from app.evidence.vocabulary import Kind

DAY_US: Final = 86_400_000_000
LOADED: Final = "loaded"
FAILED: Final = "failed"

_LOADS: Final = (
    "SELECT ended.model, ended.outcome, ended.ts_utc_us - begun.ts_utc_us"
    " FROM ledger_index AS ended JOIN ledger_index AS begun ON begun.seq = ended.intent_seq"
    " WHERE ended.kind = ? AND ended.outcome IN (?, ?) AND ended.ts_utc_us >= ?"
)
_EVICTIONS: Final = (
    "SELECT model, count(*) FROM ledger_index WHERE kind = ? AND outcome = 'unloaded'"
    " AND ts_utc_us >= ? AND substr(reason, 1, length(?)) = ? GROUP BY model"
)
_REFUSALS: Final = (
    "SELECT seq, ts_utc_us, body FROM ledger_index JOIN ledger_event USING (seq)"
    " WHERE kind = ? AND seq > ? AND ts_utc_us >= ? ORDER BY seq LIMIT ?"
)
_CHUNK: Final = 2_000


@dataclass(slots=True)
class Happened:
    """To one model. `load_ms`: of each load that went well, from its intent to its end."""

    loads: int = 0
    load_failures: int = 0
    evictions: int = 0
    load_ms: list[int] = field(default_factory=list)

    @property
    def median_load_ms(self) -> int | None:
        return median_low(self.load_ms) if self.load_ms else None


def happened(connection: DriverConnection, since_us: int) -> Mapping[str, Happened]:
    """By the model's id; of one to which nothing happened, nothing."""
    found: defaultdict[str, Happened] = defaultdict(Happened)
    loads = connection.execute(_LOADS, (str(Kind.LOAD_OUTCOME), LOADED, FAILED, since_us))
    for model, outcome, took_us in loads:
        of = found[model]
        of.loads += outcome == LOADED
        of.load_failures += outcome == FAILED
        if outcome == LOADED and took_us >= 0:  # else the clock was set back meanwhile
            of.load_ms.append(took_us // 1000)
    about = (str(Kind.UNLOAD_OUTCOME), since_us, EVICTED, EVICTED)
    for model, times in connection.execute(_EVICTIONS, about):
        found[model].evictions = times
    return found


class Refusals:
    """Refusals by day and code. What was read stays counted. Not for several threads at once."""

    def __init__(self) -> None:
        self._seen = 0
        self._counts: Counter[tuple[int, str]] = Counter()

    def since(
        self, connection: DriverConnection, since_us: int
    ) -> tuple[tuple[int, str, int], ...]:
        """Days since 1970 (UTC) from the one of that moment on, code, how many; in that order."""
        first_day = since_us // DAY_US
        about = str(Kind.REFUSAL)
        while rows := connection.execute(
            _REFUSALS, (about, self._seen, first_day * DAY_US, _CHUNK)
        ).fetchall():
            for _, at_us, body in rows:
                code, times = _refused(body)
                self._counts[at_us // DAY_US, code] += times
            self._seen = rows[-1][0]
        for key in [key for key in self._counts if key[0] < first_day]:
            del self._counts[key]
        return tuple((*key, self._counts[key]) for key in sorted(self._counts))


def _refused(body: bytes) -> tuple[str, int]:
    """The code, and how many refusals the event stands for; `damaged`, 1 where nobody can say."""
    try:
        data = orjson.loads(body)["data"]
        return str(data["code"]), max(1, int(data.get("count", 1)))
    except (ValueError, LookupError, TypeError, AttributeError):
        return "damaged", 1
