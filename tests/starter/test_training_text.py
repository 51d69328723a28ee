"""The training text is well formed: every pattern expands, every answer is short."""

from random import Random

import pytest

from starter.facts import load_knowledge
from starter.patterns import PatternError, expand

LONGEST_ANSWER = 230


def test_every_answer_is_short_and_ends() -> None:
    knowledge = load_knowledge()
    assert len(knowledge.facts) >= 60
    for answer in (*(fact.answer for fact in knowledge.facts), knowledge.other_answer):
        assert answer[-1] in ".!"
        assert len(answer) <= LONGEST_ANSWER, answer


def test_every_pattern_expands() -> None:
    knowledge, rng = load_knowledge(), Random(1)
    questions = [knowledge.ask(fact, rng) for fact in knowledge.facts for _ in range(60)]
    questions += [knowledge.ask_other(rng) for _ in range(2000)]
    assert [text for text in questions if not text or set(text) & set("[]{}<>|")] == []


def test_choices_nest_and_words_are_looked_up() -> None:
    words = {"it": "the server|it"}
    made = {expand("[start|run [again|now]] <it>[|!]", words, Random(n)) for n in range(200)}
    assert len(made) == 3 * 2 * 2
    assert {"start it", "run again the server!"} <= made


@pytest.mark.parametrize("pattern", ["[a|b", "a]", "<nowhere>"])
def test_a_malformed_pattern_is_an_error(pattern: str) -> None:
    with pytest.raises(PatternError):
        expand(pattern, {}, Random(1))
