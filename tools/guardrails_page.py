"""docs/primitives.md, from the registries; and the worked intents of docs/guardrails.md, from
the file that the compiler's tests hold them to."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from app.authority.guardrails.document.reading import read
from app.authority.guardrails.primitives import PRIMITIVES, Primitive
from app.authority.guardrails.strategies.base import DATA_QUALITY, Parameter, Reason
from app.authority.guardrails.strategies.registry import COMPATIBLE, STRATEGIES
from app.authority.guardrails.values import Point, Scope

INTRODUCTION = """
# What guardrails can watch, and how they judge it

How to use it is in [guardrails.md](guardrails.md). Which words of an intent stand for which of
these is in the document in force: `lmx guardrails show`.
"""

SUBJECT = """
Read at the act. Their history, where a strategy needs one, is what was read at earlier decisions at
the same point.
"""

SYSTEM = "Sampled on the tick and kept; they can be read on the tick and at every act."

JUDGING = """
All comparisons are strict: equal is neither above nor below. What a strategy looks at lies within
its window before the evaluation, and nothing after it. `percentile` and `z_score` need 20 numbers.
"""

REASONS = """
What is met has a reason only where it is special. Those marked * say that the data is neither yes
nor no: the condition is not met, and within `and`, `or`, `not` what comes of it is unknown too,
unless the other operands decide.
"""

_ROOT = Path(__file__).resolve().parent.parent
_GUIDE = _ROOT / "docs" / "guardrails.md"
_WORKED = _ROOT / "tests" / "unit" / "guardrails" / "worked_intents.json"
_BEGIN = "<!-- Written by `make docs` from worked_intents.json. Do not edit. -->"
_END = "<!-- The end of what is written. -->"
_WORDS_BEGIN = "<!-- Written by `make docs` from config/guardrails.yaml. Do not edit. -->"
_SHIPPED = _ROOT / "config" / "guardrails.yaml"
_MOST_VALUES = 6

_REASONS: Final[Mapping[Reason, str]] = {
    Reason.NULL_INPUT: "there was nothing to read",
    Reason.INSUFFICIENT_HISTORY: "there is too little history yet, as after an installation",
    Reason.ZERO_VARIANCE: "all of the history is one number, so nothing is far from it",
    Reason.THRESHOLD_ZERO: "the top or bottom 0 % are nobody",
    Reason.NO_MATCH: "it was read and compared, and is not so",
    Reason.CHANGE_FROM_ZERO: "it was 0 and is not any more: met, where the direction is right",
    Reason.UNKNOWN_LABEL: "what was read is none of the values that there are",
}


def page() -> str:
    about = [each for each in PRIMITIVES.values() if each.about_subject]
    system = [each for each in PRIMITIVES.values() if not each.about_subject]
    parts = [
        INTRODUCTION.strip(),
        "## About what an act is about",
        SUBJECT.strip(),
        _primitives(about),
        "## About the whole system",
        SYSTEM,
        _primitives(system),
        "## Strategies",
        JUDGING.strip(),
        _strategies(),
        "## Which goes with which",
        _compatible(),
        "## Why a condition was not met",
        REASONS.strip(),
        _reasons(),
    ]
    return "\n\n".join(parts)


def _primitives(known: list[Primitive]) -> str:
    lines = ["| name | type | unit | what it is | read from | at | for each |", "|" + "---|" * 7]
    lines += [
        f"| `{one.name}` | {_type(one)} | {one.unit or '-'} | {one.meaning} | {one.source} "
        f"| {_points(one)} | {_scopes(one)} |"
        for one in known
    ]
    return "\n".join(lines)


def _type(one: Primitive) -> str:
    labels = f": {', '.join(one.labels)}" if one.labels else ""
    return f"`{one.type}`{labels}"


def _points(one: Primitive) -> str:
    return "everywhere" if one.points == tuple(Point) else ", ".join(map(str, one.points))


def _scopes(one: Primitive) -> str:
    names = {Scope.MODEL: "model", Scope.ACTOR: "key"}
    return ", ".join(names[scope] for scope in one.scopes if scope in names) or "-"


def _strategies() -> str:
    lines = ["| strategy | met when | parameters |", "|---|---|---|"]
    for name, strategy in STRATEGIES.items():
        known = strategy.signature.parameters
        parameters = "; ".join(_parameter(each, known[each]) for each in known)
        version = strategy.signature.version
        lines.append(f"| `{name}` {version} | {strategy.signature.meaning} | {parameters} |")
    return "\n".join(lines)


def _parameter(name: str, known: Parameter) -> str:
    choices = f" ({', '.join(known.choices)})" if known.choices else ""
    return f"`{name}`{choices}{_range(known)}: {known.meaning}"


def _range(known: Parameter) -> str:
    if known.type != "number":
        return ""
    low = f"above {known.exclusive_minimum:g}" if known.exclusive_minimum is not None else ""
    low = low or (f"from {known.minimum:g}" if known.minimum is not None else "")
    high = f"to {known.maximum:g}" if known.maximum is not None else ""
    return f" ({' '.join(part for part in (low, high) if part)})" if low or high else ""


def _compatible() -> str:
    lines = ["| type | strategies |", "|---|---|"]
    for kind, names in COMPATIBLE.items():
        lines.append(f"| `{kind}` | {', '.join(f'`{name}`' for name in sorted(names))} |")
    return "\n".join(lines)


def _reasons() -> str:
    lines = ["| reason | |", "|---|---|"]
    for reason, meaning in _REASONS.items():
        lines.append(f"| `{reason}`{' *' if reason in DATA_QUALITY else ''} | {meaning} |")
    if missing := set(Reason) - _REASONS.keys():
        raise TypeError(f"these reasons have no words yet: {sorted(missing)}")
    return "\n".join(lines)


# --- the worked intents of docs/guardrails.md -----------------------------------------------


def guide() -> str:
    """The page as it is, with the words that ship and the worked intents as they are now."""
    worked = json.loads(_WORKED.read_text("utf-8"))
    shown = "\n\n".join(_worked(number, one) for number, one in enumerate(worked, start=1))
    text = _between(_GUIDE.read_text("utf-8"), _WORDS_BEGIN, _vocabulary())
    return _between(text, _BEGIN, shown)


def _between(text: str, mark: str, shown: str) -> str:
    before, begin, rest = text.partition(mark)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise TypeError(f"{_GUIDE.name} has no place for what is written: {mark} {_END}")
    return f"{before}{mark}\n\n{shown}\n\n{_END}{after}"


def _vocabulary() -> str:
    """Every phrase of the document that ships, by what it stands for."""
    document = read(_SHIPPED.read_text("utf-8"), "yaml").document
    rows = [(f"`{name}`", said.words) for name, said in document.actions.items()]
    rows += [(f"before a `{name}`", said.words) for name, said in document.points.items()]
    rows += [(f"severity {tier}", words) for tier, words in document.severity.words.items()]
    rows.append(("severity high, whatever else", document.severity.urgent))
    for name, guide in document.primitives.items():
        rows.append((f"`{name}`", guide.words))
        rows += [(f"`{name}`: a set", tuple(guide.terms))] if guide.terms else []
    mapped: dict[str, list[str]] = {}
    for phrase, one in document.mappings.items():
        about = f"; alone, of `{one.primitive}`" if one.primitive else ""
        side = f" {one.direction}" if one.direction else ""
        mapped.setdefault(f"`{one.strategy}`{side}{about}", []).append(phrase)
    rows += [(meaning, tuple(phrases)) for meaning, phrases in mapped.items()]
    lines = ["| what it stands for | phrases |", "|---|---|"]
    return "\n".join([*lines, *(f"| {meaning} | {', '.join(words)} |" for meaning, words in rows)])


def _worked(number: int, one: Mapping[str, Any]) -> str:
    expected = one["expect"]
    lines = [f"**{number}. {one['title']}.**"]
    lines += [
        f"With `{key}: {_value(value)}` in the document:" for key, value in one["changes"].items()
    ]
    lines += [f"```text\n{one['intent']}\n```", f"Means: {expected['sentence']}"]
    lines.append("\n".join(_clause(clause) for clause in expected["clauses"]))
    return "\n\n".join(lines)


def _clause(clause: Mapping[str, Any]) -> str:
    """A part of the condition: what judges, and where each of its numbers is from."""
    each = "; ".join(
        f"`{name}` {_value(chosen['value'])} (`{chosen['from']}`)"
        for name, chosen in clause["parameters"].items()
    )
    tier = f"tier {clause['tier']}, bias {clause['bias']}"
    return (
        f"* `{clause['path']}`: `{clause['strategy']}` (`{clause['from']}`) of "
        f"`{clause['primitive']}`; {tier}; {each}"
    )


def _value(value: Any) -> str:
    if not isinstance(value, list):
        return str(value).lower() if isinstance(value, bool) else str(value)
    more = ["..."] if len(value) > _MOST_VALUES else []
    return f"[{', '.join([*map(str, value[:_MOST_VALUES]), *more])}]"
