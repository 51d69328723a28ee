"""What goes to and fro between an advisor and whoever runs it. Pure.

An advisor is a generator over a snapshot: it yields proposals, and questions to a model, whose
answers are sent back into it.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from app.domain.advice.proposals import Proposal
from app.domain.advice.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Question:
    """Asked of a local model by whoever runs the advisor; the answer is JSON of this schema."""

    prompt: str
    schema: Mapping[str, Any]
    max_tokens: int = 1_000


@dataclass(frozen=True, slots=True)
class Answer:
    """`text` is None where there was none; then `why` says why."""

    text: str | None
    why: str = ""


Advice = Generator[Proposal | Question, Answer | None, None]
"""What is sent into it is the answer to the question that was yielded, else None."""


class Advisor(Protocol):
    """`assumes` and `sure` are for people: what it takes for granted, how it states confidence."""

    @property
    def name(self) -> str: ...
    @property
    def assumes(self) -> str: ...
    @property
    def sure(self) -> str: ...

    def advise(self, snapshot: Snapshot) -> Advice: ...
