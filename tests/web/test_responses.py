"""/v1/responses: what its clients send, what they are told, and what is kept for whom."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import openai
import pytest

from app.domain.generation import (
    CallArguments,
    CallBegun,
    ChatPrompt,
    Constraint,
    FinishReason,
    Form,
    Reasoning,
    ToolMode,
)
from app.domain.refusals import WorkerLost
from tests.fakes.authority import CLIENT_KEY
from tests.fakes.house import BASE, House
from tests.fakes.inference import End, Say, Script, Step, Tell

MODEL = "lab/echo"
PATH = "/v1/responses"
TOOL = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": True}
LOOKS: list[Step] = [
    Tell(Reasoning("hm", 1)),
    Say("I "),
    Say("look."),
    Tell(CallBegun(0, "call_a", "look")),
    Tell(CallArguments(0, '{"at":', 2)),
    Tell(CallArguments(0, '"x"}', 2)),
    Tell(CallBegun(1, "call_b", "look")),
    Tell(CallArguments(1, "{}", 1)),
    End(FinishReason.TOOL_CALLS),
]


@pytest.fixture
async def sdk(house: House) -> AsyncIterator[openai.AsyncOpenAI]:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(house.app())) as http:
        yield openai.AsyncOpenAI(
            api_key=CLIENT_KEY, base_url=f"{BASE}/v1", http_client=http, max_retries=0
        )


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "input": "one two three", **fields}


def prompt_of(house: House) -> ChatPrompt:
    prompt = house.inference.asked[-1][1].sequences[0].prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt


def events_of(text: str) -> list[dict[str, Any]]:
    """Every event; its name is its type, and they are numbered."""
    found = []
    for number, block in enumerate(text.strip().split("\n\n")):
        name, data = block.split("\n")
        body = json.loads(data.removeprefix("data: "))
        assert name == f"event: {body['type']}"
        assert body["sequence_number"] == number
        found.append(body)
    return found


async def test_a_response_has_what_the_client_reads(client: httpx.AsyncClient) -> None:
    response = await client.post(PATH, json=asked(instructions="Be brief.", metadata={"a": "b"}))
    assert response.status_code == 200, response.text
    body = response.json()
    own = response.headers["x-request-id"]
    assert isinstance(body.pop("created_at"), int)
    part = {"type": "output_text", "text": "one two three", "annotations": [], "logprobs": []}
    assert body == {
        "id": f"resp_{own}",
        "object": "response",
        "status": "completed",
        "error": None,
        "incomplete_details": None,
        "model": MODEL,
        "output": [
            {
                "id": f"msg_{own}_0",
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [part],
            }
        ],
        "instructions": "Be brief.",
        "max_output_tokens": None,
        "metadata": {"a": "b"},
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "temperature": None,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_logprobs": 0,
        "top_p": None,
        "truncation": "disabled",
        "background": False,
        "store": False,
        "usage": {
            "input_tokens": 3,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": 3,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": 6,
        },
    }


async def test_items_become_messages_of_a_template(client: httpx.AsyncClient, house: House) -> None:
    items = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "input_text", "text": "look"}]},
        {"type": "reasoning", "summary": [], "content": [{"type": "x", "text": "hm"}]},
        {"type": "message", "role": "assistant", "content": "ok"},
        {"type": "function_call", "call_id": "a", "name": "look", "arguments": '{"at":"x"}'},
        {"type": "function_call", "call_id": "b", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "a", "output": "seen"},
        {"role": "user", "content": "and now?"},
    ]
    response = await client.post(PATH, json=asked(input=items, instructions="Obey."))
    assert response.status_code == 200, response.text
    calls = [
        {"id": "a", "type": "function", "function": {"name": "look", "arguments": {"at": "x"}}},
        {"id": "b", "type": "function", "function": {"name": "look", "arguments": {}}},
    ]
    assert list(prompt_of(house).messages) == [
        {"role": "system", "content": "Obey."},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": "ok", "tool_calls": calls, "reasoning_content": "hm"},
        {"role": "tool", "content": "seen", "tool_call_id": "a", "name": "look"},
        {"role": "user", "content": "and now?"},
    ]


async def test_tools_formats_and_effort_reach_the_model(
    client: httpx.AsyncClient, house: House
) -> None:
    choice = {"type": "function", "name": "look"}
    await client.post(PATH, json=asked(tools=[TOOL], tool_choice=choice, parallel_tool_calls=False))
    use = prompt_of(house).use
    assert (use.mode, use.name, use.parallel) == (ToolMode.NAMED, "look", False)
    assert use.tools[0]["function"] == {"name": "look", "parameters": {"type": "object"}}
    schema = {"type": "object"}
    text = {"format": {"type": "json_schema", "name": "x", "schema": schema, "strict": True}}
    body = asked(
        text=text, tools=[TOOL], reasoning={"effort": "none"}, max_output_tokens=9, temperature=0.5
    )
    assert (await client.post(PATH, json=body)).status_code == 200
    sampling = house.inference.asked[-1][1].sequences[0].sampling
    assert sampling.constraint == Constraint(Form.SCHEMA, schema)
    assert (sampling.max_tokens, sampling.temperature) == (9, 0.5)
    assert prompt_of(house).options["enable_thinking"] is False


async def test_items_open_and_close_once_and_in_order(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts[MODEL] = Script(steps=LOOKS)
    told = events_of((await client.post(PATH, json=asked(stream=True, tools=[TOOL]))).text)
    assert [event["type"] for event in told[:2]] == ["response.created", "response.in_progress"]
    assert told[-1]["type"] == "response.completed"
    open_item = None
    kinds = []
    for event in told[2:-1]:
        if event["type"] == "response.output_item.added":
            assert open_item is None
            open_item = event["item"]["id"]
            assert event["output_index"] == len(kinds)
            kinds.append(event["item"]["type"])
        elif event["type"] == "response.output_item.done":
            assert event["item"]["id"] == open_item
            open_item = None
        else:
            assert event["item_id"] == open_item
    assert kinds == ["reasoning", "message", "function_call", "function_call"]
    assert [item["type"] for item in told[-1]["response"]["output"]] == kinds


async def test_streamed_and_whole_are_equal_for_the_real_client(
    sdk: openai.AsyncOpenAI, house: House
) -> None:
    house.inference.scripts[MODEL] = Script(steps=LOOKS)
    ask: Any = {"model": MODEL, "input": "look", "tools": [TOOL]}
    whole = await sdk.responses.create(**ask)
    async with sdk.responses.stream(**ask) as stream:
        streamed = await stream.get_final_response()
    assert whole.output_text == streamed.output_text == "I look."
    assert kinds_of(whole) == kinds_of(streamed)
    assert whole.usage == streamed.usage


def kinds_of(response: Any) -> list[Any]:
    """What was said, without the ids and what only the client's own parser adds."""
    return [
        item.model_dump(include={"type", "status", "name", "arguments", "call_id", "summary"})
        for item in response.output
    ]


async def test_an_answer_that_was_cut_is_incomplete(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts[MODEL] = Script(steps=[Say("a"), End(FinishReason.LENGTH)])
    body = (await client.post(PATH, json=asked())).json()
    assert body["status"] == "incomplete"
    assert body["incomplete_details"] == {"reason": "max_output_tokens"}
    assert body["output"][0]["status"] == "incomplete"
    told = events_of((await client.post(PATH, json=asked(stream=True))).text)
    assert told[-1]["type"] == "response.incomplete"


async def test_a_stream_that_breaks_off_ends_with_a_failed_response(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts[MODEL] = Script(steps=[Say("a"), WorkerLost("Gone. Ask again.")])
    told = events_of((await client.post(PATH, json=asked(stream=True))).text)
    assert told[-1]["type"] == "response.failed"
    assert told[-1]["response"]["error"] == {"code": "worker_lost", "message": "Gone. Ask again."}


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": 5}, "input"),
        ({"input": [5]}, "input[0]"),
        ({"input": [{"type": "web_search_call"}]}, "input[0].type"),
        ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role"),
        ({"input": [{"type": "function_call", "name": "a", "arguments": "{}"}]}, "call_id"),
        ({"input": [{"type": "function_call_output", "call_id": "a"}]}, "output"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"text": {"format": {"type": "xml"}}}, "text.format"),
        ({"truncation": "auto"}, "truncation"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
    ],
)
async def test_bad_requests_name_the_field(
    client: httpx.AsyncClient, fields: dict[str, Any], param: str
) -> None:
    response = await client.post(PATH, json=asked(**fields))
    assert response.status_code == (404 if param == "previous_response_id" else 400), response.text
    assert param in response.json()["error"]["param"]
