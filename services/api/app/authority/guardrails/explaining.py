"""Why a recorded decision came out as it did: a sentence for each condition. Pure."""

from typing import Any, Final

from app.authority.guardrails.records import from_bytes
from app.authority.guardrails.replaying import (
    Definitions,
    decided_again,
    missing_definitions,
    replay,
)
from app.authority.guardrails.values import Action, Point
from app.authority.guardrails.verdicts import OUTCOMES

_NOT_MET: Final = len(OUTCOMES)


def explain(record: bytes, definitions: Definitions) -> list[str]:
    """Return why, the deciding sentence first, then the others by what they ask for.

    What was not met is there too, with what was read; and so is what could not be evaluated.
    Where the record does not come out the same again, that is said before all else.

    Raises ValueError where the record is none.
    """
    body = from_bytes(record)
    missing = missing_definitions(body, definitions)
    if missing:
        return missing
    said = [_differs(text) for text in replay(record, definitions).differences]
    try:
        return said + (_sentences(body, definitions) or [_nothing(body)])
    except (KeyError, ValueError, TypeError, IndexError, AttributeError):
        return said  # it says already that the record cannot be decided again


def _sentences(body: Any, definitions: Definitions) -> list[str]:
    asked, _, case = decided_again(body, definitions, all_said=True)
    strictest = OUTCOMES[::-1]
    failing = Action.ALERT if asked.point is Point.TICK else Action.BLOCK
    ranked = [(strictest.index(failing), failure.sentence) for failure in case.failures]
    ranked += [
        (strictest.index(verdict.action) if verdict.triggered else _NOT_MET, verdict.sentence)
        for verdict in case.verdicts
    ]
    return [sentence for _, sentence in sorted(ranked, key=lambda each: each[0])]


def _nothing(body: Any) -> str:
    return f"No condition was asked at {body['point']}."


def _differs(text: str) -> str:
    return f"This record does not come out the same again. {text}"
