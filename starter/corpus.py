"""The training text: conversations drawn from the facts, the same for the same seed."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from starter.facts import Knowledge, load_knowledge
from starter.judge import load_questions, normalise
from starter.noise import disturb
from starter.places import HELD_OUT, PRACTICE

OTHER_SHARE = 0.3
SYSTEM_SHARE = 0.12


@dataclass(frozen=True)
class Turn:
    """A question and the answer to it."""

    question: str
    answer: str


@dataclass(frozen=True)
class Conversation:
    """One training example."""

    system: str | None
    turns: tuple[Turn, ...]


def kept_out() -> frozenset[str]:
    """The normalised questions that must never be trained on."""
    sets = [load_questions(path) for path in (HELD_OUT, PRACTICE)]
    return frozenset(
        normalise(question.ask)
        for questions in sets
        for question in (*questions.on_subject, *questions.off_subject)
    )


def conversations(seed: int) -> Iterator[Conversation]:
    """An endless stream of conversations, decided by the seed and the text alone."""
    rng = Random(seed)
    knowledge = load_knowledge()
    forbidden = kept_out()
    while True:
        system = rng.choice(knowledge.systems) if rng.random() < SYSTEM_SHARE else None
        turns = tuple(_turn(knowledge, forbidden, rng) for _ in range(_length(rng)))
        yield Conversation(system, turns)


def _length(rng: Random) -> int:
    """Mostly one to three turns; a few long talks, so that late positions are trained too."""
    chance = rng.random()
    if chance < 0.80:
        return 1
    if chance < 0.93:
        return 2
    if chance < 0.985:
        return 3
    if chance < 0.9985:
        return rng.randint(4, 10)
    return rng.randint(11, 36)


def _turn(knowledge: Knowledge, forbidden: frozenset[str], rng: Random) -> Turn:
    while True:
        if rng.random() < OTHER_SHARE:
            question, answer = knowledge.ask_other(rng), knowledge.other_answer
        else:
            fact = rng.choice(knowledge.facts)
            question, answer = knowledge.ask(fact, rng), fact.answer
        typed = disturb(question, rng)
        if not any(_holds(text, forbidden) for text in (question, typed)):
            return Turn(typed, answer)


def _holds(text: str, forbidden: frozenset[str]) -> bool:
    """Whether a kept-out question stands in the text, also with a greeting around it."""
    words = f" {normalise(text)} "
    return any(f" {question} " in words for question in forbidden)
