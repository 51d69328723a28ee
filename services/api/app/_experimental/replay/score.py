"""Taking advice in a replay, and counting what came of it."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from app._experimental.replay.memory import Memory
from app.domain.advice.proposals import Kind, Proposal

SOON_S: Final = 2 * 3_600
"""An advised load is a hit where its model was asked for within two hours."""
LATER_S: Final = 24 * 3_600
"""An unload was wrong where its model had to be loaded again within a day."""

ORDER: Final = (Kind.UNPIN, Kind.UNLOAD, Kind.PIN, Kind.LOAD)
"""What has effect in a replay; room is made first. Everything else is counted, and does nothing."""


class Taken:
    """Takes every proposal at once, and follows what was loaded and unloaded because of it."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._loaded: dict[str, int] = {}
        self._unloaded: dict[str, int] = {}
        self.count: Counter[str] = Counter()

    def take(self, proposals: Sequence[Proposal], known: frozenset[str], at_s: int) -> None:
        """Proposals for models that are not there do nothing."""
        self.count["proposals"] += len(proposals)
        for kind in ORDER:
            for proposal in proposals:
                if proposal.kind is kind and proposal.target in known:
                    self._do(kind, proposal.target, at_s)

    def used(self, model: str, at_s: int, *, cold: bool) -> None:
        """A request, after it: of what was advised before, this is what came."""
        loaded_s = self._loaded.pop(model, None)
        if loaded_s is not None:
            if cold:
                self.count["wrong"] += 1
            elif at_s - loaded_s <= SOON_S:
                self.count["hits"] += 1
        unloaded_s = self._unloaded.pop(model, None)
        if unloaded_s is not None and cold and at_s - unloaded_s <= LATER_S:
            self.count["wrong"] += 1

    def end(self) -> None:
        """Loads that were never used, and whose model has left, were wrong."""
        self.count["wrong"] += sum(model not in self._memory.used_at for model in self._loaded)

    def _do(self, kind: Kind, model: str, at_s: int) -> None:
        memory = self._memory
        match kind:
            case Kind.PIN:
                memory.pinned.add(model)
            case Kind.UNPIN:
                memory.pinned.discard(model)
            case Kind.UNLOAD:
                if memory.unload(model):
                    self.count["advised_unloads"] += 1
                    self._unloaded[model] = at_s
            case Kind.LOAD:
                if model not in memory.used_at and memory.load(model, at_s):
                    self.count["advised_loads"] += 1
                    self.count["wrong"] += self._loaded.pop(model, None) is not None
                    self._unloaded.pop(model, None)
                    self._loaded[model] = at_s
            case _:
                raise AssertionError(f"{kind} is not in ORDER")
