"""Asks the shipped model the kept-out questions and counts right answers. Needs mlx-lm."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from starter.judge import Question, QuestionSet
from starter.places import MODEL

LONGEST_ANSWER = 96


@dataclass(frozen=True)
class Score:
    """How many questions were answered rightly, and what was said to the others."""

    asked: int
    failures: tuple[tuple[str, str], ...]

    @property
    def right(self) -> int:
        """Questions with a right answer."""
        return self.asked - len(self.failures)

    @property
    def share(self) -> float:
        """Right answers over questions."""
        return self.right / self.asked


class StarterModel:
    """The shipped files, loaded as any MLX model is, answering greedily."""

    def __init__(self, directory: Path = MODEL) -> None:
        # Imported here so that training needs no MLX and evaluation no PyTorch.
        from mlx_lm import load

        loaded: Any = load(str(directory))
        self._model, self.tokenizer = loaded[0], loaded[1]

    def answer(self, messages: Sequence[dict[str, Any]]) -> str:
        """The whole answer to a conversation."""
        from mlx_lm import generate

        prompt = self.tokenizer.apply_chat_template(list(messages), add_generation_prompt=True)
        text: str = generate(self._model, self.tokenizer, prompt, max_tokens=LONGEST_ANSWER)
        return text

    def ask(self, question: str) -> str:
        """The answer to a single question."""
        return self.answer([{"role": "user", "content": question}])


def score(model: StarterModel, questions: Sequence[Question]) -> Score:
    """Ask each question on its own."""
    answers = [(question, model.ask(question.ask)) for question in questions]
    failures = [(q.ask, said) for q, said in answers if not q.is_answered_by(said)]
    return Score(len(questions), tuple(failures))


def report(name: str, model: StarterModel, questions: QuestionSet, *, failures: bool) -> None:
    """Print the two scores of a question set, with the failures if they may be looked at."""
    for kind, asked in (("on", questions.on_subject), ("off", questions.off_subject)):
        result = score(model, asked)
        print(f"{name}, {kind} the subject: {result.right} of {result.asked} ({result.share:.0%})")
        for question, said in result.failures if failures else ():
            print(f"  {question}\n    {said}")
