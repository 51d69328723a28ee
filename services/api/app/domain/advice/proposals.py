"""What advice may return, and nothing else: proposals. A person accepts one, or nothing happens."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

DAY_S: Final = 86_400


class Kind(StrEnum):
    """What can be proposed; what `target` names, and what `change` holds, is said for each.

    A `change` holds exactly the keys that are named; those with `?` may be left out.
    """

    ROUTE = "route"
    """target: an alias. change: ``{models: [id, ...]}``, in the order in which they are tried."""
    LOAD = "load"
    """target: a model. change: ``{context?, slots?}``."""
    UNLOAD = "unload"
    """target: a model that is in memory."""
    PIN = "pin"
    """target: a model."""
    UNPIN = "unpin"
    """target: a model."""
    DELETE = "delete"
    """target: a model."""
    PULL = "pull"
    """target: ``ORG/NAME`` at the hub. change: ``{revision?}``."""
    TERMS = "terms"
    """target: a model. change: ``{context?, slots?, idle_s?}``, at least one of them."""
    PURGE = "purge"
    """target: ``downloads``, ``caches``, ``orphans`` or ``trash``."""
    GUARDRAIL = "guardrail"
    """target: a task's id. change: ``{intent}``, in words or as structure."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact of the snapshot: the path to it in `as_plain`, and its value there.

    `field`: as in ``("models", "lmx/starter", "last_used_us")``.
    """

    field: tuple[str, ...]
    value: int | str | bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """`confidence`: percent. `predicts`: what would come of it, by a name of PREDICTIONS.

    `assumes`: what has to stay as it is for this to be good advice.
    """

    kind: Kind
    target: str
    reason: str
    assumes: str
    confidence: int
    change: Mapping[str, Any] = field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    predicts: Mapping[str, int] = field(default_factory=dict)
    expires_in_s: int = 7 * DAY_S

    def as_plain(self) -> dict[str, Any]:
        """As JSON has it, and as an advisor writes it."""
        return {
            "kind": str(self.kind),
            "target": self.target,
            "change": dict(self.change),
            "reason": self.reason,
            "assumes": self.assumes,
            "evidence": [{"field": list(one.field), "value": one.value} for one in self.evidence],
            "confidence": self.confidence,
            "predicts": dict(self.predicts),
            "expires_in_s": self.expires_in_s,
        }


PREDICTIONS: Final[Mapping[str, str]] = {
    "cold_starts_avoided": "requests within 7 days that need not wait for a load",
    "cold_starts_caused": "requests within 7 days that will wait for a load because of it",
    "memory_freed_bytes": "memory that becomes free",
    "disk_freed_bytes": "disk that becomes free once it is purged",
    "ttft_p95_ms": "time to the first token at the 95th percentile, within 7 days",
}
"""What can be predicted, and so looked at afterwards."""
