"""Tools and calls as clients send them, and what the model is shown of them."""

import json
from typing import Any

import httpx
import pytest

from app.domain.generation import NO_TOOLS, ChatPrompt, Form, ToolMode, ToolUse
from tests.fakes.house import House, assert_openai_error, chat

CHAT = "/v1/chat/completions"
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
LOOK = {"type": "function", "function": {"name": "look", "parameters": PARAMETERS}}
SHUT = {"type": "function", "function": {"name": "shut.door-1", "description": "Shuts it."}}
SHUT_SHOWN = {
    "type": "function",
    "function": {**SHUT["function"], "parameters": {"type": "object", "properties": {}}},  # type: ignore[dict-item]
}


async def prompt_of(client: httpx.AsyncClient, house: House, **fields: Any) -> ChatPrompt:
    response = await client.post(CHAT, json=chat() | fields)
    assert response.status_code == 200, response.text
    prompt = house.inference.asked[-1][1].sequences[0].prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt


@pytest.mark.parametrize(
    ("fields", "mode", "name", "parallel"),
    [
        ({}, ToolMode.AUTO, None, True),
        ({"tool_choice": None, "parallel_tool_calls": None}, ToolMode.AUTO, None, True),
        ({"tool_choice": "auto"}, ToolMode.AUTO, None, True),
        ({"tool_choice": "none"}, ToolMode.NONE, None, True),
        ({"tool_choice": "required", "parallel_tool_calls": True}, ToolMode.REQUIRED, None, True),
        ({"parallel_tool_calls": False}, ToolMode.AUTO, None, False),
        (
            {"tool_choice": {"type": "function", "function": {"name": "look"}}},
            ToolMode.NAMED,
            "look",
            True,
        ),
    ],
)
async def test_what_is_wanted_of_the_tools(  # noqa: PLR0917
    fields: dict[str, Any], mode: ToolMode, name: str | None, parallel: bool,
    client: httpx.AsyncClient, house: House,
) -> None:  # fmt: skip
    prompt = await prompt_of(client, house, tools=[LOOK, SHUT], **fields)
    assert prompt.use == ToolUse((LOOK, SHUT_SHOWN), mode, name, parallel)


async def test_the_model_is_shown_name_description_and_parameters_only(
    client: httpx.AsyncClient, house: House
) -> None:
    function = {
        "strict": True,
        "parameters": PARAMETERS,
        "description": None,
        "name": "look",
        "x": 1,
    }
    tool = {"type": "function", "function": function, "cache_control": {}}
    prompt = await prompt_of(client, house, tools=[tool])
    (shown,) = prompt.use.tools
    assert shown == {"type": "function", "function": {"parameters": PARAMETERS, "name": "look"}}
    assert list(shown["function"]) == ["parameters", "name"]


@pytest.mark.parametrize("fields", [{}, {"tools": []}, {"tools": None, "tool_choice": "auto"}])
async def test_without_tools_nothing_is_offered(
    fields: dict[str, Any], client: httpx.AsyncClient, house: House
) -> None:
    assert (await prompt_of(client, house, **fields)).use == NO_TOOLS


def named(name: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": [named(f"f{i}") for i in range(129)]}, "tools"),
        ({"tools": ["look"]}, "tools[0]"),
        ({"tools": [LOOK, {"type": "custom", "custom": {"name": "x"}}]}, "tools[1].type"),
        ({"tools": [{"function": {"name": "look"}}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [named(None)]}, "tools[0].function.name"),
        ({"tools": [named("")]}, "tools[0].function.name"),
        ({"tools": [named("a b")]}, "tools[0].function.name"),
        ({"tools": [named("look\n")]}, "tools[0].function.name"),
        ({"tools": [named("a" * 65)]}, "tools[0].function.name"),
        ({"tools": [LOOK, SHUT, LOOK]}, "tools[2].function.name"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "description": 5}}]},
            "tools[0].function.description",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": "any"}}]},
            "tools[0].function.parameters",
        ),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [], "tool_choice": "required"}, "tool_choice"),
        ({"tools": [LOOK], "tool_choice": "any"}, "tool_choice"),
        ({"tools": [LOOK], "tool_choice": 5}, "tool_choice"),
        ({"tools": [LOOK], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.type"),
        ({"tools": [LOOK], "tool_choice": {"type": "function"}}, "tool_choice.function.name"),
        ({"tools": [LOOK], "tool_choice": named("shut")}, "tool_choice.function.name"),
        ({"tool_choice": named("look")}, "tool_choice.function.name"),
        ({"tools": [LOOK], "parallel_tool_calls": "no"}, "parallel_tool_calls"),
        ({"tools": [LOOK], "guided_choice": ["a"]}, "tools"),
        ({"tools": [LOOK], "guided_regex": "a+", "tool_choice": "auto"}, "tools"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
async def test_a_wrong_tool_is_refused_at_its_place(
    fields: dict[str, Any], param: str, client: httpx.AsyncClient, house: House
) -> None:
    error = assert_openai_error(await client.post(CHAT, json=chat() | fields), 400)
    assert error["param"] == param
    assert param in error["message"]
    assert house.inference.asked == []


async def test_a_forced_call_leaves_no_content_that_a_form_could_be_about(
    client: httpx.AsyncClient, house: House
) -> None:
    """Agents that have tools and an output type force the call first."""
    form = {"type": "json_object"}
    body = chat(tools=[LOOK], tool_choice="required", response_format=form)
    assert (await client.post(CHAT, json=body)).status_code == 200
    sampling = house.inference.asked[-1][1].sequences[0].sampling
    assert sampling.constraint is None
    body["tool_choice"] = "none"
    assert (await client.post(CHAT, json=body)).status_code == 200
    assert house.inference.asked[-1][1].sequences[0].sampling.constraint is not None


async def test_a_form_of_json_goes_with_calls_that_the_model_may_make(
    client: httpx.AsyncClient, house: House
) -> None:
    body = chat(tools=[LOOK], response_format={"type": "json_object"})
    assert (await client.post(CHAT, json=body)).status_code == 200
    asked = house.inference.asked[-1][1].sequences[0]
    assert asked.prompt.use.mode is ToolMode.AUTO
    assert asked.sampling.constraint.form is Form.JSON


async def test_a_number_that_json_cannot_carry_is_refused_in_tools(
    client: httpx.AsyncClient,
) -> None:
    body = json.dumps(chat(tools=[LOOK])).replace('"required"', '"maximum": 1e999, "required"')
    error = assert_openai_error(await client.post(CHAT, content=body), 400)
    assert error["param"] == "tools[0].function.parameters"


async def test_a_format_may_stand_beside_tools_that_are_not_offered(
    client: httpx.AsyncClient, house: House
) -> None:
    fields = {"tools": [LOOK], "tool_choice": "none", "response_format": {"type": "json_object"}}
    assert (await prompt_of(client, house, **fields)).use.mode is ToolMode.NONE


def call(arguments: Any, **fields: Any) -> dict[str, Any]:
    function = {"name": "look", "arguments": arguments}
    return {"id": "c1", "type": "function", "function": function} | fields


async def test_calls_and_their_results_are_handed_on(
    client: httpx.AsyncClient, house: House
) -> None:
    messages = [
        {"role": "user", "content": "where?", "name": "ann"},
        {
            "role": "assistant", "content": None, "reasoning_content": "hm", "refusal": None,
            "tool_calls": [call('{"city": "Köln", "n": [1, 2.5, null]}')],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "there"},
        {"role": "assistant", "content": "", "reasoning": "so", "tool_calls": [call("", id="c2")]},
        {"role": "tool", "tool_call_id": "c2", "name": "mine", "content": "so"},
        {"role": "tool", "tool_call_id": "c9", "content": "who knows"},
        {"role": "assistant", "content": None, "refusal": "I will not."},
    ]  # fmt: skip
    prompt = await prompt_of(client, house, messages=messages)
    plain = {"id": "c1", "type": "function"}
    arguments = {"city": "Köln", "n": [1, 2.5, None]}
    assert prompt.messages == (
        {"role": "user", "content": "where?", "name": "ann"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [{**plain, "function": {"name": "look", "arguments": arguments}}],
            "reasoning_content": "hm",
        },
        {"role": "tool", "content": "there", "tool_call_id": "c1", "name": "look"},
        {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"id": "c2", "type": "function", "function": {"name": "look", "arguments": {}}}
            ],
            "reasoning_content": "so",
        },
        {"role": "tool", "content": "so", "tool_call_id": "c2", "name": "mine"},
        {"role": "tool", "content": "who knows", "tool_call_id": "c9"},
        {"role": "assistant", "content": "I will not."},
    )


@pytest.mark.parametrize(
    "wrong", ["{", '{"at": "a lo', "[]", '"a"', "NaN", '{"a": NaN}', "[" * 5000, '{"a": "\\ud800"}']
)
async def test_arguments_that_are_no_object_are_handed_on_as_they_were_written(
    wrong: str, client: httpx.AsyncClient, house: House
) -> None:
    """Agents send a call that was cut short back, together with the error it gave."""
    messages = [
        {"role": "user", "content": "hello"},
        {"role": "assistant", "content": None, "tool_calls": [call(wrong)]},
        {"role": "tool", "tool_call_id": "c1", "content": "that is not JSON"},
    ]
    prompt = await prompt_of(client, house, messages=messages)
    assert prompt.messages[1]["tool_calls"][0]["function"]["arguments"] == {"arguments": wrong}


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "assistant", "tool_calls": ["c"]}, "tool_calls[0]"),
        ({"role": "assistant", "tool_calls": [{"id": "c"}]}, "tool_calls[0]"),
        ({"role": "assistant", "tool_calls": [call("{}", id=5)]}, "tool_calls[0].id"),
        ({"role": "assistant", "tool_calls": [call("{}", type="custom")]}, "tool_calls[0].type"),
        (
            {"role": "assistant", "tool_calls": [call("{}", function={"name": "a b"})]},
            "tool_calls[0].function.name",
        ),
        *(
            (
                {"role": "assistant", "tool_calls": [call("{}"), call(wrong)]},
                "tool_calls[1].function.arguments",
            )
            for wrong in ('{"a": 1e999}', 5, None, [])
        ),
        ({"role": "assistant", "content": None, "tool_calls": []}, "content"),
        ({"role": "user", "content": "x", "tool_calls": [call("{}")]}, "tool_calls"),
        ({"role": "tool", "content": "x", "tool_call_id": 5}, "tool_call_id"),
        ({"role": "user", "content": "x", "name": 5}, "name"),
        ({"role": "assistant", "content": "x", "function_call": {"name": "f"}}, "function_call"),
        ({"role": "assistant", "content": "x", "audio": {"id": "a"}}, "audio"),
        ({"role": "function", "content": "x", "name": "f"}, "role"),
        *(
            ({"role": "user", "content": [{"type": kind, kind: {}}]}, "content[0].type")
            for kind in ("image_url", "input_audio", "file", "video_url", "input_image")
        ),
    ],
    ids=lambda value: json.dumps(value)[:60],
)  # fmt: skip
async def test_a_wrong_message_is_refused_at_its_place(
    message: dict[str, Any], param: str, client: httpx.AsyncClient, house: House
) -> None:
    messages = [{"role": "user", "content": "hello"}, message]
    error = assert_openai_error(await client.post(CHAT, json=chat() | {"messages": messages}), 400)
    assert error["param"] == f"messages[1].{param}"
    assert error["param"] in error["message"]
    if param == "content[0].type":
        assert message["content"][0]["type"] in error["message"]


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        ({"chat_template_kwargs": {"enable_thinking": True}}, {"enable_thinking": True}),
        ({"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ({"reasoning": {"effort": "high"}}, {"reasoning_effort": "high"}),
        (
            {"reasoning": {"effort": "high"}, "reasoning_effort": "high"},
            {"reasoning_effort": "high"},
        ),
        ({"reasoning_effort": "none"}, {"reasoning_effort": "none", "enable_thinking": False}),
        (
            {
                "reasoning_effort": "none",
                "chat_template_kwargs": {"enable_thinking": True, "a": [1]},
            },
            {"reasoning_effort": "none", "enable_thinking": True, "a": [1]},
        ),
        ({"reasoning": {"effort": None}, "reasoning_effort": None}, {}),
    ],
)
async def test_options_reach_the_chat_template(
    fields: dict[str, Any], options: dict[str, Any], client: httpx.AsyncClient, house: House
) -> None:
    assert (await prompt_of(client, house, **fields)).options == options
