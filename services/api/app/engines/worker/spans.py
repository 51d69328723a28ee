"""Remembered keys and values that can be cut after any token: a tree of spans.

Sequences that begin alike share the spans of their beginning, so a system prompt is held once
however many chats follow it. Everything is cut at multiples of `GRAIN` tokens.
"""

from collections.abc import Sequence
from typing import Any

import mlx.core as mx
from mlx_lm.models.cache import KVCache

from app.engines.worker.remembering import GRAIN, Kept, Room

Layer = tuple[mx.array, mx.array]
"""Keys and values of one layer, (1, heads, tokens, width)."""


class Spans:
    """The sequences of one scope."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._first: dict[tuple[int, ...], _Span] = {}

    @staticmethod
    def suits(cache: Sequence[Any]) -> bool:
        return all(type(layer) is KVCache for layer in cache)

    def __bool__(self) -> bool:
        return bool(self._first)

    def take(self, tokens: list[int]) -> tuple[list[Any] | None, int]:
        """A cache of its own for the longest known beginning of `tokens`, and its length."""
        path, rest = self._walk(tokens)
        if not path:
            return None, 0
        for span in path:
            self._room.touch(span, reused=span is not path[-1] or rest == len(span.tokens))
        ends = [len(span.tokens) for span in path[:-1]] + [rest]
        layers = zip(*(span.layers for span in path), strict=True)
        return [_joined(pieces, ends) for pieces in layers], sum(ends)

    def put(self, tokens: list[int], cache: list[Any]) -> None:
        """Remember `cache` of exactly `tokens`, which is given up layer by layer."""
        path, rest = self._walk(tokens)
        if path and rest < len(path[-1].tokens):
            path[-1] = self._split(path[-1], rest)
        for span in path:
            self._room.touch(span)
        start = sum(len(span.tokens) for span in path)
        stop = len(tokens) // GRAIN * GRAIN
        if start < stop and self._room.make(_bytes(cache, stop - start), sparing=path):
            layers = [_cut(layer, start, stop) for layer in cache]
            self._grow(path[-1] if path else None, tokens[start:stop], layers)

    def _walk(self, tokens: list[int]) -> tuple[list["_Span"], int]:
        """The spans that `tokens` begins with, and how far it follows the last of them."""
        path: list[_Span] = []
        branches, start, known = self._first, 0, 0
        while span := branches.get(tuple(tokens[start : start + GRAIN])):
            path.append(span)
            known = _common(span.tokens, tokens[start : start + len(span.tokens)])
            if known < len(span.tokens):
                break
            branches, start = span.branches, start + known
        return path, known

    def _split(self, span: "_Span", at: int) -> "_Span":
        """Divide where two sequences part; the beginning, which both have, is returned."""
        self._room.leave(span)
        beginning = _Span(span.tokens[:at], [], span.siblings, span.parent)
        for number, layer in enumerate(span.layers):
            beginning.layers.append(_copied(layer, 0, at))
            span.layers[number] = _copied(layer, at, len(span.tokens))
        span.siblings[beginning.key] = beginning
        span.tokens, span.siblings, span.parent = span.tokens[at:], beginning.branches, beginning
        beginning.branches[span.key] = span
        for part in (beginning, span):
            part.nbytes = _held(part.layers)
            self._room.enter(part)
        beginning.used, beginning.reused = span.used, True
        return beginning

    def _grow(self, parent: "_Span | None", tokens: list[int], layers: list[Layer]) -> None:
        siblings = parent.branches if parent else self._first
        span = _Span(tokens, layers, siblings, parent)
        siblings[span.key] = span
        self._room.enter(span)
        self._room.touch(span)


class _Span(Kept):
    """Some tokens in a row, what they left in each layer, and what may follow them."""

    def __init__(
        self,
        tokens: list[int],
        layers: list[Layer],
        siblings: dict[tuple[int, ...], "_Span"],
        parent: "_Span | None",
    ) -> None:
        super().__init__(_held(layers))
        self.tokens = tokens
        self.layers = layers
        self.siblings = siblings
        self.parent = parent
        self.branches: dict[tuple[int, ...], _Span] = {}

    @property
    def key(self) -> tuple[int, ...]:
        return tuple(self.tokens[:GRAIN])

    @property
    def is_needed(self) -> bool:
        return bool(self.branches)

    def forget(self) -> None:
        del self.siblings[self.key]


def _common(one: list[int], other: list[int]) -> int:
    """How many tokens both begin with, in whole grains."""
    for start in range(0, len(one), GRAIN):
        if one[start : start + GRAIN] != other[start : start + GRAIN]:
            return start
    return len(one)


def _joined(pieces: Sequence[Layer], ends: Sequence[int]) -> KVCache:
    cache = KVCache()
    cache.keys, cache.values = (
        mx.concatenate(
            [piece[side][:, :, :end] for piece, end in zip(pieces, ends, strict=True)], 2
        )
        for side in (0, 1)
    )
    cache.offset = sum(ends)
    return cache


def _cut(layer: Any, start: int, stop: int) -> Layer:
    """A copy of that part; the rest is let go, so that no two layers are ever held twice."""
    part = _copied((layer.keys, layer.values), start, stop)
    layer.keys = layer.values = None
    return part


def _copied(layer: Layer, start: int, stop: int) -> Layer:
    keys, values = (mx.contiguous(side[:, :, start:stop]) for side in layer)
    mx.eval(keys, values)
    return keys, values


def _bytes(cache: Sequence[Any], tokens: int) -> int:
    sides = (side for layer in cache for side in (layer.keys, layer.values))
    return sum(side.nbytes // side.shape[2] * tokens for side in sides)


def _held(layers: Sequence[Layer]) -> int:
    return sum(side.nbytes for layer in layers for side in layer)
