"""What an operator sees at a glance: who uses which model, what waits, what was refused last.

Every question looks at a bounded number of rows, whatever the age of the log, so that a screen that
asks every second costs a server nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, text

from app.authority.approvals.transitions import State
from app.authority.auditing.ports import AskedLedger
from app.authority.ledger import reading
from app.authority.ledger.stored import StoredEvent
from app.authority.ports import Clock
from app.evidence.vocabulary import Kind

RECENT_S: Final = 900
"""Whoever asked a model in this time uses it."""
BUSY_S: Final = 60
"""Tokens and requests are those that began in this time."""
LAST: Final = 3
_ROWS: Final = 500
_SECOND_US: Final = 1_000_000

_USERS: Final = text(
    "SELECT recent.model_id, recent.actor, key.name, sum(recent.requests) AS requests,"
    " max(recent.started_us) AS last_us"
    " FROM (SELECT * FROM usage ORDER BY id DESC LIMIT :rows) AS recent"
    " LEFT JOIN access_key AS key ON recent.actor = 'key:' || key.id"
    " WHERE recent.started_us >= :since_us"
    " GROUP BY recent.model_id, recent.actor ORDER BY requests DESC, recent.actor"
)
_BUSY: Final = text(
    "SELECT model_id, sum(requests) AS requests, sum(completion_tokens) AS tokens"
    " FROM (SELECT * FROM usage ORDER BY id DESC LIMIT :rows) AS recent"
    " WHERE started_us >= :since_us GROUP BY model_id"
)


_WAITING: Final = text("SELECT count(*), min(created_us) FROM ask WHERE state = :state")


@dataclass(frozen=True, slots=True)
class Glance:
    """Asked from any thread."""

    ledger: AskedLedger
    clock: Clock

    def __call__(self) -> dict[str, Any]:
        """Return plain values; raises AuditUnavailable where the database cannot be read.

        `users`: by model, who asked it within RECENT_S, most requests first (`name`: of the key,
        None without one). `lately`: by model, requests and tokens that began within BUSY_S.
        `approvals`: how many nobody has decided, and since when the oldest waits. `refusals` and
        `restored`: the newest of each. Times are UTC in microseconds.
        """
        now_us = self.clock.utc_us()
        with self.ledger.answering() as connection:
            pending, oldest_us = connection.execute(_WAITING, {"state": str(State.PENDING)}).one()
            return {
                "users": _by_model(_since(connection, _USERS, now_us - RECENT_S * _SECOND_US)),
                "lately": {
                    "seconds": BUSY_S,
                    "models": {
                        row["model_id"]: {"requests": row["requests"], "tokens": row["tokens"]}
                        for row in _since(connection, _BUSY, now_us - BUSY_S * _SECOND_US)
                    },
                },
                "approvals": {"pending": pending, "oldest_us": oldest_us},
                "refusals": [_refusal(one) for one in _newest(connection, Kind.REFUSAL)],
                "restored": [
                    {"seq": one.seq, "ts_utc_us": one.ts_utc_us}
                    for one in _newest(connection, Kind.STATE_RESTORED)
                ],
            }


def _since(connection: Connection, query: Any, since_us: int) -> Sequence[Any]:
    return connection.execute(query, {"rows": _ROWS, "since_us": since_us}).mappings().all()


def _by_model(rows: Sequence[Any]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        said = dict(row)
        found.setdefault(said.pop("model_id"), []).append(said)
    return found


def _newest(connection: Connection, kind: Kind) -> list[StoredEvent]:
    return reading.events(connection, {"kind": str(kind)}, 0, LAST, newest_first=True)


def _refusal(event: StoredEvent) -> dict[str, Any]:
    data = event.fields.get("data")
    code = data.get("code") if isinstance(data, dict) else None
    return {
        "seq": event.seq,
        "ts_utc_us": event.ts_utc_us,
        "actor": event.actor,
        "subject": event.subject,
        "code": code,
    }
