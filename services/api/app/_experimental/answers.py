"""Reading what a language model answered: JSON of exactly one schema, or nothing. Pure."""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from app._experimental import wording

MOST: Final = 5
"""Suggestions in an answer."""
LONGEST_ANSWER: Final = 32_768
"""Characters; 1,000 tokens are well under that."""
LONGEST_REASON: Final = 300
LARGEST_CONTEXT: Final = 1 << 30
_REQUIRED: Final = frozenset(("kind", "model", "reason", "confidence"))
_OPTIONAL: Final = frozenset(("context",))


@dataclass(frozen=True, slots=True)
class Suggested:
    """What a model suggested: known kind, known model; `reason` is one visible line of its text."""

    kind: str
    model: str
    reason: str
    confidence: int
    context: int | None


def schema_of(kinds: Sequence[str], models: Sequence[str]) -> dict[str, Any]:
    """What the answer is held to while it is written, where the engine can."""
    item = {
        "type": "object",
        "properties": {
            "kind": {"enum": [str(kind) for kind in kinds]},
            "model": {"enum": list(models)},
            "reason": {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON},
            "confidence": {"type": "integer", "minimum": 0, "maximum": 100},
            "context": {"type": "integer", "minimum": 1, "maximum": LARGEST_CONTEXT},
        },
        "required": sorted(_REQUIRED),
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"proposals": {"type": "array", "items": item, "maxItems": MOST}},
        "required": ["proposals"],
        "additionalProperties": False,
    }


def read_answer(text: str, kinds: Iterable[str], models: Collection[str]) -> tuple[Suggested, ...]:
    """Every suggestion, or none where the text is not JSON of the schema from end to end."""
    if len(text) > LONGEST_ANSWER:
        return ()
    try:
        plain = json.loads(text, object_pairs_hook=_object)
        return _suggestions(plain, frozenset(map(str, kinds)), frozenset(models))
    except (ValueError, RecursionError):
        return ()


# --- private: each raises ValueError where it is not as the schema says ------------------------


def _suggestions(
    plain: object, kinds: frozenset[str], models: frozenset[str]
) -> tuple[Suggested, ...]:
    if not isinstance(plain, dict) or plain.keys() != {"proposals"}:
        raise ValueError("not an object of proposals")
    items = plain["proposals"]
    if not isinstance(items, list) or len(items) > MOST:
        raise ValueError("not a short list")
    return tuple(_suggestion(item, kinds, models) for item in items)


def _suggestion(item: object, kinds: frozenset[str], models: frozenset[str]) -> Suggested:
    if not isinstance(item, dict) or not _REQUIRED <= item.keys() <= _REQUIRED | _OPTIONAL:
        raise ValueError("not a suggestion")
    context = item.get("context")
    return Suggested(
        kind=_one_of(item["kind"], kinds),
        model=_one_of(item["model"], models),
        reason=_reason(item["reason"]),
        confidence=_number(item["confidence"], 0, 100),
        context=None if "context" not in item else _number(context, 1, LARGEST_CONTEXT),
    )


def _one_of(value: object, known: frozenset[str]) -> str:
    if isinstance(value, str) and value in known:
        return value
    raise ValueError("not a known name")


def _reason(value: object) -> str:
    if isinstance(value, str) and (reason := wording.visible(value, LONGEST_REASON)):
        return reason
    raise ValueError("no reason that can be seen")


def _number(value: object, least: int, most: int) -> int:
    """A whole number; a boolean is none."""
    if isinstance(value, int) and not isinstance(value, bool) and least <= value <= most:
        return value
    raise ValueError("not a whole number within its bounds")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object that says a thing twice may mean either."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key twice")
    return found
