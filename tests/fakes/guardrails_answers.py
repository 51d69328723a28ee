"""What a server says of its guardrails."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.authority_http import Asked

Json = dict[str, Any]

NOW_US = 1_790_000_000_123_456
HASH = "3f9c2b" + "0" * 58
INTENT = "Alert when blocked attempts rise sharply and are above 10"
LEAF = {"primitive": "blocked_attempts", "primitive_version": 1, "scope": "all"}
RISES: Json = {
    **LEAF,
    "strategy": "change",
    "strategy_version": 1,
    "params": {"direction": "increase", "value": 1.0, "window": 3600},
}
ABOVE: Json = {
    **LEAF,
    "strategy": "threshold",
    "strategy_version": 1,
    "params": {"direction": "above", "value": 10},
}


def _candidate(source: str, strategy: str | None, won: bool, why: str) -> Json:
    return {"source": source, "strategy": strategy, "won": won, "why": why}


def _chosen(name: str, value: Any, source: str, why: str) -> Json:
    return {"name": name, "value": value, "source": source, "why": why}


TRACE: Json = {
    "clauses": [
        {
            "path": "when.0",
            "candidates": [
                _candidate("user_explicit", None, False, "no strategy was named"),
                _candidate("primitive_hint", "z_score", False, "the mapping says another"),
                _candidate("mapping_rule", "change", True, "`rise` is a change, upwards"),
            ],
            "severity": {
                "words": ["sharply"],
                "said": "high",
                "shifts": {"a shared machine": -1},
                "bias": "shifted",
                "tier": "medium",
            },
            "parameters": [
                _chosen("direction", "increase", "mapping_rule", "`rise`"),
                _chosen("value", 1.0, "primitive_hint", "tier medium"),
                _chosen("window", 3600, "global_default", "defaults/windows/change"),
            ],
        },
        {
            "path": "when.1",
            "candidates": [_candidate("user_explicit", "threshold", True, "a number was given")],
            "severity": {
                "words": [],
                "said": "medium",
                "shifts": {},
                "bias": "explicit",
                "tier": "medium",
            },
            "parameters": [_chosen("value", 10, "user_explicit", "`above 10`")],
        },
    ],
    "reads": ["primitives/blocked_attempts/priors/change/medium"],
    "words": "alert when blocked attempts rise sharply and are above 10",
}
COMPILED: Json = {
    "intent": INTENT,
    "action": "alert",
    "points": ["tick"],
    "sentence": "Alert when blocked attempts rose by more than 100 % in 1 h, and are above 10.",
    "condition": {"operator": "AND", "operands": [RISES, ABOVE], "version": 1},
    "trace": TRACE,
    "ir": {"nodes": []},
    "ir_hash": "ab" * 32,
    "binding_hash": "cd" * 32,
    "guardrails": {"version": 1, "hash": HASH},
}
TASK: Json = {
    **{k: v for k, v in COMPILED.items() if k not in ("trace", "ir", "condition")},
    "id": "blocked-attempts",
    "version": 2,
    "bound_us": NOW_US,
    "bound_by": "system",
    "ask": None,
    "affected": True,
    "state": "bound",
}
SHOWN: Json = {
    **TASK,
    "condition": COMPILED["condition"],
    "trace": TRACE,
    "ir": {},
    "history": [
        {"version": 2, "guardrails": 2, "bound_us": NOW_US, "bound_by": "p-1", "ask": "0badcafe"},
        {"version": 1, "guardrails": 1, "bound_us": NOW_US, "bound_by": "system", "ask": None},
    ],
}
VERSION: Json = {
    "version": 1,
    "hash": HASH,
    "form": "yaml",
    "note": "As shipped.",
    "loaded_us": NOW_US,
    "loaded_by": "system",
    "active": True,
    "activated_us": NOW_US,
    "tasks": 4,
}
KEY = "primitives/blocked_attempts/priors/change/high"
ERRORS: list[Json] = [
    {"line": 3, "column": 5, "path": "strategies/changes", "message": "There is no strategy."},
    {"line": 9, "column": 1, "path": "", "message": "An alias is not allowed."},
]
DELTA: Json = {
    "from": 1,
    "to": 2,
    "changed": [KEY],
    "affected": ["blocked-attempts", "other"],
    "unaffected": ["known-sources"],
    "tasks": [
        {
            "id": "blocked-attempts",
            "result": "changed",
            "why": "",
            "before": RISES,
            "after": RISES,
            "delta": [
                {"what": "when.0.value", "before": 1.0, "after": 0.5},
                {"what": "when.0.window", "before": 3600, "after": None},
            ],
            "impact": {
                "days": 30,
                "evaluations": 1200,
                "before": 3,
                "after": 243,
                "per_day": "+8.0",
                "notes": ["Less than a day was recorded: the estimate says little."],
            },
        },
        {
            "id": "other",
            "result": "unclear",
            "why": "No value for `change` at the tier low.",
            "before": None,
            "after": None,
            "delta": [],
            "impact": None,
        },
    ],
}
DECISION: Json = {
    "id": "0a1b2c3d4e5f" + "0" * 52,
    "seq": 7,
    "at_us": NOW_US,
    "point": "load",
    "subject": "lab/a",
    "actor": "key:0123abcd",
    "outcome": "block",
    "fired": ["verified-formats"],
}
REPLAYED: Json = {"checked": 9, "identical": 9, "different": [], "missing": []}
ANSWERS: Json = {
    "POST check": {"ok": True, "hash": HASH, "errors": [], "changed": [KEY]},
    "POST compile": COMPILED,
    "POST versions": {
        "version": 2,
        "hash": HASH,
        "changed": [KEY],
        "affected": ["blocked-attempts"],
        "loaded": True,
    },
    "GET versions": {"versions": [VERSION], "active": 1, "next": None},
    "GET versions/2": {**VERSION, "version": 2, "active": False, "activated_us": None},
    "GET versions/1": {**VERSION, "document": "version: 1\nname: shipped\n"},
    "GET diff": {
        "from": 1,
        "to": 2,
        "changes": [
            {"key": KEY, "before": 1.0, "after": 0.5},
            {"key": "domain/sets/known_sources", "before": None, "after": ["lmx", "lab"]},
        ],
        "affected": ["blocked-attempts"],
    },
    "GET tasks": {"tasks": [TASK]},
    "GET tasks/blocked-attempts": SHOWN,
    "POST recompile": DELTA,
    "GET decisions": {"decisions": [DECISION], "next": "6"},
    "GET decisions/0a1b2c": {
        **DECISION,
        "record": {},
        "sentences": [
            "verified-formats blocks: model_format is other, which is none of gguf, safetensors.",
            "large-models did not fire: insufficient_history.",
        ],
    },
    "POST replay": REPLAYED,
}


def answering(asked: Asked) -> Any:
    """Every answer of a server, in round numbers."""
    return ANSWERS[_asked(asked)]


def but(changed: Mapping[str, Json]) -> Callable[[Asked], Any]:
    """The usual answers, but for those of these methods and paths, as ANSWERS has them."""

    def answer(asked: Asked) -> Any:
        return (ANSWERS | changed)[_asked(asked)]

    return answer


def _asked(asked: Asked) -> str:
    return f"{asked.method} {asked.path.removeprefix('/authority/guardrails/')}"
