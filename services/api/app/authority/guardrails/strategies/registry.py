"""The only list of strategies: one file each, one line here."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.authority.guardrails.strategies.base import Strategy
from app.authority.guardrails.strategies.change import Change
from app.authority.guardrails.strategies.composite import Composite
from app.authority.guardrails.strategies.equals import Equals
from app.authority.guardrails.strategies.percentile import Percentile
from app.authority.guardrails.strategies.threshold import Threshold
from app.authority.guardrails.strategies.z_score import ZScore
from app.authority.guardrails.values import ValueType

_ALL: Final[tuple[Strategy, ...]] = (
    Threshold(),
    Percentile(),
    ZScore(),
    Change(),
    Equals(),
    Composite(),
)

VERSIONS: Final[Mapping[tuple[str, int], Strategy]] = MappingProxyType(
    {(each.signature.name, each.signature.version): each for each in _ALL}
)
"""Every version: an old definition is decided by the version that it was compiled to."""

STRATEGIES: Final[Mapping[str, Strategy]] = MappingProxyType(
    {name: VERSIONS[name, version] for name, version in sorted(VERSIONS)}
)
"""The newest version of each."""

COMPATIBLE: Final[Mapping[ValueType, frozenset[str]]] = MappingProxyType(
    {
        kind: frozenset(
            name for name, strategy in STRATEGIES.items() if kind in strategy.signature.input_types
        )
        for kind in ValueType
    }
)
"""Which strategies a value of each type may be given to: the widest; a document may narrow it."""


def strategy(name: str, version: int) -> Strategy:
    """Raises LookupError where this installation has no such version."""
    found = VERSIONS.get((name, version))
    if found is None:
        known = ", ".join(f"{name} {version}" for name, version in sorted(VERSIONS))
        raise LookupError(f"there is no strategy {name} {version}: there are {known}")
    return found
