"""Sentences as operators write them: each is what it says, or a question that leads on.

`sentence`: what it must be compiled to. `question`: what is asked, with the first `choices`.
`violation`: why it is not allowed.
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from app.authority.guardrails.compiler.resolve import resolve
from app.authority.guardrails.compiler.saying import sentence
from app.authority.guardrails.values import Leaf
from app.domain.refusals import GuardrailViolated, IntentUnclear
from tests.unit.guardrails.documents import shipped

FILE: Final = Path(__file__).parent / "natural_intents.json"
NATURAL: Final[list[dict[str, Any]]] = json.loads(FILE.read_text("utf-8"))
SHIPPED: Final = shipped()
CHOICES: Final = 5


def outcome(text: str) -> dict[str, Any]:
    try:
        return {"sentence": sentence(resolve(text, SHIPPED))}
    except IntentUnclear as unclear:
        details = unclear.details
        return {"question": details["question"], "choices": details["choices"][:CHOICES]}
    except GuardrailViolated as violated:
        return {"violation": [each["message"] for each in violated.details["violations"]]}


@pytest.mark.parametrize("one", NATURAL, ids=[one["intent"] for one in NATURAL])
def test_a_natural_sentence_is_what_it_says_or_a_question(one: dict[str, Any]) -> None:
    assert {"intent": one["intent"], **outcome(one["intent"])} == one


def test_most_of_them_are_understood_and_each_is_there_once() -> None:
    assert len({one["intent"] for one in NATURAL}) == len(NATURAL) >= 80
    assert sum("sentence" in one for one in NATURAL) >= 50


def test_no_question_shows_the_inside_of_the_compiler() -> None:
    for one in NATURAL:
        asked = one.get("question", "")
        assert "parameter" not in asked
        assert "_" not in asked


PER_WHAT: Final = {
    "Alert when somebody has more than 5 blocked attempts": "actor",
    "Alert when latency of any model spikes": "model",
    "Alert when latency of all models together spikes": "all",
    "Block loading a model whose latency is above 5 seconds": "model",
    "Block loading a model when latency is above 5 seconds": "all",
}


@pytest.mark.parametrize("text", PER_WHAT)
def test_one_of_many_is_watched_for_each(text: str) -> None:
    leaf = resolve(text, SHIPPED).condition
    assert isinstance(leaf, Leaf)
    assert leaf.scope == PER_WHAT[text]


def test_what_says_the_primitive_is_in_the_trace_and_among_what_was_read() -> None:
    found = resolve("Block loading models larger than 20 GB", SHIPPED).trace
    assert [clause.implied_by for clause in found.clauses] == ["mappings/larger than/primitive"]
    assert "mappings/larger than/primitive" in found.reads
    named = resolve("Block loading models whose size is larger than 20 GB", SHIPPED).trace
    assert [clause.implied_by for clause in named.clauses] == [None]
    assert "mappings/larger than/primitive" not in named.reads


def test_what_is_said_by_the_name_of_its_set_has_all_its_values_in_the_trace() -> None:
    found = resolve("Block pulls from unknown sources", SHIPPED)
    values = found.trace.clauses[0].parameters[0].value
    assert values == tuple(sorted(SHIPPED.document.domain.sets["known_sources"]))
