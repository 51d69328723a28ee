"""A change of any one leaf of the document that changes a resolution is in its trace.

Every leaf of a document is changed, one after another, under intents that together use all of it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Any, Final

import pytest

from app.authority.guardrails.affected import (
    Affected,
    Change,
    Watched,
    changed_phrases,
    vocabulary,
)
from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.compiler.structured import intent_of
from app.authority.guardrails.document.model import Guardrails
from app.authority.guardrails.document.normal_form import changed_keys
from app.authority.guardrails.values import Intent, Resolution
from app.domain.refusals import GuardrailViolated, IntentUnclear
from tests.unit.guardrails.documents import REMOVED, SMALL, changed, guardrails_of

ABOVE: Final = {"strategy": "threshold", "direction": "above"}
USED: Final = changed(
    SMALL,
    {
        "application_context/instructions": ["Give early warning.", "Few alerts, be cautious."],
        "application_context/preferred": ["percentile"],
        "constraints": {
            "on_bounds_exceeded": "clamp",
            "max_conditions": 2,
            "disallowed_strategies": [],
            "disallowed_primitives": [],
            "minimum_versions": {"threshold": 1},
        },
        "parameters/z_score": {"threshold": {"min": 1, "max": 2.5}, "window": {"min": 60}},
        "preferences/discouraged": ["equals"],
        "preferences/default": "change",
        "primitives/blocked_attempts/discouraged": ["percentile", "threshold", "z_score"],
        "primitives/latency/discouraged": ["percentile"],
        "primitives/error_rate/bounds": {"percentile": {"min": 1, "max": 15}},
        "primitives/model_publisher/words": ["publisher", "from"],
        "mappings/large/primitive": "model_size",
        "mappings/larger than": ABOVE | {"primitive": "model_size"},
        "mappings/not seen within": ABOVE | {"primitive": "days_since_verified"},
    },
)
ADDED: Final[dict[str, Any]] = {
    "bias_rules/warning": 2,
    "strategies/z_score/enabled": False,
    "strategies/change/enabled": False,
    "primitives/error_rate/worse": "below",
    "primitives/model_licence": REMOVED,
    "mappings/sharply up": {"strategy": "z_score"},
    "primitives/latency/preferred": ["z_score"],
    "primitives/latency/priors/z_score": {"medium": 1.5, "low": 1.2},
    "primitives/memory_pressure/priors/change/medium": REMOVED,
    "primitives/blocked_attempts/windows/change": "3h",
    "primitives/blocked_attempts/bounds/change": {"min": 0.9},
    "primitives/model_size/bounds/threshold": {"max": 5},
    "primitives/model_format": REMOVED,
    "parameters/threshold": {"value": {"max": 1}},
    "parameters/change/window": {"max": 60},
    "domain/sets/safe": ["other"],
    "constraints/minimum_versions/equals": 2,
    "constraints/minimum_versions/composite": 2,
    "severity/words/low": ["slightly", "rises"],
}
TEXTS: Final = (
    "Alert when blocked attempts rise and are above 10",
    "Alert when memory pressure rises slightly",
    "Alert when error rate is critical",
    "Alert when latency is unusual",
    "Alert when latency is very unusual",
    "Alert when headroom drops within 2 hours",
    "Block pulls from unknown sources unless size is large",
    "Block loading when format is unverified",
    "Ask for approval before loading a model whose size is above 5 GB",
    "Alert when headroom is large",
    "Alert when latency is very large",
    "Alert urgently when latency spikes",
    "Block loading when on demand",
    "Alert when blocked attempts are critical",
    "Block loading large models",
    "Block loading models larger than 20 GB",
    "Block loading a model not seen within 90 days",
    "Block loading gguf models",
    "Block pulls from mlx-community",
    "Block loading a model whose format is unverified or large",
    "Alert when somebody has more than 5 blocked attempts in an hour",
)
STRUCTURES: Final[tuple[dict[str, Any], ...]] = (
    {"action": "alert", "when": {"primitive": "latency", "severity": ["high"]}},
    {"action": "block", "when": {"primitive": "model_format", "term": "verified"}},
    {"action": "block", "when": {"not": {"primitive": "model_size", "severity": ["slightly"]}}},
    {
        "action": "block",
        "when": {"primitive": "model_licence", "strategy": "equals", "params": {"values": ["mit"]}},
    },
    {"action": "alert", "when": {"primitive": "error_rate", "mapping": "drops"}},
)
pytestmark = pytest.mark.slow

OTHERS: Final[Mapping[str, tuple[Any, ...]]] = {
    "severity/default": ("low", "high"),
    "preferences/default": ("percentile", "z_score", "equals"),
    "strategy": ("z_score", "threshold", "percentile"),
    "direction": ("above", "increase", "decrease", "any", REMOVED),
    "worse": ("above", "below"),
    "on_bounds_exceeded": ("reject",),
    "primitive": ("model_memory", "days_since_verified", "latency", REMOVED),
    "one_of": ("safe", "known"),
    "none_of": ("safe", "known"),
}


def leaves(section: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{above}{key}/")
        else:
            yield f"{above}{key}", value


def instead_of(path: str, value: Any) -> tuple[Any, ...]:
    if isinstance(value, bool):
        return (not value,)
    if isinstance(value, int | float):
        return (value * 2, value / 10 if isinstance(value, float) else value - 1)
    if isinstance(value, list):
        known = ["change", "percentile"] if path.endswith(("preferred", "discouraged")) else []
        named = ["equals", "threshold", "composite"] if path.endswith("strategies") else []
        named += ["latency", "model_size"] if path.endswith("disallowed_primitives") else []
        if path.endswith("words"):
            return (["anything"], [*value, "latency", "above 10"])
        return (value[1:], value[::-1], [*known, *value], *([each] for each in named))
    if path.split("/")[-2] == "windows":
        return ("2d", REMOVED)
    return OTHERS.get(path, OTHERS.get(path.rsplit("/", maxsplit=1)[-1], ()))


@cache
def variants() -> tuple[tuple[str, Guardrails, Change], ...]:
    """The document with one thing changed, in every way; and what the change is."""
    base = guardrails_of(USED)
    spoken = vocabulary(base.document)
    asked = [(path, other) for path, value in leaves(USED) for other in instead_of(path, value)]
    asked += [(path, None) for path, _ in leaves(USED) if "/priors/" in path]
    asked += [(path, REMOVED) for path, _ in leaves(USED) if path.startswith(("bias", "mapp"))]
    found = []
    for leaf, value in [*asked, *ADDED.items()]:
        if leaf.endswith("version"):
            continue
        whole = leaf.startswith("mappings/") and value is REMOVED
        path = leaf.removesuffix("/strategy") if whole else leaf
        after = guardrails_of(changed(USED, {path: value}))
        difference = Change(
            changed_keys(base.document, after.document),
            changed_phrases(spoken, vocabulary(after.document)),
        )
        found.append((f"{path}: {value}", after, difference))
    return tuple(found)


def compiled(intent: str | Intent, guardrails: Guardrails) -> Resolution | None:
    try:
        return replace(resolve(intent, guardrails), guardrails="")
    except (IntentUnclear, GuardrailViolated):
        return None


GIVEN: Final[tuple[str | dict[str, Any], ...]] = (*TEXTS, *STRUCTURES)


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.faults)])
@pytest.mark.parametrize("at", range(len(GIVEN)), ids=lambda at: str(GIVEN[at]))
def test_no_change_that_counts_escapes_the_trace(at: int, every: int) -> None:
    """A sample takes a fourth of the changes for each intent; four intents together, all."""
    given = GIVEN[at]
    base = guardrails_of(USED)
    intent = given if isinstance(given, str) else intent_of(given, base)
    before = compiled(intent, base)
    assert before is not None, "the intent compiles, or else nothing is tested"
    task = Affected([Watched("task", before.trace.reads, before.trace.words)])
    counted = 0
    for change, after, difference in variants()[at % every :: every]:
        if compiled(intent, after) != before:
            counted += 1
            assert task.by(difference), change
    assert counted > 0 or every > 1


@pytest.mark.parametrize("given", TEXTS)
def test_changes_elsewhere_do_not_concern_an_intent(given: str) -> None:
    """Most changes are about something else, and the trace says so: it is not everything."""
    before = compiled(given, guardrails_of(USED))
    assert before is not None
    task = Affected([Watched("task", before.trace.reads, before.trace.words)])
    concerned = [change for change, _, difference in variants() if task.by(difference)]
    assert len(concerned) < len(variants()) / 3
