"""Interleaved rounds: every side answers once per round, so that a noisy machine hits all alike."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from bench.statistics import median

P = TypeVar("P")
R = TypeVar("R")


def interleaved(
    sides: Mapping[str, Callable[[P], R]], *, prompts: Sequence[P], warm_ups: int
) -> dict[str, list[R]]:
    """One round per prompt, in turns forwards and backwards: A B, B A, A B.

    The first `warm_ups` rounds are not kept.
    """
    kept: dict[str, list[R]] = {name: [] for name in sides}
    for number, prompt in enumerate(prompts):
        order = list(sides)
        for name in order if number % 2 == 0 else reversed(order):
            result = sides[name](prompt)
            if number >= warm_ups:
                kept[name].append(result)
    return kept


def paired_ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of each round's own ratio: what disturbs a whole round cancels out."""
    return median([a / b for a, b in zip(ours, theirs, strict=True)])
