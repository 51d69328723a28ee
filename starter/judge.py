"""The questions kept out of the training text, and what counts as a right answer."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True)
class Question:
    """A question with the facts its answer must hold."""

    ask: str
    all_of: tuple[str, ...] = ()
    any_of: tuple[str, ...] = ()

    def is_answered_by(self, answer: str) -> bool:
        """Whether every fact of `all_of` and at least one of `any_of` stands in the answer."""
        low = answer.lower()
        return all(fact.lower() in low for fact in self.all_of) and (
            not self.any_of or any(fact.lower() in low for fact in self.any_of)
        )


@dataclass(frozen=True)
class QuestionSet:
    """Questions about the product and questions about anything else."""

    on_subject: tuple[Question, ...]
    off_subject: tuple[Question, ...]


# What every off-subject answer must say: who speaks, what it knows, and how to get a real model.
TURNED_AWAY = ("starter model", "LMX Authority", "lmx models import")


def load_questions(path: Path) -> QuestionSet:
    """Read a question file; an entry without facts would always pass, so it is an error."""
    raw: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    on_subject = []
    for entry in raw["on_subject"]:
        question = Question(
            entry["ask"], tuple(entry.get("all_of", ())), tuple(entry.get("any_of", ()))
        )
        if not (question.all_of or question.any_of):
            raise ValueError(f"no facts for {question.ask!r}")
        on_subject.append(question)
    off_subject = [Question(ask, all_of=TURNED_AWAY) for ask in raw["off_subject"]]
    return QuestionSet(tuple(on_subject), tuple(off_subject))


def normalise(text: str) -> str:
    """Lower case letters and digits with single spaces: what makes two questions the same one."""
    return " ".join(re.sub(r"[^a-z0-9]+", " ", text.lower().replace("'", "")).split())
