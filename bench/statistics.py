"""The arithmetic of the benchmarks: medians and percentiles of repeated runs."""

from collections.abc import Sequence
from statistics import median

__all__ = ["median", "percentile", "spread"]


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all values do not exceed."""
    if not values:
        raise ValueError("A percentile needs at least one value.")
    ordered = sorted(values)
    rank = -(-len(ordered) * percent // 100)
    return ordered[max(0, int(rank) - 1)]


def spread(values: Sequence[float]) -> str:
    """Lowest to highest, for a row's note: says how quiet the machine was."""
    return f"{min(values):.3g} to {max(values):.3g} in {len(values)} runs"
