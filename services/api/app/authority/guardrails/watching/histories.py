"""What was read before, in memory: one series of numbers for each thing that was read.

Filled at start from what decisions recorded, as far back as any condition looks, and kept up with
by each decision. It is a copy: the records are what counts, and each holds what was made of this.
"""

import threading
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, overload

from app.authority.guardrails.strategies.base import Observation

S_US: Final = 1_000_000
LEAST_S: Final = 2 * 3600
"""Kept in any case: what a rule that is bound next looks at first."""


class _Series:
    """Times and values, the oldest first. `generation`: of all histories, when it last changed."""

    __slots__ = ("at_us", "generation", "values")

    def __init__(self) -> None:
        self.generation = 0
        self.at_us = array("q")
        self.values = array("d")

    def add(self, at_us: int, value: float) -> None:
        if not self.at_us or at_us > self.at_us[-1]:
            self.at_us.append(at_us)
            self.values.append(value)
            return
        place = bisect_left(self.at_us, at_us)  # the clock was set back, or it is a second reading
        if self.at_us[place] == at_us:
            self.values[place] = value
            return
        self.at_us.insert(place, at_us)
        self.values.insert(place, value)

    def forget(self, before_us: int) -> None:
        gone = bisect_left(self.at_us, before_us)
        del self.at_us[:gone]
        del self.values[:gone]


class Past(Sequence[Observation]):
    """A part of a series as it was when it was asked for."""

    __slots__ = ("_at_us", "_values")

    def __init__(self, at_us: "array[int]", values: "array[float]") -> None:
        self._at_us = at_us
        self._values = values

    def __len__(self) -> int:
        return len(self._at_us)

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> "Past": ...
    def __getitem__(self, index: int | slice) -> "Observation | Past":
        if isinstance(index, slice):
            return Past(self._at_us[index], self._values[index])
        return Observation(self._at_us[index], self._values[index])

    def __iter__(self) -> Iterator[Observation]:
        return map(Observation, self._at_us, self._values)


_NOTHING: Final = Past(array("q"), array("d"))


class Histories:
    """Every method may be called from any thread."""

    def __init__(self) -> None:
        self._series: dict[str, _Series] = {}
        self._one = threading.Lock()
        self._generation = 0

    def of(self, series: str, since_us: int, before_us: int) -> Sequence[Observation]:
        """What was read from `since_us` on and before `before_us`, the oldest first."""
        with self._one:
            held = self._series.get(series)
            if held is None:
                return _NOTHING
            first, last = bisect_left(held.at_us, since_us), bisect_left(held.at_us, before_us)
            return Past(held.at_us[first:last], held.values[first:last])

    def mark(self, series: str, since_us: int, before_us: int) -> tuple[int, int, int]:
        """What differs where `of` would give something else; nothing is copied."""
        with self._one:
            held = self._series.get(series)
            if held is None:
                return 0, 0, 0
            first, last = bisect_left(held.at_us, since_us), bisect_left(held.at_us, before_us)
            return held.generation, first, last

    def add(self, at_us: int, read: Iterable[tuple[str, float]]) -> None:
        """What was read at a moment, by series."""
        with self._one:
            self._generation += 1
            for name, value in read:
                series = self._series.setdefault(name, _Series())
                series.add(at_us, value)
                series.generation = self._generation

    def forget(self, before_us: int) -> None:
        """Let go of what no condition looks back to."""
        with self._one:
            self._generation += 1
            for name, series in tuple(self._series.items()):
                series.forget(before_us)
                series.generation = self._generation
                if not series.at_us:
                    del self._series[name]
