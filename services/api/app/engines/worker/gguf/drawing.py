"""Draws tokens from llama.cpp's logits, by the same definitions as the MLX engine.

A sequence with a seed has random numbers of its own, one per token, so its tokens are the same
alone and in a batch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.domain.generation import Sampling

Row = NDArray[np.float32]
"""Logits or log probabilities over the vocabulary."""

COLDEST = 1e-4
_UNLIKELY = np.float32(1e-4)  # of the likeliest token's weight


@dataclass(frozen=True, slots=True)
class Draw:
    """How a token is drawn. 1, 0 and 0 for `top_p`, `top_k` and `min_p` leave nothing out."""

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0

    @property
    def is_greedy(self) -> bool:
        return (
            self.temperature < COLDEST or self.top_p <= 0.0 or self.top_k == 1 or self.min_p >= 1.0
        )

    def of(self, asked: Sampling) -> "Draw":
        """What a sequence asked for, else this."""
        return Draw(
            temperature=self.temperature if asked.temperature is None else asked.temperature,
            top_p=self.top_p if asked.top_p is None else asked.top_p,
            top_k=self.top_k if asked.top_k is None else asked.top_k,
            min_p=self.min_p if asked.min_p is None else asked.min_p,
        )


def defaults_of(meta: Callable[[str], str | None]) -> Draw:
    """How the model's makers want it sampled, by the file's ``general.sampling`` keys.

    What is missing or makes no sense changes nothing.
    """

    def within(name: str, low: float, high: float, otherwise: float) -> float:
        try:
            value = float(meta(f"general.sampling.{name}") or "")
        except ValueError:
            return otherwise
        return value if low <= value <= high else otherwise

    return Draw(
        temperature=within("temp", 0.0, 2.0, 1.0),
        top_p=within("top_p", 0.0, 1.0, 1.0),
        top_k=int(within("top_k", 0, 2**31, 0)),
        min_p=within("min_p", 0.0, 1.0, 0.0),
    )


class Sampler:
    """Draws the tokens of one sequence."""

    def __init__(self, draw: Draw, *, seed: int | None) -> None:
        self._draw = draw
        # Not for secrets: whoever knows the seed is meant to get the same tokens.
        self._random = None if draw.is_greedy else np.random.default_rng(_seed(seed))

    def __call__(self, row: Row) -> int:
        """The next token. `row` is logits or log probabilities: only their differences count."""
        if self._random is None:
            return int(row.argmax())
        tokens, weights = kept(row, self._draw)
        ladder = np.cumsum(weights, dtype=np.float64)
        place = int(np.searchsorted(ladder, self._random.random() * ladder[-1], side="right"))
        return int(tokens[min(place, len(tokens) - 1)])


def kept(row: Row, draw: Draw) -> tuple[NDArray[np.int64], Row]:
    """The tokens that may be drawn, in the vocabulary's order, and their weights.

    Temperature first, then what may be drawn at all, as OpenAI has it.
    """
    # The likeliest token moves to 0, so that a low temperature cannot underflow all of them.
    weights = row - row.max()
    weights *= np.float32(1.0 / draw.temperature)
    np.exp(weights, out=weights)
    tokens = np.arange(len(weights))
    for keep in _filters(draw):
        chosen = keep(weights)
        tokens, weights = tokens[chosen], weights[chosen]
    return tokens, weights


def _filters(draw: Draw) -> Iterator[Callable[[Row], NDArray[np.int64]]]:
    """Each tells where in the weights that the one before left are those that stay."""
    if draw.top_k > 0:
        yield lambda weights: _largest(weights, min(draw.top_k, len(weights)))
    if draw.top_p < 1.0:
        yield lambda weights: _largest(weights, _nucleus(weights, draw.top_p))
    if draw.min_p > 0.0:
        yield lambda weights: np.flatnonzero(weights >= draw.min_p)


def _nucleus(weights: Row, share: float) -> int:
    """How many of the likeliest hold `share` of the weight.

    Sorting the whole vocabulary is slow, and nearly always a few tokens hold nearly everything.
    """
    wanted = share * float(weights.sum(dtype=np.float64))
    few = weights[weights > _UNLIKELY]
    ladder = np.cumsum(np.sort(few)[::-1], dtype=np.float64)
    if ladder[-1] < wanted:
        ladder = np.cumsum(np.sort(weights)[::-1], dtype=np.float64)
    return min(int(np.searchsorted(ladder, wanted)) + 1, len(weights))


def _largest(weights: Row, count: int) -> NDArray[np.int64]:
    """Where the `count` largest are, in their order; of equal ones the first."""
    least = np.partition(weights, -count)[-count]
    chosen = weights > least
    equal = np.flatnonzero(weights == least)
    chosen[equal[: count - int(chosen.sum())]] = True
    return np.flatnonzero(chosen)


def log_probabilities(row: Row) -> Row:
    """Natural logarithms; what has no chance is minus infinity."""
    shifted = row - row.max()
    lifted: Row = shifted - np.log(np.exp(shifted, dtype=np.float32).sum())
    return lifted


def _seed(seed: int | None) -> int | None:
    return None if seed is None else seed % 2**64
