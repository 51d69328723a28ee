"""What an answer has to look like, under OpenAI's and vLLM's names."""

import json
from typing import Any

import httpx
import pytest

from app.domain.generation import Constraint, Form, Sampling
from tests.fakes.house import House, assert_openai_error, chat

CHAT = "/v1/chat/completions"
LEGACY = "/v1/completions"
SCHEMA = {"type": "object", "properties": {"a": {"enum": ["x", 1, None]}}, "required": ["a"]}
SCHEMA_WANTED = Constraint(Form.SCHEMA, SCHEMA)


def schema_format(schema: Any = SCHEMA, **more: Any) -> dict[str, Any]:
    return {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "a", "schema": schema} | more,
        }
    }


@pytest.mark.parametrize("path", [CHAT, LEGACY])
@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"response_format": {"type": "text"}}, None),
        ({"response_format": {"type": "json_object"}}, Constraint(Form.JSON)),
        ({"response_format": {"type": "json_object", "schema": SCHEMA}}, SCHEMA_WANTED),
        (schema_format(), SCHEMA_WANTED),
        (schema_format(strict=True, description="d"), SCHEMA_WANTED),
        (schema_format(strict=False), SCHEMA_WANTED),
        (schema_format(strict="true", name=None), SCHEMA_WANTED),
        ({"guided_json": SCHEMA}, SCHEMA_WANTED),
        ({"guided_json": json.dumps(SCHEMA)}, SCHEMA_WANTED),
        ({"guided_json": True}, Constraint(Form.SCHEMA, True)),
        ({"guided_regex": "a+"}, Constraint(Form.REGEX, "a+")),
        ({"guided_choice": ["yes", "no"]}, Constraint(Form.CHOICE, ["yes", "no"])),
        ({"guided_grammar": 'start: "a"'}, Constraint(Form.GRAMMAR, 'start: "a"')),
        ({"structured_outputs": {"json": SCHEMA}}, SCHEMA_WANTED),
        ({"structured_outputs": {"regex": "a"}}, Constraint(Form.REGEX, "a")),
        ({"structured_outputs": {"choice": ["a"]}}, Constraint(Form.CHOICE, ["a"])),
        ({"structured_outputs": {"grammar": "g"}}, Constraint(Form.GRAMMAR, "g")),
        ({"structured_outputs": {"json_object": True}}, Constraint(Form.JSON)),
        ({"structured_outputs": {"json_object": False, "regex": None, "x": None}}, None),
        ({"structured_outputs": None, "guided_json": None, "guided_choice": None}, None),
        ({"response_format": {"type": "text"}, "guided_regex": "a"}, Constraint(Form.REGEX, "a")),
    ],
    ids=lambda value: str(value)[:60],
)
async def test_a_format_becomes_a_constraint(
    path: str, fields: dict[str, Any], expected: Constraint | None,
    client: httpx.AsyncClient, house: House,
) -> None:  # fmt: skip
    body = chat() if path == CHAT else {"model": "lab/echo", "prompt": "a", "max_tokens": -1}
    response = await client.post(path, json=body | fields)
    assert response.status_code == 200, response.text
    (sequence,) = house.inference.asked[-1][1].sequences
    assert sequence.sampling == Sampling(constraint=expected)


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"response_format": 5}, "response_format.type"),
        ({"response_format": {"type": "grammar"}}, "response_format.type"),
        ({"response_format": {"type": ["text"]}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (schema_format(None), "response_format.json_schema.schema"),
        (schema_format("a"), "response_format.json_schema.schema"),
        (schema_format([]), "response_format.json_schema.schema"),
        (schema_format(name=5), "response_format.json_schema.name"),
        (schema_format(name=""), "response_format.json_schema.name"),
        (schema_format(strict="yes"), "response_format.json_schema.strict"),
        (schema_format(strict=[]), "response_format.json_schema.strict"),
        ({"response_format": {"type": "json_object", "schema": 5}}, "response_format.schema"),
        ({"guided_json": "{"}, "guided_json"),
        ({"guided_json": "[" * 100_000}, "guided_json"),
        ({"guided_json": "[]"}, "guided_json"),
        ({"guided_json": '{"const": "\\ud800"}'}, "guided_json"),
        ({"guided_json": '{"maximum": 1e999}'}, "guided_json"),
        ({"guided_regex": ""}, "guided_regex"),
        ({"guided_regex": ["a"]}, "guided_regex"),
        ({"guided_regex": "a" * 40_000}, "guided_regex"),
        ({"guided_choice": []}, "guided_choice"),
        ({"guided_choice": ["a", ""]}, "guided_choice"),
        ({"guided_choice": ["a", 5]}, "guided_choice"),
        ({"guided_choice": ["a"] * 1025}, "guided_choice"),
        ({"guided_choice": "ab"}, "guided_choice"),
        ({"guided_grammar": 5}, "guided_grammar"),
        ({"structured_outputs": "json"}, "structured_outputs"),
        ({"structured_outputs": {"structural_tag": "x"}}, "structured_outputs.structural_tag"),
        ({"structured_outputs": {"json_object": 1}}, "structured_outputs.json_object"),
        ({"structured_outputs": {"regex": "a", "choice": ["b"]}}, "structured_outputs.choice"),
        ({"guided_regex": "a", "guided_choice": ["b"]}, "guided_choice"),
        ({"guided_regex": "a", "response_format": {"type": "json_object"}}, "response_format"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
async def test_a_format_that_cannot_be_is_refused_at_its_place(
    fields: dict[str, Any], param: str, client: httpx.AsyncClient, house: House
) -> None:
    error = assert_openai_error(await client.post(CHAT, json=chat() | fields), 400)
    assert error["param"] == param
    assert param in error["message"]
    assert house.inference.asked == []


async def test_a_number_that_json_cannot_carry_is_refused_in_a_schema(
    client: httpx.AsyncClient,
) -> None:
    body = json.dumps(chat(**schema_format())).replace('"required"', '"maximum": 1e999, "required"')
    error = assert_openai_error(await client.post(CHAT, content=body), 400)
    assert error["param"] == "response_format.json_schema.schema"
