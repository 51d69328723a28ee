"""The only place that remembers which different reasons the ledger holds, for free text.

A log repeats a few thousand sentences. Reading them once and then only what is new answers a
search for words in milliseconds, and needs no table that an append would have to pay for. What is
known of its times is kept beside them: both are of one index, and forgotten when it is made anew.
"""

import sqlite3
import threading
from typing import Final

from app.authority.ledger.spans import KnownTimes

MOST: Final = 200_000
"""Different reasons that are remembered; a log with more is searched event by event."""
_ANSWERS: Final = 8
"""Searches whose answers are kept while no new reason comes: every page of a search asks again."""

_ALL: Final = (
    "SELECT DISTINCT reason FROM ledger_index INDEXED BY ledger_index_reason "
    "WHERE reason IS NOT NULL LIMIT ?"
)
_NEW: Final = (
    "SELECT DISTINCT reason FROM ledger_index NOT INDEXED "
    "WHERE seq > ? AND reason IS NOT NULL LIMIT ?"
)
_SIZE: Final = "SELECT COALESCE(max(seq), 0) FROM ledger_index"


class Reasons:
    """Every method may be called from any thread."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._folded: dict[str, str] = {}
        self._until = 0
        self.times = KnownTimes()
        self._answers: dict[tuple[str, ...], list[str]] = {}

    def holding(self, connection: sqlite3.Connection, words: tuple[str, ...]) -> list[str] | None:
        """Return the reasons that hold every word; None where there are too many reasons."""
        with self._lock:
            self._read(connection)
            if len(self._folded) > self._most:
                return None
            answer = self._answers.get(words)
            if answer is None:
                if len(self._answers) >= _ANSWERS:
                    self._answers.clear()
                answer = self._answers[words] = self._search(words)
            return list(answer)

    def forget(self) -> None:
        """Read everything again at the next question: the index was made anew."""
        with self._lock:
            self._folded, self._until = {}, 0
            self._answers.clear()
            self.times.forget()

    def _search(self, words: tuple[str, ...]) -> list[str]:
        found = list(self._folded.items())
        for word in sorted(words, key=len, reverse=True):
            found = [pair for pair in found if word in pair[1]]
        return [reason for reason, _ in found]

    def _read(self, connection: sqlite3.Connection) -> None:
        (size,) = connection.execute(_SIZE).fetchone()
        if size <= self._until or len(self._folded) > self._most:
            return
        room = self._most + 1
        asked = (_NEW, (self._until, room)) if self._until else (_ALL, (room,))
        before = len(self._folded)
        for (reason,) in connection.execute(*asked):
            self._folded.setdefault(reason, reason.casefold())
        self._until = size
        if len(self._folded) > before:
            self._answers.clear()
