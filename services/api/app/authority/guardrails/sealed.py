"""Decisions compared with what the ledger says of them: every hour's, and those that it names.

A `guardrails_digest` event has the SHA-256 over the digests of the rows that it covers; events of
what was decided since (a load, an ask, an alert) name their decision.
"""

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from app.authority.guardrails.watching.decision_store import DecisionStore, Kept
from app.authority.ledger.store import Ledger
from app.authority.ledger.stored import StoredEvent
from app.evidence.vocabulary import Kind

_PAGE: Final = 1000


class _Hour(NamedTuple):
    """What one event says of the rows `first` to `last`."""

    seq: int
    first: int
    last: int
    digest: str


class Seals:
    """Is shown every decision in the order of their numbers; `end` says what is not as it was."""

    def __init__(self, ledger: Ledger, decisions: DecisionStore) -> None:
        self._ledger = ledger
        self._decisions = decisions
        self._hours = list(_hours(ledger))  # before any row is read: what they cover is there
        self._after = self._hours[-1].seq if self._hours else 0
        self._at = 0
        self._hash = hashlib.sha256()
        self._differ: list[str] = []

    def see(self, kept: Kept) -> None:
        while self._at < len(self._hours) and kept.seq > self._hours[self._at].last:
            self._close()
        if self._at < len(self._hours) and kept.seq >= self._hours[self._at].first:
            self._hash.update(f"{kept.digest}\n".encode())

    def end(self) -> list[str]:
        while self._at < len(self._hours):
            self._close()
        return [*self._differ, *self._unkept()]

    def _close(self) -> None:
        hour = self._hours[self._at]
        if hour.first and self._hash.hexdigest() != hour.digest:
            self._differ.append(
                f"decisions {hour.first} to {hour.last}, as event {hour.seq} of the ledger has them"
            )
        self._hash = hashlib.sha256()
        self._at += 1

    def _unkept(self) -> Iterator[str]:
        """What events name that no digest covers yet, and that is not kept."""
        for event in _events(self._ledger, self._after):
            named = decision_of(event.data)
            if named is not None and not self._decisions.find(named):
                yield f"decision {named}, which event {event.seq} of the ledger names"


def decision_of(data: Mapping[str, Any]) -> str | None:
    """The decision that an event names: its own, or its policy's."""
    policy = data.get("policy")
    guardrails = policy.get("guardrails") if isinstance(policy, dict) else None
    named = guardrails.get("decision") if isinstance(guardrails, dict) else data.get("decision")
    return named if isinstance(named, str) else None


def _hours(ledger: Ledger) -> Iterator[_Hour]:
    for event in _events(ledger, 0, Kind.GUARDRAILS_DIGEST):
        said = event.data
        yield _Hour(event.seq, said["first_seq"], said["last_seq"], said["digest"])


def _events(ledger: Ledger, after: int, kind: str | None = None) -> Iterator[StoredEvent]:
    while page := ledger.events(after, _PAGE, kind=kind):
        yield from page
        after = page[-1].seq
