"""What compiling finds wrong: what is unclear, and everything that is not allowed, at once."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NoReturn

from app.domain.refusals import GuardrailViolated, IntentUnclear

LONGEST_ECHO = 60
MOST_CHOICES = 12


def echo(said: str) -> str:
    """What somebody wrote, short enough for a message, in quotes and without control characters."""
    shown = said if len(said) <= LONGEST_ECHO else said[: LONGEST_ECHO - 1] + "…"
    return '"' + "".join(char if char.isprintable() else "�" for char in shown) + '"'


def unclear(question: str, *, where: str, choices: Iterable[str] = ()) -> IntentUnclear:
    """Something that nobody may invent. `choices` are what the answer may be, in their order."""
    offered = list(dict.fromkeys(choices))
    shown = ", ".join(offered[:MOST_CHOICES])
    message = f"{question} Choices: {shown}." if offered else question
    return IntentUnclear(
        message, details={"question": question, "choices": offered, "where": where}
    )


@dataclass(slots=True)
class Findings:
    """Gathered while all of an intent is looked at; what is forbidden is said before all else."""

    violations: list[dict[str, str]] = field(default_factory=list)
    questions: list[IntentUnclear] = field(default_factory=list)

    def violated(self, rule: str, message: str, where: str) -> None:
        found = {"rule": rule, "message": message, "where": where}
        if found not in self.violations:
            self.violations.append(found)

    def asks(self, question: IntentUnclear) -> None:
        self.questions.append(question)

    def settle(self) -> None:
        """Raise what was found.

        Raises:
            GuardrailViolated: with all violations, whatever else is unclear.
            IntentUnclear: the first question.
        """
        if self.violations:
            self._refuse()
        if self.questions:
            raise self.questions[0]

    def _refuse(self) -> NoReturn:
        said = "; ".join(found["message"] for found in self.violations)
        raise GuardrailViolated(
            f"The guardrails do not allow this: {said}.", details={"violations": self.violations}
        )
