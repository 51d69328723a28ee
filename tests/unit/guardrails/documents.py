"""Documents to compile under, in code: small, so that a test does not depend on the shipped file.

A change is a path and what stands there then: ``{"severity/default": "low"}``.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter

from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.compiler.saying import sentence
from app.authority.guardrails.document.model import Document, Guardrails
from app.authority.guardrails.document.normal_form import document_hash
from app.authority.guardrails.document.reading import read
from app.authority.guardrails.values import Composite, Condition, Leaf, Resolution

SHIPPED: Final = Path("config/guardrails.yaml")
REMOVED: Final = object()
ADAPTER: Final = TypeAdapter(Document)

SMALL: Final[dict[str, Any]] = {
    "version": 1,
    "strategies": {
        name: {"version": 1}
        for name in ("threshold", "percentile", "z_score", "change", "equals", "composite")
    },
    "type_compatibility": {
        "float": ["threshold", "percentile"],
        "int": ["threshold", "percentile"],
        "time_series<float>": ["threshold", "percentile", "z_score", "change"],
        "time_series<int>": ["threshold", "percentile", "z_score", "change"],
        "string": ["equals"],
        "categorical": ["equals"],
        "boolean": ["equals"],
        "decision<boolean>": ["composite"],
    },
    "parameters": {"change": {"value": {"min": 0.01, "max": 10}}},
    "severity": {
        "words": {"low": ["slightly"], "medium": ["clearly"], "high": ["sharply", "very"]},
        "urgent": ["urgently", "critical"],
        "default": "medium",
    },
    "actions": {
        "alert": {"words": ["alert", "tell"]},
        "require_approval": {"words": ["ask for approval", "ask"]},
        "block": {"words": ["block", "refuse"]},
    },
    "points": {
        "load": {"words": ["load", "loading"]},
        "pull": {"words": ["pull", "pulls", "pulling"]},
        "delete": {"words": ["delete", "deletes"]},
        "purge": {"words": ["purge"]},
        "rebind": {"words": ["rebind"]},
    },
    "primitives": {
        "model_size": {
            "words": ["size"],
            "preferred": ["threshold"],
            "priors": {"threshold": {"low": 10e9, "medium": 40e9, "high": 100e9}},
            "bounds": {"threshold": {"min": 0, "max": 1e13}},
        },
        "model_format": {
            "words": ["format"],
            "terms": {"unverified": {"none_of": "safe"}, "verified": {"one_of": "safe"}},
        },
        "model_licence": {"words": ["licence"]},
        "model_publisher": {
            "words": ["publisher"],
            "terms": {"unknown sources": {"none_of": "known"}, "unknown": {"none_of": "known"}},
        },
        "model_source": {"words": ["source"]},
        "on_demand": {"words": ["on demand"]},
        "bytes_freed": {"words": ["bytes freed"]},
        "days_since_verified": {"words": ["days since verified"]},
        "memory_pressure": {
            "words": ["memory pressure"],
            "priors": {
                "threshold": {"low": 0.75, "medium": 0.85, "high": 0.95},
                "change": {"low": 0.1, "medium": 0.25, "high": None},
            },
            "bounds": {"threshold": {"min": 0.1, "max": 1}},
            "windows": {"change": "15m"},
        },
        "memory_headroom": {
            "words": ["headroom"],
            "worse": "below",
            "priors": {"threshold": {"low": 8e9, "medium": 4e9, "high": 2e9}},
        },
        "error_rate": {"words": ["error rate"]},
        "latency": {
            "words": ["latency"],
            "priors": {"threshold": {"low": 5, "medium": 15, "high": 60}},
        },
        "blocked_attempts": {
            "words": ["blocked attempts"],
            "priors": {"threshold": {"low": 5, "medium": 10, "high": 30}},
        },
    },
    "mappings": {
        "rise": {"strategy": "change", "direction": "increase"},
        "rises": {"strategy": "change", "direction": "increase"},
        "drops": {"strategy": "change", "direction": "decrease"},
        "spikes": {"strategy": "z_score", "direction": "above"},
        "unusual": {"strategy": "z_score", "direction": "any"},
        "large": {"strategy": "threshold", "direction": "above"},
    },
    "application_context": {"instructions": ["The machine is shared."], "preferred": []},
    "bias_rules": {"early warning": -1, "cautious": -1, "few alerts": 1, "quiet": 2},
    "preferences": {"preferred": ["threshold", "z_score"], "default": "threshold"},
    "defaults": {
        "priors": {
            "percentile": {"low": 20, "medium": 10, "high": 5},
            "z_score": {"low": 2, "medium": 3, "high": 4},
            "change": {"low": 0.25, "medium": 0.5, "high": 1},
        },
        "windows": {"percentile": "30d", "z_score": "7d", "change": "1h"},
    },
    "domain": {"sets": {"safe": ["safetensors", "gguf"], "known": ["lmx", "mlx-community"]}},
}


def small(changes: Mapping[str, Any] | None = None) -> Guardrails:
    """The small document, changed."""
    return guardrails_of(changed(SMALL, changes or {}))


def shipped(changes: Mapping[str, Any] | None = None) -> Guardrails:
    """What `config/guardrails.yaml` says, changed."""
    document = read(SHIPPED.read_text("utf-8"), "yaml").document
    return guardrails_of(changed(asdict(document), changes or {}))


def guardrails_of(plain: Mapping[str, Any]) -> Guardrails:
    document = ADAPTER.validate_json(json.dumps(plain))
    return Guardrails(document, document_hash(document))


def changed(plain: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    found = deepcopy(dict(plain))
    for path, value in changes.items():
        *above, last = path.split("/")
        section = found
        for step in above:
            section = section.setdefault(step, {})
        if value is REMOVED:
            section.pop(last, None)
        else:
            section[last] = value
    return found


# --- a resolution as plain values -------------------------------------------------------------


def compiled(text: str, guardrails: Guardrails) -> dict[str, Any]:
    return told(resolve(text, guardrails))


def told(resolution: Resolution) -> dict[str, Any]:
    """All that an operator sees of a resolution: what was compiled, and where it comes from."""
    leaves = dict(leaves_of(resolution.condition, "when"))
    return {
        "action": resolution.intent.action.value,
        "points": [point.value for point in resolution.intent.points],
        "sentence": sentence(resolution),
        "joined": joined(resolution.condition, "when"),
        "clauses": [
            {
                "path": trace.path,
                "primitive": leaves[trace.path].primitive,
                "scope": leaves[trace.path].scope.value,
                "strategy": leaves[trace.path].strategy,
                "from": next(each.source.value for each in trace.candidates if each.won),
                "parameters": {
                    each.name: {
                        "value": list(each.value) if isinstance(each.value, tuple) else each.value,
                        "from": each.source.value,
                    }
                    for each in trace.parameters
                },
                "said": trace.severity.said.value,
                "bias": trace.severity.bias,
                "tier": trace.severity.tier.value,
            }
            for trace in resolution.trace.clauses
        ],
    }


def leaves_of(condition: Condition, path: str) -> list[tuple[str, Leaf]]:
    if isinstance(condition, Leaf):
        return [(path, condition)]
    if isinstance(condition, Composite):
        return [
            leaf
            for place, operand in enumerate(condition.operands)
            for leaf in leaves_of(operand, f"{path}.{place}")
        ]
    return []


def joined(condition: Condition, path: str) -> str:
    """``AND(when.0, NOT(when.1.0))``."""
    if isinstance(condition, Composite):
        parts = [joined(each, f"{path}.{at}") for at, each in enumerate(condition.operands)]
        return f"{condition.operator.value}({', '.join(parts)})"
    return path
