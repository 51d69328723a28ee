"""Over the wire, random weights answer in the shape that was asked for, or nothing is generated."""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest

from tests.e2e.asking import TINY, chat, complete, openai, refused, tokens_of
from tests.e2e.server import RunningServer

ORDER: dict[str, Any] = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "items": {"enum": ["tea", "cake", 3, None]},
            "minItems": 2,
            "maxItems": 3,
        },
        "code": {"type": "string", "pattern": "^[A-F]{2}\\d$"},
        "paid": {"anyOf": [{"type": "boolean"}, {"$ref": "#/$defs/sum"}]},
    },
    "required": ["items", "code", "paid"],
    "additionalProperties": False,
    "$defs": {"sum": {"type": "integer", "minimum": 10, "maximum": 99}},
}
TOOLS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": name, "parameters": ORDER}}
    for name in ("order", "reorder")
]


def as_schema(schema: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "order", "schema": schema}}


def test_answers_obey_the_schema_streamed_and_whole(tiny: RunningServer) -> None:
    with openai(tiny) as client:
        for seed in range(4):
            wanted: Any = {
                "model": TINY,
                "messages": [{"role": "user", "content": "What would you like?"}],
                "seed": seed,
                "response_format": as_schema(ORDER),
            }
            whole = client.chat.completions.create(**wanted).choices[0]
            assert whole.finish_reason == "stop"
            assert whole.message.content is not None
            jsonschema.validate(json.loads(whole.message.content), ORDER)
            chunks = [
                chunk.choices[0] for chunk in client.chat.completions.create(**wanted, stream=True)
            ]
            assert "".join(chunk.delta.content or "" for chunk in chunks) == whole.message.content
            assert chunks[-1].finish_reason == "stop"


def test_an_answer_that_is_cut_says_so(tiny: RunningServer) -> None:
    choice = chat(tiny, "hi", response_format=as_schema(ORDER), max_tokens=5).json()["choices"][0]
    assert choice["finish_reason"] == "length"


def test_constrained_answers_and_others_run_together(tiny: RunningServer) -> None:
    def free(seed: int) -> Any:
        return complete(tiny, "once", seed=seed, max_tokens=40)["choices"][0]["text"]

    def constrained(seed: int) -> Any:
        answer = chat(tiny, "hi", seed=seed, response_format=as_schema(ORDER)).json()
        return answer["choices"][0]["message"]["content"]

    alone = [free(1), free(2)]
    with ThreadPoolExecutor(4) as pool:
        texts = pool.map(free, (1, 2))
        answers = pool.map(constrained, (1, 2))
        assert list(texts) == alone
        for answer in answers:
            jsonschema.validate(json.loads(answer), ORDER)


def test_choices_patterns_and_grammars_under_the_names_vllm_uses(tiny: RunningServer) -> None:
    grammar = 'start: WORD ("+" WORD){1,2}\nWORD: /[a-c]{2}/'
    for field, value, pattern in (
        ("guided_choice", ["north", "south-west"], "north|south-west"),
        ("guided_regex", r"\d{3}-[xyz]", r"\d{3}-[xyz]"),
        ("structured_outputs", {"choice": ["yes", "no"]}, "yes|no"),
        ("structured_outputs", {"grammar": grammar}, r"[a-c]{2}(\+[a-c]{2}){1,2}"),
    ):
        answer = complete(tiny, "which?", max_tokens=60, **{field: value})
        assert re.fullmatch(pattern, answer["choices"][0]["text"]), (field, answer)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "array", "uniqueItems": True},
        {"$ref": "https://example.com/schema.json"},
        {"type": "string", "pattern": "(?=a)b"},
        {"type": "integer", "minimum": 5, "maximum": 3},
        {"enum": list(range(30_000))},
        {"type": "integer", "multipleOf": 1_000_003},
    ],
    ids=["keyword", "external", "lookahead", "empty", "huge", "steps"],
)
def test_a_schema_that_cannot_be_enforced_is_refused_before_anything_is_said(
    tiny: RunningServer, schema: Any
) -> None:
    for stream in (False, True):
        answer = chat(tiny, "hi", response_format=as_schema(schema), stream=stream)
        error = refused(answer, 400, "constraint_not_supported")
        assert error["param"] == "response_format"


@pytest.mark.parametrize(
    ("choice", "names"),
    [
        ("required", {"order", "reorder"}),
        ({"type": "function", "function": {"name": "reorder"}}, {"reorder"}),
    ],
    ids=["required", "named"],
)
def test_forced_calls_have_the_arguments_that_the_tool_takes(
    tiny: RunningServer, choice: Any, names: set[str]
) -> None:
    asked = {"tools": TOOLS, "tool_choice": choice, "parallel_tool_calls": False}
    answer = chat(tiny, "order something", seed=5, **asked).json()["choices"][0]
    (call,) = answer["message"]["tool_calls"]
    assert call["function"]["name"] in names
    jsonschema.validate(json.loads(call["function"]["arguments"]), ORDER)
    assert not answer["message"]["content"]


def test_an_answer_beside_tools_is_in_form_or_calls_streamed_and_whole(
    tiny: RunningServer,
) -> None:
    (mark,) = tokens_of("<")
    with openai(tiny) as client:
        for bias, reason in ((-100, "stop"), (100, "tool_calls")):
            asked: Any = {
                "model": TINY,
                "messages": [{"role": "user", "content": "order something"}],
                "seed": 5,
                "tools": TOOLS,
                "parallel_tool_calls": False,
                "response_format": as_schema(ORDER),
                "logit_bias": {str(mark): bias},
            }
            whole = client.chat.completions.create(**asked).choices[0]
            with client.chat.completions.stream(**asked) as stream:
                streamed = stream.get_final_completion().choices[0]
            for choice in (whole, streamed):
                assert choice.finish_reason == reason
                said = choice.message.content
                for call in choice.message.tool_calls or []:
                    assert said in (None, "")
                    said = call.function.arguments
                assert said is not None
                jsonschema.validate(json.loads(said), ORDER)
            assert (whole.message.content or "") == (streamed.message.content or "")
