"""Chance that is the same for the same seed, on every machine and in every version of Python.

SplitMix64, written out: `random` brings `os` with it, which advice may not reach.
"""

import math
from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")

_BITS = (1 << 64) - 1


class Dice:
    """A sequence of chances; `seed` may be any text."""

    def __init__(self, seed: str) -> None:
        self._state = 0xCBF29CE484222325
        for byte in seed.encode():  # FNV-1a
            self._state = (self._state ^ byte) * 0x100000001B3 & _BITS

    def fraction(self) -> float:
        """From 0 to 1, 1 left out."""
        self._state = self._state + 0x9E3779B97F4A7C15 & _BITS
        mixed = self._state
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & _BITS
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & _BITS
        return ((mixed ^ mixed >> 31) >> 11) / (1 << 53)

    def chance(self, probability: float) -> bool:
        return self.fraction() < probability

    def between(self, low: int, high: int) -> int:
        """Both ends can come."""
        return low + int(self.fraction() * (high - low + 1))

    def pick(self, items: Sequence[Item]) -> Item:
        return items[int(self.fraction() * len(items))]

    def shuffled(self, items: Sequence[Item]) -> list[Item]:
        left = list(items)
        return [left.pop(int(self.fraction() * len(left))) for _ in range(len(left))]

    def count(self, mean: float) -> int:
        """How often something happens that happens `mean` times on average (Poisson)."""
        limit, product, events = math.exp(-mean), self.fraction(), 0
        while product > limit:
            product *= self.fraction()
            events += 1
        return events

    def seconds(self, count: int) -> list[int]:
        """So many seconds of one hour, in order."""
        return sorted(int(self.fraction() * 3_600) for _ in range(count))
