"""The memory of a server that loads what is asked for and unloads what was used longest ago."""

from collections.abc import Mapping
from typing import Final

NEVER: Final = 0


class Memory:
    """Which models are in memory, least recently used first.

    Room is made as the server makes it (`authority.lifecycle.eviction`): the least recently used
    models that are not pinned, until there is enough; then those that turn out not to be in the
    way are spared, the most recently used first. With `idle_s`, a model that was not used for so
    long has left.
    """

    def __init__(self, needs: Mapping[str, int], budget_bytes: int, *, idle_s: int = NEVER) -> None:
        self._needs = needs
        self._idle_s = idle_s
        self.free_bytes = budget_bytes
        self.used_at: dict[str, int] = {}
        self.pinned: set[str] = set()
        self.evictions: dict[str, int] = {}

    def use(self, model: str, at_s: int) -> bool:
        """A request: whether the model was in memory. Where it was not it is loaded, if it fits."""
        if self._idle_s:
            self._let_idle_ones_go(at_s)
        if self.used_at.pop(model, None) is None:
            self.load(model, at_s)
            return False
        self.used_at[model] = at_s
        return True

    def load(self, model: str, at_s: int) -> bool:
        """Whether it is in memory now: not where what is pinned leaves too little room."""
        if model in self.used_at:
            return True
        going = self._in_the_way(self._needs[model] - self.free_bytes)
        if going is None:
            return False
        for other in going:
            self.unload(other)
            self.evictions[other] = self.evictions.get(other, 0) + 1
        self.used_at[model] = at_s
        self.free_bytes -= self._needs[model]
        return True

    def unload(self, model: str) -> bool:
        """Whether it was in memory."""
        if self.used_at.pop(model, None) is None:
            return False
        self.free_bytes += self._needs[model]
        return True

    def _in_the_way(self, short_bytes: int) -> list[str] | None:
        going: list[str] = []
        if short_bytes <= 0:
            return going
        for model in self.used_at:
            if model not in self.pinned:
                going.append(model)
                short_bytes -= self._needs[model]
                if short_bytes <= 0:
                    break
        if short_bytes > 0:
            return None
        for model in reversed(tuple(going)):
            if short_bytes + self._needs[model] <= 0:
                going.remove(model)
                short_bytes += self._needs[model]
        return going

    def _let_idle_ones_go(self, at_s: int) -> None:
        idle = []
        for model, used_at in self.used_at.items():
            if at_s - used_at < self._idle_s:
                break
            if model not in self.pinned:
                idle.append(model)
        for model in idle:
            self.unload(model)
