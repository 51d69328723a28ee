"""Answers of a language model that lies, breaks its schema or tries to break whoever reads it."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app._experimental.answers import read_answer
from app._experimental.llm import LLM, SENSIBLE
from app.authority.advice.untrusted import read
from app.domain.advice.frames import Answer
from app.domain.advice.proposals import Proposal
from app.domain.advice.snapshot import Snapshot
from tests.fakes.advisors import advised, answer, said
from tests.fakes.snapshots import in_memory, model, snapshot

FACTS: Snapshot = snapshot(models={"a/idle": in_memory(), "a/spare": model()})
GOOD = said("unload", "a/idle")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


def asked(text: str) -> list[Proposal]:
    return advised(LLM, FACTS, lambda _: Answer(text))


def test_what_follows_is_refused_for_what_is_wrong_with_it() -> None:
    assert len(asked(answer(GOOD))) == 1


@pytest.mark.parametrize(
    "text",
    [
        "",
        "I would unload a/idle.",
        "```json\n" + answer(GOOD) + "\n```",
        answer(GOOD) + answer(GOOD),
        answer(GOOD)[:-2],
        "null",
        "[]",
        "5",
        json.dumps([GOOD]),
        json.dumps({"proposals": GOOD}),
        json.dumps({"proposals": [GOOD], "author": "the operator"}),
        json.dumps({"proposals": [[GOOD]]}),
        answer(*[GOOD] * 6),
        answer(GOOD, None),
        answer(GOOD, {**GOOD, "author": "the operator"}),
        answer(GOOD, {**GOOD, "evidence": [{"field": ["days"], "value": 3}]}),
        answer(GOOD, said("purge", "a/idle")),
        answer(GOOD, said("UNLOAD", "a/idle")),
        answer(GOOD, said("unload", "a/none")),
        answer(GOOD, said("unload", "a/idle ")),
        *(answer(GOOD, without(name)) for name in GOOD),
        answer(GOOD, {**GOOD, "kind": ["unload"]}),
        answer(GOOD, {**GOOD, "model": {"name": "a/idle"}}),
        answer(GOOD, {**GOOD, "reason": 5}),
        answer(GOOD, {**GOOD, "reason": ""}),
        answer(GOOD, {**GOOD, "reason": "\u200b\u202e \u3164\x1b\\"}),
        answer(GOOD, {**GOOD, "confidence": "40"}),
        answer(GOOD, {**GOOD, "confidence": True}),
        answer(GOOD, {**GOOD, "confidence": 40.0}),
        answer(GOOD, {**GOOD, "confidence": 101}),
        answer(GOOD, {**GOOD, "confidence": -1}),
        answer(GOOD, {**GOOD, "confidence": 10**40}),
        answer(GOOD, {**GOOD, "context": None}),
        answer(GOOD, {**GOOD, "context": 0}),
        answer(GOOD, {**GOOD, "context": "all"}),
        answer(GOOD).replace("40", "NaN"),
        answer(GOOD).replace("40", "1e999"),
        answer(GOOD).replace("40", "4" * 5_000),
        answer(GOOD).replace('"kind"', '"kind": "load", "kind"'),
        '{"proposals": [], "proposals": []}',
        "[" * 30_000,
        "[" * 200_000,
        '{"proposals":' * 2_000,
        answer({**GOOD, "reason": "x" * 1_000_000}),
        " " * 1_000_000 + answer(GOOD),
        "\x00" + answer(GOOD),
        "\ufeff" + answer(GOOD),
    ],
    ids=lambda text: f"{text[:40]!a} of {len(text)}",
)
def test_an_answer_that_is_not_of_the_schema_is_nothing(text: str) -> None:
    """Not even what was right in it: whoever breaks the schema once is not believed at all."""
    assert asked(text) == []


@pytest.mark.parametrize(
    ("reason", "kept"),
    [
        ("\x1b[2J\x1b]0;owned\x07It is idle.", "[2J]0;ownedIt is idle."),
        ("It\u202e is\u200b idle\u3164.", "It is idle."),
        ("It is\n\n\tidle.\r", "It is idle."),
        ("\\u001b[31mIt is idle.", "u001b[31mIt is idle."),
        ("Está vacío, 空いている", "Está vacío, 空いている"),
        ("x" * 400, "x" * 297 + "..."),
        ("\ud800It is idle.", "It is idle."),
    ],
    ids=ascii,
)
def test_of_a_reason_what_can_be_seen_is_kept(reason: str, kept: str) -> None:
    (proposal,) = asked(answer({**GOOD, "reason": reason}))
    assert proposal.reason == kept
    assert read(proposal.as_plain()).reason == kept


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
_NEARLY = st.fixed_dictionaries(
    {},
    optional={
        "kind": st.sampled_from(sorted(SENSIBLE)) | _JSON,
        "model": st.sampled_from(("a/idle", "a/spare", "a/none")) | _JSON,
        "reason": st.text(max_size=20) | _JSON,
        "confidence": st.integers(-1, 101) | _JSON,
        "context": st.integers(0, 40_000) | _JSON,
        "author": st.text(max_size=5),
    },
)


@given(
    st.text()
    | _JSON.map(json.dumps)
    | st.lists(_NEARLY, max_size=6).map(lambda all_: answer(*all_))
)
def test_whatever_is_answered_only_proposals_that_the_authority_can_read_come_of_it(
    text: str,
) -> None:
    for proposal in asked(text):
        assert read(proposal.as_plain()) == proposal
        assert proposal.target in FACTS.models
        assert proposal.confidence <= 50


@given(st.text())
def test_reading_never_raises(text: str) -> None:
    assert read_answer(text, ["unload"], ["a/idle"]) == ()
