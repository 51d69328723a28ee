"""The only place that keeps text of answers: for named keys, for a while, until it is deleted.

Everybody sees their own alone: another key's response does not exist.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Engine

from app.authority.ledger.writing import emptied_log
from app.authority.permissions import Access, Permission, grant
from app.authority.ports import Clock
from app.domain.actors import ANONYMOUS, Actor
from app.domain.refusals import ResponseNotFound

_HOUR_US: Final = 3_600_000_000
_LOG_TRIES: Final = 3
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Keeping:
    """What the operator allows: the names of keys, and for how long."""

    keys: frozenset[str]
    hours: int


@dataclass(frozen=True, slots=True)
class KeptResponse:
    """One response: what the client was told, what it had sent, and the conversation after it.

    `messages` are without instructions, which a later request brings anew.
    """

    body: Mapping[str, Any]
    input: Sequence[Mapping[str, Any]]
    messages: Sequence[Mapping[str, Any]]


class Responses:
    """Every method may be called from any thread. All but `sweep` ask for a grant first."""

    def __init__(self, engine: Engine, clock: Clock, keeping: Keeping, access: Access) -> None:
        self._engine = engine
        self._clock = clock
        self._keeping = keeping
        self._access = access

    def keeps_for(self, actor: Actor) -> bool:
        return actor.id != ANONYMOUS.id and actor.name in self._keeping.keys

    def keep(
        self,
        actor: Actor,
        response_id: str,
        body: Mapping[str, Any],
        sent: Sequence[Mapping[str, Any]],
        messages: Sequence[Mapping[str, Any]],
    ) -> None:
        """Keep it until its time is over. Raises ResponseNotFound where nothing is kept."""
        self._allowed(actor)
        now = self._clock.utc_us()
        values = {
            "id": response_id,
            "actor": actor.id,
            "created_us": now,
            "expires_us": now + self._keeping.hours * _HOUR_US,
            "body": json.dumps(body),
            "input": json.dumps(list(sent)),
            "messages": json.dumps(list(messages)),
        }
        with self._engine.begin() as connection:
            connection.exec_driver_sql(_INSERT, values)

    def get(self, actor: Actor, response_id: str) -> KeptResponse:
        """Raises ResponseNotFound, also where nothing is kept."""
        self._allowed(actor)
        values = {"id": response_id, "actor": actor.id, "now": self._clock.utc_us()}
        with self._engine.connect() as connection:
            row = connection.exec_driver_sql(_SELECT, values).first()
        if row is None:
            raise _not_found(response_id)
        return KeptResponse(*(json.loads(text) for text in row))

    def delete(self, actor: Actor, response_id: str) -> None:
        """Its text is overwritten, in the log too. Raises ResponseNotFound."""
        self._allowed(actor)
        values = {"id": response_id, "actor": actor.id, "now": self._clock.utc_us()}
        with self._engine.begin() as connection:
            if not connection.exec_driver_sql(_DELETE, values).rowcount:
                raise _not_found(response_id)
        self._empty_log()

    def sweep(self) -> int:
        """Delete what is over, whoever may still keep responses; returns how many."""
        with self._engine.begin() as connection:
            gone = connection.exec_driver_sql(_SWEEP, {"now": self._clock.utc_us()})
        if gone.rowcount:
            self._empty_log()
        return gone.rowcount

    def _empty_log(self) -> None:
        """SQLite's write-ahead log still holds the pages that were overwritten."""
        if not any(emptied_log(self._engine) for _ in range(_LOG_TRIES)):
            _LOG.error("a deleted response may be in lmx.db-wal until the server is restarted")

    def _allowed(self, actor: Actor) -> None:
        grant(actor, Permission.INFER, access=self._access)
        if not self.keeps_for(actor):
            raise ResponseNotFound(
                "Responses are not kept for this key, so there is none to refer to. Send the "
                "whole conversation in `input`; an operator can allow it under `responses` in "
                "config.yaml.",
                param="previous_response_id",
            )


def _not_found(response_id: str) -> ResponseNotFound:
    return ResponseNotFound(
        f"No response {response_id[:80]!r} is kept for this key: it never was, it was deleted, or "
        "its time is over.",
        param="previous_response_id",
    )


_INSERT = (
    "INSERT INTO kept_response (id, actor, created_us, expires_us, body, input, messages) "
    "VALUES (:id, :actor, :created_us, :expires_us, :body, :input, :messages)"
)
_SELECT = (
    "SELECT body, input, messages FROM kept_response "
    "WHERE id = :id AND actor = :actor AND expires_us > :now"
)
_DELETE = "DELETE FROM kept_response WHERE id = :id AND actor = :actor AND expires_us > :now"
_SWEEP = "DELETE FROM kept_response WHERE expires_us <= :now"
