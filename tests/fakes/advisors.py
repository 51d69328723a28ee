"""Running an advisor here, without a wall: its questions are answered by the test."""

import json
from collections.abc import Callable
from typing import Any

from app.domain.advice.frames import Advisor, Answer, Question
from app.domain.advice.proposals import Proposal
from app.domain.advice.snapshot import Snapshot


def advised(
    advisor: Advisor, facts: Snapshot, answer: Callable[[Question], Answer] | None = None
) -> list[Proposal]:
    """Everything that it proposes. A question that the test has no answer to is a fault."""
    found: list[Proposal] = []
    advice = advisor.advise(facts)
    sent: Answer | None = None
    while True:
        try:
            one = advice.send(sent)
        except StopIteration:
            return found
        sent = None
        if isinstance(one, Proposal):
            found.append(one)
        else:
            assert answer is not None, f"{advisor.name} asked: {one.prompt[:80]}"
            sent = answer(one)


def said(kind: str, model: str, **changes: Any) -> dict[str, Any]:
    """A suggestion as a language model writes it."""
    plain = {"kind": kind, "model": model, "reason": "It is idle.", "confidence": 40}
    return {**plain, **changes}


def answer(*items: Any) -> str:
    return json.dumps({"proposals": items})
