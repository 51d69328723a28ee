"""A model with random weights obeys its constraint to the letter, or is refused at once."""

import json
import re
from dataclasses import replace
from decimal import Decimal
from typing import Any

import jsonschema
import pytest

from app.domain.generation import (
    Constraint,
    FinishReason,
    Form,
    Sampling,
    TextPrompt,
    TokenPrompt,
)
from app.domain.refusals import ConstraintRejected
from app.engines.protocol import Generate, SequenceFinished, SequenceRejected
from app.engines.worker.backend import Prepared
from app.engines.worker.constraints import Constraints, Enforcing
from app.engines.worker.loading import LoadedModel, load
from app.engines.worker.markers import NO_MARKERS, Markers
from tests.models import tiny_model
from tests.unit.engines.test_batch import ends, run, texts

TEXT = {"type": "string", "maxLength": 6}
POINT = {
    "type": "object",
    "properties": {"x": {"type": "number", "minimum": -3.5, "exclusiveMaximum": 10}, "on": TEXT},
    "required": ["x", "on"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, Any] = {
    "nested": {
        "type": "object",
        "properties": {"a": POINT, "b": {"type": "array", "items": POINT, "maxItems": 2}},
        "required": ["a", "b"],
        "additionalProperties": False,
    },
    "numbers": {
        "type": "array",
        "items": {"type": "integer", "minimum": -5, "maximum": 1234, "multipleOf": 3},
        "minItems": 3,
        "maxItems": 6,
    },
    "any_of": {
        "anyOf": [TEXT, {"type": "null"}, {"enum": ["é", 3, [1, {"z": None}], True]}, POINT]
    },
    "references": {
        "$defs": {
            "leaf": {"const": 7},
            "tree": {
                "type": "array",
                "items": {"anyOf": [{"$ref": "#/$defs/leaf"}, {"$ref": "#/$defs/tree"}]},
                "maxItems": 2,
            },
        },
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/tree"}},
        "required": ["tree"],
        "additionalProperties": False,
    },
    "patterns": {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^[a-f]{2}-\\d{2}$"},
            "no": {"type": "string", "pattern": "^.[^x-z\\s]?\\w{1,3}$"},
            "day": {"type": "string", "format": "date"},
        },
        "required": ["id", "no", "day"],
        "additionalProperties": False,
    },
    "others": {
        "type": "object",
        "properties": {"a": {"type": "integer", "minimum": 1, "maximum": 9}},
        "required": ["a"],
        "additionalProperties": {"type": "boolean"},
        "maxProperties": 2,
    },
    "named": {
        "type": "object",
        "patternProperties": {"^n_[a-c]{1,2}$": {"type": "null"}},
        "additionalProperties": False,
        "maxProperties": 3,
    },
    "joined": {
        "type": "object",
        "allOf": [{"properties": {"a": TEXT}, "required": ["a"]}],
        "properties": {"a": {"minLength": 2}, "b": {"type": ["null", "boolean"]}},
        "additionalProperties": False,
    },
    "tuple": {"prefixItems": [TEXT, {"type": "boolean"}], "items": False, "type": "array"},
    "lengths": {"type": "array", "items": {"type": "string", "minLength": 3, "maxLength": 4}},
    "one_of": {
        "oneOf": [
            {
                "type": "object",
                "properties": {"k": {"const": k}},
                "required": ["k"],
                "additionalProperties": False,
            }
            for k in ("a", "b")
        ],
    },
}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> LoadedModel:
    directory = tmp_path_factory.mktemp("model")
    return load(
        tiny_model(directory, ends=True, alphabet="bytes", context=2048), memory_limit_bytes=2**34
    )


def constraints(model: LoadedModel, markers: Markers = NO_MARKERS) -> Constraints:
    return Constraints(
        model.tokenizer, vocab_size=model.vocab_size, ends=model.end_tokens, markers=markers
    )


def asked(form: Form, body: Any = None, *, handle: int = 1, **more: Any) -> Generate:
    sampling = Sampling(constraint=Constraint(form, body), **{"max_tokens": 300, **more})
    return Generate(handle, TextPrompt("x"), sampling)


def prepared(model: LoadedModel, generate: Generate, rendered: str = "") -> Prepared:
    made = constraints(model).compile(generate, rendered)
    limit = generate.sampling.max_tokens
    assert limit is not None
    plain = replace(generate, prompt=TextPrompt("x"))
    return Prepared(generate.handle, [65, 66], limit, plain, rendered, made)


def answers(model: LoadedModel, generates: list[Generate], *, slots: int = 4) -> dict[int, Any]:
    """By handle, the text of every answer that stopped by itself; None where it was cut."""
    sent = run(model, [prepared(model, generate) for generate in generates], slots=slots)
    said = texts(sent)
    found: dict[int, Any] = {}
    for handle, end in ends(sent).items():
        assert isinstance(end, SequenceFinished), end
        found[handle] = said.get(handle, "") if end.reason is FinishReason.STOP else None
    return found


def check(text: str, schema: Any) -> None:
    exact = json.loads(json.dumps(schema), parse_float=Decimal)
    value = json.loads(text, parse_float=Decimal)
    jsonschema.Draft202012Validator(exact).validate(value)


@pytest.mark.parametrize("name", SCHEMAS)
def test_random_weights_answer_with_what_the_schema_allows(model: LoadedModel, name: str) -> None:
    schema = SCHEMAS[name]
    wanted = [asked(Form.SCHEMA, schema, handle=seed, seed=seed) for seed in range(1, 7)]
    stopped = [text for text in answers(model, wanted).values() if text is not None]
    assert len(stopped) >= 3
    for text in stopped:
        check(text, schema)


def test_an_answer_that_is_cut_ends_with_length(model: LoadedModel) -> None:
    schema = {"type": "array", "items": {"type": "boolean"}, "minItems": 50}
    assert answers(model, [asked(Form.SCHEMA, schema, max_tokens=20)]) == {1: None}


def test_any_object_is_one_object(model: LoadedModel) -> None:
    wanted = [asked(Form.JSON, handle=n, seed=n, max_tokens=150) for n in range(1, 7)]
    stopped = [text for text in answers(model, wanted).values() if text is not None]
    assert stopped
    assert all(isinstance(json.loads(text), dict) for text in stopped)


def test_when_nothing_more_can_come_the_answer_ends(model: LoadedModel) -> None:
    texts = ("yes", 'a "b"/c\n', "é☺")
    for text in texts:
        found = answers(model, [asked(Form.CHOICE, [text], max_tokens=40, temperature=0.0)])
        assert found == {1: text}


def test_a_choice_a_pattern_and_a_grammar_are_obeyed(model: LoadedModel) -> None:
    grammar = 'start: WORD ("+" WORD)*\nWORD: /[a-c]{2}/'
    wanted = {
        1: (Form.CHOICE, ["north", "north-east", "n/a"], r"north|north-east|n/a"),
        2: (Form.REGEX, r"[A-F]{3}-\d/x?", r"[A-F]{3}-\d/x?"),
        3: (Form.GRAMMAR, grammar, r"[a-c]{2}(\+[a-c]{2})*"),
    }
    found = answers(
        model, [asked(form, body, handle=n, seed=n) for n, (form, body, _) in wanted.items()]
    )
    for handle, (_, _, pattern) in wanted.items():
        assert re.fullmatch(pattern, found[handle]), found[handle]


def test_neighbours_without_a_constraint_say_what_they_say_alone(model: LoadedModel) -> None:
    def free(handle: int) -> Prepared:
        sampling = Sampling(seed=handle, max_tokens=30)
        return Prepared(handle, [65, 66], 30, Generate(handle, TokenPrompt((65, 66)), sampling))

    alone = {handle: texts(run(model, [free(handle)]))[handle] for handle in (1, 2)}
    pair = [prepared(model, asked(Form.JSON, handle=n, seed=n, max_tokens=30)) for n in (3, 4)]
    together = texts(run(model, [free(1), pair[0], free(2), pair[1]], slots=4))
    assert {handle: together[handle] for handle in (1, 2)} == alone


def test_a_seed_gives_the_same_constrained_answer_alone_and_in_a_batch(model: LoadedModel) -> None:
    schema = SCHEMAS["nested"]
    alone = answers(model, [asked(Form.SCHEMA, schema, handle=2, seed=2)])
    batch = answers(model, [asked(Form.SCHEMA, schema, handle=n, seed=n) for n in range(1, 5)])
    assert batch[2] == alone[2]


def test_a_constraint_that_fails_midway_ends_its_own_sequence_only(model: LoadedModel) -> None:
    broken = prepared(model, asked(Form.JSON, handle=1))
    fine = prepared(model, asked(Form.CHOICE, ["yes"], handle=2, temperature=0.0))
    enforcing = broken.constraint
    assert isinstance(enforcing, Enforcing)
    enforcing.draw(model.tokenizer.encode("z")[0])  # no object begins so
    ended = ends(run(model, [broken, fine]))
    assert isinstance(ended[1], SequenceRejected)
    assert ended[1].code == "constraint_not_supported"
    assert isinstance(ended[2], SequenceFinished)
    assert ended[2].reason is FinishReason.STOP


def test_while_the_model_thinks_only_the_end_is_forbidden(model: LoadedModel) -> None:
    end_of_thought = tuple(model.tokenizer.encode("</t>"))
    markers = Markers(think_start="<t>", think_end="</t>", think_end_tokens=end_of_thought)
    made = constraints(model, markers).compile(asked(Form.JSON), "hello <t>")
    assert made is not None
    (end,) = model.end_tokens
    for token in (*model.tokenizer.encode("hm < "), *end_of_thought):
        assert not made.allowed[end]
        assert made.allowed.sum() == model.vocab_size - 1
        made.draw(token)
    assert {model.tokenizer.decode([token]) for token in made.allowed.nonzero()[0]} == {"{"}
    closed = constraints(model, markers).compile(asked(Form.JSON), "<t></t> hello")
    assert closed is not None
    assert closed.allowed.sum() == 1


def test_a_model_whose_thinking_has_no_known_end_is_refused(model: LoadedModel) -> None:
    markers = Markers(think_start="<t>", think_end="</t>")
    with pytest.raises(ConstraintRejected):
        constraints(model, markers).compile(asked(Form.JSON), "<t>")


def test_rows_without_a_token_are_never_allowed(model: LoadedModel) -> None:
    wide = replace(model, vocab_size=model.vocab_size + 64)
    made = constraints(wide).compile(asked(Form.REGEX, "(?s:.*)"), "")
    assert made is not None
    assert made.allowed.shape == (wide.vocab_size,)
    assert made.allowed[: model.vocab_size].any()
    assert not made.allowed[model.vocab_size :].any()
    control = model.tokenizer.encode("<|im_start|>")
    assert not made.allowed[control].any()


class Bytes:
    """A vocabulary of 256 bytes and an end."""

    vocab_size = 257

    def bytes_of(self, token: int) -> bytes:
        return bytes([token]) if token < 256 else b""

    def encode(self, text: str, *, special: bool) -> list[int]:
        assert not special
        return list(text.encode())


def test_a_vocabulary_of_bytes_is_enough() -> None:
    made = Constraints(Bytes(), vocab_size=257, ends=[256]).compile(asked(Form.CHOICE, ["é"]), "")
    assert made is not None
    said = []
    while True:
        (token,) = made.allowed.nonzero()[0]
        if token == 256:
            break
        said.append(int(token))
        made.draw(int(token))
    assert bytes(said).decode() == "é"


def test_a_model_without_an_end_is_refused(model: LoadedModel) -> None:
    endless = Constraints(model.tokenizer, vocab_size=model.vocab_size, ends=[])
    with pytest.raises(ConstraintRejected):
        endless.compile(asked(Form.JSON), "")
