"""Prompts that were read before: caches of keys and values, found again by their tokens."""

from dataclasses import dataclass
from typing import Any

from app.engines.worker.checkpoints import Checkpoints
from app.engines.worker.remembering import GRAIN, Room
from app.engines.worker.spans import Spans

WORTH_TOKENS = 64
"""So many unread tokens justify a stop while a prompt is read, to remember it up to there."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is remembered of a prompt: `cache` of its first `length` tokens, owned by the taker.

    A prompt with `stop` was seen up to there, but nothing can be cut to that length: whoever reads
    it should put the cache of that beginning, for the next one. 0 means no such place.
    """

    cache: list[Any] | None = None
    length: int = 0
    stop: int = 0


NOTHING = Known()


class Prefixes:
    """Never gives a cache of one scope to another. Used by one thread."""

    def __init__(self, *, limit_bytes: int) -> None:
        self._room = Room(limit_bytes)
        self._scopes: dict[str, Spans | Checkpoints] = {}

    @property
    def wanted(self) -> bool:
        """Whether anything can be remembered at all."""
        return self._room.limit_bytes > 0

    @property
    def held_bytes(self) -> int:
        return self._room.held_bytes

    def take(self, scope: str, tokens: list[int]) -> Known:
        """The longest known beginning of `tokens`, without the last: somebody has to read that."""
        found = self._scopes.get(scope)
        if found is None:
            return NOTHING
        asked = tokens[:-1]
        cache, length = found.take(asked)
        seen = found.seen(asked) if isinstance(found, Checkpoints) else 0
        return Known(cache, length, seen if seen - length >= WORTH_TOKENS else 0)

    def put(self, scope: str, tokens: list[int], cache: list[Any]) -> None:
        """Remember the cache that reading `tokens` left. It is given up: its arrays are moved."""
        if not self.wanted or len(tokens) < GRAIN or not cache:
            return
        kind = Spans if Spans.suits(cache) else Checkpoints
        self._scopes.setdefault(scope, kind(self._room)).put(tokens, cache)
        self._drop_empty()

    def clear(self) -> None:
        """Forget everything, whatever state it is in."""
        self._room = Room(self._room.limit_bytes)
        self._scopes = {}

    def _drop_empty(self) -> None:
        self._scopes = {scope: found for scope, found in self._scopes.items() if found}
