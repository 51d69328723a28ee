"""/v1/messages: what its clients send, what they are told, streamed and whole."""

import json
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import httpx
import httpx2
import pytest

from app.domain.generation import (
    CallArguments,
    CallBegun,
    ChatPrompt,
    Constraint,
    Finished,
    FinishReason,
    Form,
    Reasoning,
    ToolMode,
)
from app.domain.refusals import QueueFull, WorkerLost
from tests.fakes.house import BASE, House
from tests.fakes.inference import End, Say, Script, Step, Tell

MODEL = "lab/echo"
PATH = "/v1/messages"
USER = {"role": "user", "content": "one two three"}
TOOL = {"name": "look", "description": "Looks.", "input_schema": {"type": "object"}}


def asked(**fields: Any) -> dict[str, Any]:
    return {"model": MODEL, "max_tokens": 64, "messages": [USER], **fields}


@pytest.fixture
async def sdk(house: House) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """The real client, which has an HTTP library of its own."""
    transport = httpx2.ASGITransport(house.app())
    async with httpx2.AsyncClient(transport=transport) as http:
        yield anthropic.AsyncAnthropic(
            api_key="none", base_url=BASE, http_client=http, max_retries=0
        )


def prompt_of(house: House) -> ChatPrompt:
    prompt = house.inference.asked[-1][1].sequences[0].prompt
    assert isinstance(prompt, ChatPrompt)
    return prompt


def events_of(text: str) -> list[tuple[str, dict[str, Any]]]:
    """Every event, with the check that its name is its body's type."""
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        body = json.loads(data.removeprefix("data: "))
        assert name == f"event: {body['type']}"
        found.append((body["type"], body))
    return found


async def test_a_message_has_every_member(client: httpx.AsyncClient, house: House) -> None:
    response = await client.post(PATH, json=asked())
    assert response.status_code == 200
    assert response.json() == {
        "id": "msg_" + response.headers["x-request-id"],
        "type": "message",
        "role": "assistant",
        "model": MODEL,
        "content": [{"type": "text", "text": "one two three"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {
            "input_tokens": 3,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": 0,
            "output_tokens": 3,
        },
    }


async def test_turns_become_messages_of_a_template(client: httpx.AsyncClient, house: House) -> None:
    call = {"type": "tool_use", "id": "toolu_1", "name": "look", "input": {"at": "x"}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [text("seen")]}
    turns = [
        {"role": "user", "content": [text("look"), text("there")]},
        {
            "role": "assistant",
            "content": [{"type": "thinking", "thinking": "hm", "signature": ""}, text("ok"), call],
        },
        {"role": "user", "content": [text("and now?"), result]},
        {"role": "system", "content": [text("Hurry.")]},
    ]
    response = await client.post(PATH, json=asked(messages=turns, system=[text("Be brief.")]))
    assert response.status_code == 200, response.text
    function = {"name": "look", "arguments": {"at": "x"}}
    assert list(prompt_of(house).messages) == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "look\nthere"},
        {
            "role": "assistant",
            "content": "ok",
            "reasoning_content": "hm",
            "tool_calls": [{"id": "toolu_1", "type": "function", "function": function}],
        },
        {"role": "tool", "tool_call_id": "toolu_1", "content": "seen"},
        {"role": "user", "content": "and now?"},
        {"role": "system", "content": "Hurry."},
    ]


def text(said: str) -> dict[str, str]:
    return {"type": "text", "text": said}


@pytest.mark.parametrize(
    ("choice", "mode", "name", "parallel"),
    [
        (None, ToolMode.AUTO, None, True),
        ({"type": "auto", "disable_parallel_tool_use": True}, ToolMode.AUTO, None, False),
        ({"type": "any"}, ToolMode.REQUIRED, None, True),
        ({"type": "tool", "name": "look"}, ToolMode.NAMED, "look", True),
        ({"type": "none"}, ToolMode.NONE, None, True),
    ],
)
async def test_tool_choices_are_the_domains(  # noqa: PLR0917
    client: httpx.AsyncClient,
    house: House,
    choice: Any,
    mode: ToolMode,
    name: str | None,
    parallel: bool,
) -> None:
    response = await client.post(PATH, json=asked(tools=[TOOL], tool_choice=choice))
    assert response.status_code == 200, response.text
    use = prompt_of(house).use
    assert (use.mode, use.name, use.parallel) == (mode, name, parallel)
    function = {"name": "look", "description": "Looks.", "parameters": {"type": "object"}}
    assert list(use.tools) == [{"type": "function", "function": function}]


async def test_sampling_thinking_and_formats_reach_the_model(
    client: httpx.AsyncClient, house: House
) -> None:
    schema = {"type": "object"}
    config = {"format": {"type": "json_schema", "schema": schema}}
    body = asked(
        temperature=0.5, top_p=0.9, top_k=7, stop_sequences=["A", "B"], output_config=config,
        thinking={"type": "disabled"}, tools=[TOOL],
    )  # fmt: skip
    assert (await client.post(PATH, json=body)).status_code == 200
    sampling = house.inference.asked[-1][1].sequences[0].sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k) == (0.5, 0.9, 7)
    assert (sampling.max_tokens, sampling.stop) == (64, ("A", "B"))
    assert sampling.constraint == Constraint(Form.SCHEMA, schema)
    assert prompt_of(house).options == {"enable_thinking": False}


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


async def test_blocks_open_and_close_once_and_in_order(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts[MODEL] = Script(steps=LOOKS)
    response = await client.post(PATH, json=asked(stream=True, tools=[TOOL]))
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    told = events_of(response.text)
    names = [name for name, _ in told]
    assert names[:2] == ["message_start", "ping"]
    assert names[-2:] == ["message_delta", "message_stop"]
    open_block = None
    kinds = []
    for name, body in told[2:-2]:
        if name == "content_block_start":
            assert open_block is None
            open_block = body["index"]
            assert open_block == len(kinds)
            kinds.append(body["content_block"]["type"])
        else:
            assert body["index"] == open_block
            open_block = None if name == "content_block_stop" else open_block
    assert open_block is None
    assert kinds == ["thinking", "text", "tool_use", "tool_use"]
    assert told[-2][1]["delta"] == {"stop_reason": "tool_use", "stop_sequence": None}
    assert told[-2][1]["usage"]["output_tokens"] == 8


async def test_streamed_and_whole_are_equal_for_the_real_client(
    sdk: anthropic.AsyncAnthropic, house: House
) -> None:
    house.inference.scripts[MODEL] = Script(steps=LOOKS)
    ask: Any = {"model": MODEL, "max_tokens": 64, "messages": [USER], "tools": [TOOL]}
    whole = await sdk.messages.create(**ask)
    async with sdk.messages.stream(**ask) as stream:
        streamed = await stream.get_final_message()
    assert [block.type for block in whole.content] == ["thinking", "text", "tool_use", "tool_use"]
    assert streamed.model_dump(exclude={"id"}) == whole.model_dump(exclude={"id"})
    assert whole.content[2].model_dump(include={"name", "input"}) == {
        "name": "look",
        "input": {"at": "x"},
    }


@pytest.mark.parametrize(
    ("arguments", "read"),
    [("", {}), ('{"at', {}), ('{"at":"x","to":"y', {"at": "x"}), ('{"at":[1,2', {"at": [1, 2]})],
)
async def test_a_call_that_was_cut_off_is_what_the_client_reads_of_it(
    sdk: anthropic.AsyncAnthropic, house: House, arguments: str, read: dict[str, Any]
) -> None:
    call = [Tell(CallBegun(0, "call_a", "look")), Tell(CallArguments(0, arguments, 2))]
    house.inference.scripts[MODEL] = Script(steps=[*call, End(FinishReason.LENGTH)])
    ask: Any = {"model": MODEL, "max_tokens": 64, "messages": [USER], "tools": [TOOL]}
    whole = await sdk.messages.create(**ask)
    assert whole.stop_reason == "max_tokens"
    assert whole.content[0].model_dump()["input"] == read
    async with sdk.messages.stream(**ask) as stream:
        streamed = await stream.get_final_message()
    assert streamed.model_dump(exclude={"id"}) == whole.model_dump(exclude={"id"})


async def test_models_are_told_in_the_clients_own_shape(sdk: anthropic.AsyncAnthropic) -> None:
    listed = [model async for model in sdk.models.list()]
    assert MODEL in [model.id for model in listed]
    one = await sdk.models.retrieve(MODEL)
    assert (one.type, one.id, one.display_name) == ("model", MODEL, MODEL)
    assert one in listed
    assert one.created_at.tzinfo is not None


async def test_what_coding_agents_send_is_taken(client: httpx.AsyncClient, house: House) -> None:
    """Blocks to cache, thinking that adapts, and an edit of the context that edits nothing."""
    cached = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
    body = asked(
        system=[{**text("You help."), **cached}],
        messages=[{"role": "user", "content": [text("<note>"), {**text("hi"), **cached}]}],
        tools=[{**TOOL, **cached, "eager_input_streaming": True}],
        thinking={"type": "adaptive"},
        output_config={"effort": "medium"},
        metadata={"user_id": "user_1"},
        context_management={"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    )
    response = await client.post(f"{PATH}?beta=true", json=body, headers={"anthropic-beta": "a,b"})
    assert response.status_code == 200, response.text
    assert list(prompt_of(house).messages) == [
        {"role": "system", "content": "You help."},
        {"role": "user", "content": "<note>\nhi"},
    ]
    clears = {"edits": [{"type": "clear_tool_uses_20250919"}]}
    response = await client.post(PATH, json=asked(context_management=clears))
    assert (response.status_code, "context_management" in response.text) == (400, True)


async def test_a_stop_sequence_is_told(client: httpx.AsyncClient, house: House) -> None:
    end = Finished(FinishReason.STOP, 3, 1, cached_tokens=2, stop="END")
    house.inference.scripts[MODEL] = Script(steps=[Say("a"), Tell(end)])
    answer = (await client.post(PATH, json=asked())).json()
    assert (answer["stop_reason"], answer["stop_sequence"]) == ("stop_sequence", "END")
    assert answer["usage"]["input_tokens"] == 1
    assert answer["usage"]["cache_read_input_tokens"] == 2


async def test_tokens_are_counted_without_an_answer(
    client: httpx.AsyncClient, house: House
) -> None:
    response = await client.post(f"{PATH}/count_tokens", json={"model": MODEL, "messages": [USER]})
    assert response.json() == {"input_tokens": 3}
    assert house.inference.asked == []


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [USER, {"role": "assistant", "content": "I"}]}, "last message"),
        ({"messages": [{"role": "tool", "content": "x"}]}, "role"),
        ({"messages": [{"role": "user", "content": []}]}, "content"),
        ({"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "image"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "text"),
        ({"tools": [{"name": "a"}]}, "input_schema"),
        ({"tools": [TOOL, TOOL]}, "name of its own"),
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "type"),
        ({"tool_choice": {"type": "any"}}, "tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "b"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "maybe"}}, "tool_choice"),
        ({"temperature": 1.5}, "temperature"),
        ({"stop_sequences": ["x"] * 17}, "stop_sequences"),
        ({"stop_sequences": [""]}, "stop_sequences"),
        ({"thinking": {"type": "deeply"}}, "thinking"),
        ({"output_config": {"format": {"type": "xml"}}}, "output_config"),
        ({"mcp_servers": [{"url": "http://127.0.0.1"}]}, "mcp_servers"),
    ],
)
async def test_bad_requests_are_told_in_anthropics_shape(
    client: httpx.AsyncClient, fields: dict[str, Any], where: str
) -> None:
    response = await client.post(PATH, json=asked(**fields))
    assert response.status_code == 400, response.text
    body = response.json()
    assert (body["type"], body["error"]["type"]) == ("error", "invalid_request_error")
    assert where in body["error"]["message"]


async def test_errors_are_the_clients_own_exceptions(
    sdk: anthropic.AsyncAnthropic, house: House
) -> None:
    ask: Any = {"max_tokens": 8, "messages": [USER]}
    with pytest.raises(anthropic.NotFoundError):
        await sdk.messages.create(model="lab/none", **ask)
    house.inference.scripts[MODEL] = Script(opening=[QueueFull("Too many.", retry_after_s=2)])
    with pytest.raises(anthropic.RateLimitError) as full:
        await sdk.messages.create(model=MODEL, **ask)
    assert full.value.response.headers["retry-after"] == "2"


async def test_a_stream_that_breaks_off_ends_with_an_error_event(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts[MODEL] = Script(steps=[Say("a"), WorkerLost("Gone. Ask again.")])
    response = await client.post(PATH, json=asked(stream=True))
    *_, (name, body) = events_of(response.text)
    assert (name, body["error"]["type"]) == ("error", "api_error")
    assert "Gone" in body["error"]["message"]
