"""Which of the things remembered are forgotten first: by size and by use."""

from collections.abc import Collection
from itertools import count

GRAIN = 16
"""Fewer tokens than these are read again sooner than their cache is found and joined."""


class Kept:
    """Something remembered that takes memory. `reused`: more than one request had a use for it."""

    def __init__(self, nbytes: int) -> None:
        self.nbytes = nbytes
        self.used = 0
        self.reused = False

    @property
    def is_needed(self) -> bool:
        """Whether something else that is remembered rests on it."""
        return False

    def forget(self) -> None:
        """Let go of it. Called once, and never while it is needed."""
        raise NotImplementedError


class Room:
    """Counts what is held, and makes room for more.

    What was used longest ago goes first. What many requests share has half of the room to itself,
    so that any number of prompts that nobody repeats cannot push it out.
    """

    def __init__(self, limit_bytes: int) -> None:
        self.limit_bytes = limit_bytes
        self.held_bytes = 0
        self._kept: set[Kept] = set()
        self._clock = count(1)

    def enter(self, kept: Kept) -> None:
        self._kept.add(kept)
        self.held_bytes += kept.nbytes

    def leave(self, kept: Kept) -> None:
        self._kept.remove(kept)
        self.held_bytes -= kept.nbytes

    def touch(self, kept: Kept, *, reused: bool = False) -> None:
        kept.used = next(self._clock)
        kept.reused = kept.reused or reused

    def make(self, nbytes: int, *, sparing: Collection[Kept] = ()) -> bool:
        """Forget until `nbytes` more fit, but nothing of `sparing`; whether they do."""
        if nbytes > self.limit_bytes:
            return False
        while self.held_bytes + nbytes > self.limit_bytes:
            victim = self._victim(sparing)
            if victim is None:
                return False
            self.leave(victim)
            victim.forget()
        return True

    def _victim(self, sparing: Collection[Kept]) -> Kept | None:
        free = [kept for kept in self._kept if not kept.is_needed and kept not in sparing]
        if sum(kept.nbytes for kept in self._kept if kept.reused) <= self.limit_bytes // 2:
            free = [kept for kept in free if not kept.reused] or free
        return min(free, key=lambda kept: kept.used, default=None)
