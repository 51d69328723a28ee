"""Remembered caches that cannot be cut after any token: windows that moved on, recurrent states.

Each is held whole, and is of use where all of it is the beginning of a prompt. A window that has
not moved yet can still be cut.
"""

import copy
from itertools import takewhile
from operator import eq
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten, tree_map
from mlx_lm.models.cache import can_trim_prompt_cache, trim_prompt_cache

from app.engines.worker.remembering import GRAIN, Kept, Room

_STRIDE = 256


class Checkpoints:
    """The sequences of one scope."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._all: set[_Checkpoint] = set()

    def __bool__(self) -> bool:
        return bool(self._all)

    def take(self, tokens: list[int]) -> tuple[list[Any] | None, int]:
        """A cache of its own for the longest known beginning of `tokens`, and its length."""
        usable = ((point.usable(common), point) for point, common in self._compared(tokens))
        length, best = max(usable, key=lambda found: found[0], default=(0, None))
        if best is None or length < GRAIN:
            return None, 0
        self._room.touch(best, reused=True)
        cache = copy.deepcopy(best.cache)
        if length < len(best.tokens):
            trim_prompt_cache(cache, len(best.tokens) - length)
        return cache, length

    def seen(self, tokens: list[int]) -> int:
        """How many of `tokens` any known sequence begins with, whether of use or not."""
        return max((common for _, common in self._compared(tokens)), default=0)

    def put(self, tokens: list[int], cache: list[Any]) -> None:
        """Remember `cache` of exactly `tokens`, which is given up."""
        new = _Checkpoint(list(tokens), cache, self._all)
        for point, common in self._compared(tokens):
            if common == len(tokens) and point.usable(common):
                self._room.touch(point)
                return
            if common == len(point.tokens) and new.trimmable:
                new.reused = new.reused or point.reused
                self._room.leave(point)
                point.forget()
        if self._room.make(new.nbytes):
            new.settle()
            self._all.add(new)
            self._room.enter(new)
            self._room.touch(new)

    def _compared(self, tokens: list[int]) -> list[tuple["_Checkpoint", int]]:
        return [(point, _common(point.tokens, tokens)) for point in self._all]


class _Checkpoint(Kept):
    def __init__(self, tokens: list[int], cache: list[Any], siblings: "set[_Checkpoint]") -> None:
        super().__init__(sum(_nbytes(layer) for layer in cache))
        self.tokens = tokens
        self.cache = cache
        self.trimmable = can_trim_prompt_cache(cache)
        self._siblings = siblings

    def usable(self, common: int) -> int:
        """How much of it serves a prompt that begins with `common` of its tokens."""
        return common if self.trimmable or common == len(self.tokens) else 0

    def settle(self) -> None:
        """Copy what is a view of a whole batch's array, which would be held as long as the view."""
        for layer in self.cache:
            layer.state = tree_map(_copied, layer.state)

    def forget(self) -> None:
        self._siblings.discard(self)


def _copied(leaf: Any) -> Any:
    if not isinstance(leaf, mx.array):
        return leaf
    copied = mx.contiguous(leaf)
    mx.eval(copied)
    return copied


def _nbytes(layer: Any) -> int:
    leaves: Any = tree_flatten(layer.state)
    return sum(int(leaf.nbytes) for _, leaf in leaves if isinstance(leaf, mx.array))


def _common(one: list[int], other: list[int]) -> int:
    """How many tokens both begin with; long equal runs are compared at once."""
    start, end = 0, min(len(one), len(other))
    while start < end and one[start : start + _STRIDE] == other[start : start + _STRIDE]:
        start += _STRIDE
    pairs = map(eq, one[start : start + _STRIDE], other[start : start + _STRIDE])
    return min(end, start + sum(1 for _ in takewhile(bool, pairs)))
