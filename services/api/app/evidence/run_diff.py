"""The only place that compares two runs: what differs, section by section, and in a sentence. Pure.

Answers "why was this blocked when last week's went through?". Two runs are two JSON documents; each
becomes a map from paths to single values, and what differs is what was added, removed or changed in
it. Values of another type differ even where they compare equal. A list is compared by position.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from app.domain.feasibility import gib

MOST: Final = 2_000
"""Differences that are listed; of more there is only the number."""
MAX_SHOWN: Final = 200
"""Characters of a value that are shown."""

SECTIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "decision": ("outcome", "refusal", "count"),
    "policy": ("policy",),
    "feasibility": ("feasibility",),
    "plan": ("plan", "plan_body"),
    "approvals": ("approvals", "ask", "proposal"),
    "versions": ("type", "versions", "boot_id"),
    "inputs": ("act", "subject", "actor", "inputs", "request_id"),
    "effect": ("effect",),
    "timings": ("started_us", "ended_us"),
}
"""Every member of a run, by what it tells; members that nobody knows come last, as `other`."""
OTHER: Final = "other"

Flat = dict[str, Any]
"""From a path, as in `feasibility.budget.budget_bytes` or `policy.rules[0].id`, to a value."""


@dataclass(frozen=True, slots=True)
class Change:
    """`kind` is `added`, `removed` or `changed`; what is not there is None."""

    section: str
    path: str
    kind: str
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        return {
            "section": self.section,
            "path": self.path,
            "change": self.kind,
            "before": shown(self.before),
            "after": shown(self.after),
        }


@dataclass(frozen=True, slots=True)
class Difference:
    """The first `MOST` changes in the order of the sections, and how many more there are."""

    changes: tuple[Change, ...]
    more: int


def difference(a: bytes, b: bytes, *, plans: tuple[bytes, bytes] | None = None) -> Difference:
    """What is different in run `b`. `plans` are the bytes of the plans that both name.

    Raises ValueError for bytes that are no JSON object.
    """
    if _same(a, b):
        return Difference((), 0)
    one, other = document(a), document(b)
    if plans is not None and not _same(*plans):
        one["plan_body"], other["plan_body"] = map(document, plans)
    found: list[Change] = []
    more = 0
    for change in _changes(one, other):
        if len(found) < MOST:
            found.append(change)
        else:
            more += 1
    return Difference(tuple(found), more)


def document(content: bytes) -> dict[str, Any]:
    """The JSON object that these bytes are; ValueError for anything else."""
    found = orjson.loads(content)
    if not isinstance(found, dict):
        raise ValueError("is no JSON object")
    return found


def flattened(document: Mapping[str, Any]) -> Flat:
    """Every single value by its path; an empty list or object is a single value, too."""
    return dict(_members(document))


def applied(flat: Flat, changes: tuple[Change, ...]) -> Flat:
    """`flat` with the changes made in it."""
    made = dict(flat)
    for change in changes:
        if change.kind == "removed":
            del made[change.path]
        else:
            made[change.path] = change.after
    return made


def shown(value: Any) -> Any:
    """A value as it is shown: a long text ends in an ellipsis."""
    if isinstance(value, str) and len(value) > MAX_SHOWN:
        return value[: MAX_SHOWN - 1] + "\u2026"
    return value


def sentences(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    """What explains most, in words, as `budget: 1.20 GiB -> 3.40 GiB`; empty where all is alike."""
    one, other = flattened(a), flattened(b)
    said = []
    for label, path, worded in _TOLD:
        before, after = one.get(path), other.get(path)
        if not _equal(before, after):
            said.append(f"{label}: {_worded(worded, before)} -> {_worded(worded, after)}")
    before, after = _rules_of(a), _rules_of(b)
    if before != after:
        said.append(f"rules: {before} -> {after}")
    return said


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Change]:
    known = {name for names in SECTIONS.values() for name in names}
    others = tuple(sorted((a.keys() | b.keys()) - known))
    for section, names in {**SECTIONS, OTHER: others}.items():
        for name in names:
            one = {name: a[name]} if name in a else {}
            other = {name: b[name]} if name in b else {}
            if orjson.dumps(one) != orjson.dumps(other):
                yield from _compared(section, one, other)


def _compared(section: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Change]:
    one, other = flattened(a), flattened(b)
    for path in sorted(one.keys() | other.keys()):
        if path not in other:
            yield Change(section, path, "removed", one[path], None)
        elif path not in one:
            yield Change(section, path, "added", None, other[path])
        elif not _equal(one[path], other[path]):
            yield Change(section, path, "changed", one[path], other[path])


def _members(document: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, value in document.items():
        yield from _leaves(value, _step(name))


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name in value:
            yield from _leaves(value[name], f"{path}.{_step(name)}")
    elif isinstance(value, list) and value:
        for place, item in enumerate(value):
            yield from _leaves(item, f"{path}[{place}]")
    else:
        yield path, value


def _step(name: str) -> str:
    """A name as part of a path; one that could be taken for more than a name is quoted."""
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _equal(a: Any, b: Any) -> bool:
    return type(a) is type(b) and bool(a == b)


def _same(a: bytes, b: bytes) -> bool:
    return hashlib.sha256(a).digest() == hashlib.sha256(b).digest()


def _rules_of(run: Mapping[str, Any]) -> str:
    """The rules that fired in its decision, by id."""
    policy = run.get("policy")
    rules = policy.get("rules") if isinstance(policy, dict) else None
    named = [str(rule.get("id")) for rule in rules or () if isinstance(rule, dict)]
    return ", ".join(named) or "none"


def _worded(worded: Callable[[Any], str], value: Any) -> str:
    return "none" if value is None else worded(value)


def _bytes(value: Any) -> str:
    return gib(value) if isinstance(value, int) else str(value)


def _text(value: Any) -> str:
    return str(shown(value)) if isinstance(value, str) else json.dumps(value)


_NAME: Final = re.compile(r"[A-Za-z0-9_-]+")
_TOLD: Final[tuple[tuple[str, str, Callable[[Any], str]], ...]] = (
    ("outcome", "outcome", _text),
    ("refusal", "refusal.code", _text),
    ("why", "refusal.message", _text),
    ("act", "act", _text),
    ("subject", "subject", _text),
    ("who", "actor.id", _text),
    ("need", "feasibility.need.total_bytes", _bytes),
    ("budget", "feasibility.budget.budget_bytes", _bytes),
    ("available", "feasibility.budget.available_bytes", _bytes),
    ("policy", "policy.outcome", _text),
    ("model", "inputs.digest", _text),
    ("context", "inputs.context", _text),
    ("slots", "inputs.slots", _text),
    ("pinned", "inputs.pinned", _text),
    ("plan", "plan", _text),
    ("ask", "ask", _text),
    ("release", "versions.lmx", _text),
    ("hard rules", "versions.rules", _text),
    ("mlx", "versions.mlx", _text),
    ("resident", "effect.resident_bytes", _bytes),
    ("freed", "effect.freed_bytes", _bytes),
)
"""What is worth a sentence: its name, where it stands in a run, and how it is worded."""
