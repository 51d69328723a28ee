"""What clients send on /v1 and what the use case is asked, or why not."""

import json
from typing import Any

import httpx
import pytest

from app.domain.generation import (
    ChatPrompt,
    InferenceRequest,
    Sampling,
    TextPrompt,
    TokenPrompt,
)
from tests.fakes.house import House, assert_openai_error, chat

CHAT = "/v1/chat/completions"
LEGACY = "/v1/completions"


def legacy(prompt: Any = "one two", **fields: Any) -> dict[str, Any]:
    return {"model": "lab/echo", "prompt": prompt, **fields}


async def asked(client: httpx.AsyncClient, house: House, path: str, body: Any) -> InferenceRequest:
    response = await client.post(path, json=body)
    assert response.status_code == 200, response.text
    return house.inference.asked[-1][1]


NULLS = dict.fromkeys(
    [
        "stream", "stream_options", "n", "stop", "seed", "temperature", "top_p", "max_tokens",
        "max_completion_tokens", "response_format", "tools", "tool_choice", "logprobs",
        "top_logprobs", "logit_bias", "presence_penalty", "frequency_penalty", "user", "metadata",
        "store", "service_tier", "functions", "modalities", "audio",
    ]
)  # fmt: skip
IGNORED = {
    "user": "u1", "metadata": {"a": "b"}, "store": True, "service_tier": "auto", "ttl": 60,
    "unheard_of": [{"deep": [1]}], "tools": [], "tool_choice": "none", "logprobs": False,
    "logit_bias": {}, "presence_penalty": 0, "frequency_penalty": 0.0, "best_of": 1,
    "response_format": {"type": "text"}, "parallel_tool_calls": True, "top_k": 0, "min_p": 0.0,
    "repeat_penalty": 1.0, "modalities": ["text"], "echo": False, "suffix": "",
}  # fmt: skip


@pytest.mark.parametrize("extra", [{}, NULLS, IGNORED], ids=["none", "nulls", "harmless"])
async def test_nulls_defaults_and_unknown_fields_ask_for_the_same(
    extra: dict[str, Any], client: httpx.AsyncClient, house: House
) -> None:
    request = await asked(client, house, CHAT, chat(**extra))
    assert [sequence.sampling for sequence in request.sequences] == [Sampling()]
    request = await asked(client, house, LEGACY, legacy(**extra))
    assert [sequence.sampling for sequence in request.sequences] == [Sampling(max_tokens=16)]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"temperature": 0}, Sampling(temperature=0.0)),
        ({"temperature": 2}, Sampling(temperature=2.0)),
        ({"top_p": 0.5}, Sampling(top_p=0.5)),
        ({"top_p": 0}, Sampling(top_p=1e-6)),
        ({"seed": 7}, Sampling(seed=7)),
        ({"seed": -(2**63)}, Sampling(seed=-(2**63))),
        ({"stop": "END"}, Sampling(stop=("END",))),
        ({"stop": ["a", "b", "c", "d"]}, Sampling(stop=("a", "b", "c", "d"))),
        ({"stop": []}, Sampling()),
        ({"max_tokens": 5}, Sampling(max_tokens=5)),
        ({"max_tokens": -1}, Sampling()),
        ({"max_completion_tokens": 6}, Sampling(max_tokens=6)),
        ({"max_tokens": 5, "max_completion_tokens": 6}, Sampling(max_tokens=6)),
        ({"max_tokens": 5, "max_completion_tokens": -1}, Sampling()),
        ({"top_k": 40}, Sampling(top_k=40)),
        ({"top_k": -1}, Sampling()),
        ({"min_p": 0.1}, Sampling(min_p=0.1)),
        ({"presence_penalty": -2}, Sampling(presence_penalty=-2.0)),
        ({"frequency_penalty": 2}, Sampling(frequency_penalty=2.0)),
        ({"repetition_penalty": 1.1}, Sampling(repetition_penalty=1.1)),
        ({"repeat_penalty": 1.1}, Sampling(repetition_penalty=1.1)),
        ({"repeat_penalty": 1.1, "repetition_penalty": 1.1}, Sampling(repetition_penalty=1.1)),
        ({"logit_bias": {"5": -100, "0": 1.5}}, Sampling(logit_bias=((5, -100.0), (0, 1.5)))),
        ({"logprobs": True}, Sampling(logprobs=0)),
        ({"logprobs": True, "top_logprobs": 20}, Sampling(logprobs=20)),
    ],
)
async def test_sampling_is_what_was_asked(
    fields: dict[str, Any], expected: Sampling, client: httpx.AsyncClient, house: House
) -> None:
    request = await asked(client, house, CHAT, chat(**fields))
    assert request.sequences[0].sampling == expected


async def test_messages_become_roles_and_text(client: httpx.AsyncClient, house: House) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    messages = [
        {"role": "developer", "content": "d", "name": "x"},
        {"role": "system", "content": "s"},
        {"role": "user", "content": parts},
        {"role": "assistant", "content": "a", "tool_calls": [], "refusal": None},
        {"role": "tool", "content": [{"type": "text", "text": "t"}], "tool_call_id": "c1"},
    ]
    request = await asked(client, house, CHAT, {"model": "lab/echo", "messages": messages})
    assert request.sequences[0].prompt == ChatPrompt(
        (
            {"role": "system", "content": "d", "name": "x"},
            {"role": "system", "content": "s"},
            {"role": "user", "content": "one\ntwo"},
            {"role": "assistant", "content": "a"},
            {"role": "tool", "content": "t", "tool_call_id": "c1"},
        )
    )


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("one two", [TextPrompt("one two")]),
        (["one", "two"], [TextPrompt("one"), TextPrompt("two")]),
        ([5, 6, 7], [TokenPrompt((5, 6, 7))]),
        ([[5, 6], [7]], [TokenPrompt((5, 6)), TokenPrompt((7,))]),
    ],
)
async def test_a_legacy_prompt_has_four_shapes(
    prompt: Any, expected: list[Any], client: httpx.AsyncClient, house: House
) -> None:
    request = await asked(client, house, LEGACY, legacy(prompt))
    assert [sequence.prompt for sequence in request.sequences] == expected


def usage(prompt: int, completion: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0},
    }


async def test_choices_are_grouped_by_prompt_and_seeded_apart(
    client: httpx.AsyncClient, house: House
) -> None:
    body = legacy(["a b c", "d"], n=2, seed=2**63 - 1)
    response = await client.post(LEGACY, json=body)
    request = house.inference.asked[-1][1]
    first, second = TextPrompt("a b c"), TextPrompt("d")
    assert [s.prompt for s in request.sequences] == [first, first, second, second]
    assert [s.sampling.seed for s in request.sequences] == [2**63 - 1, -(2**63)] * 2
    assert len({s.id for s in request.sequences}) == 4
    answer = response.json()
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2, 3]
    assert [choice["text"] for choice in answer["choices"]] == ["a b c", "a b c", "d", "d"]
    assert answer["usage"] == usage(4, 8)


async def test_an_answer_has_every_member(client: httpx.AsyncClient, house: House) -> None:
    response = await client.post(CHAT, json=chat("one two three", max_tokens=2))
    answer = response.json()
    assert isinstance(answer.pop("created"), int)
    assert answer == {
        "id": "chatcmpl-" + response.headers["x-request-id"],
        "object": "chat.completion",
        "model": "lab/echo",
        "system_fingerprint": "fp_abababababababab",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "one two", "refusal": None},
                "logprobs": None,
                "finish_reason": "length",
            }
        ],
        "usage": usage(3, 2),
    }
    assert house.inference.asked[-1][1].request_id == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        (CHAT, {"messages": []}, "messages"),
        (CHAT, {"messages": None}, "messages"),
        (CHAT, {"messages": "hi"}, "messages"),
        (CHAT, {"messages": [{"role": "wizard", "content": "x"}]}, "messages[0].role"),
        (CHAT, {"messages": [{"content": "x"}]}, "messages[0].role"),
        (CHAT, {"messages": [{"role": "user"}]}, "messages[0].content"),
        (CHAT, {"messages": [{"role": "user", "content": None}]}, "messages[0].content"),
        (CHAT, {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        (CHAT, {"messages": [{"role": "user", "content": []}]}, "messages[0].content"),
        (CHAT, {"messages": [{"role": "user", "content": ["a"]}]}, "messages[0].content[0]"),
        (CHAT, {"stop": {}}, "stop"),
        (CHAT, {"stop": [5]}, "stop"),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
            "messages[0].content[0].type",
        ),
        (
            CHAT,
            {"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]},
            "messages[0].content[0].text",
        ),
        (
            CHAT,
            {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"id": "c"}]}]},
            "messages[0].tool_calls[0]",
        ),
        (CHAT, {"model": None}, "model"),
        (CHAT, {"model": ""}, "model"),
        (CHAT, {"n": 0}, "n"),
        (CHAT, {"n": 9}, "n"),
        (CHAT, {"n": True}, "n"),
        (CHAT, {"temperature": 2.1}, "temperature"),
        (CHAT, {"temperature": -0.1}, "temperature"),
        (CHAT, {"temperature": "warm"}, "temperature"),
        (CHAT, {"top_p": 1.1}, "top_p"),
        (CHAT, {"max_tokens": 0}, "max_tokens"),
        (CHAT, {"max_tokens": -2}, "max_tokens"),
        (CHAT, {"max_tokens": 0, "max_completion_tokens": 5}, "max_tokens"),
        (CHAT, {"max_completion_tokens": 0}, "max_completion_tokens"),
        (CHAT, {"seed": 2**63}, "seed"),
        (CHAT, {"seed": 1.5}, "seed"),
        (CHAT, {"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        (CHAT, {"stop": ""}, "stop"),
        (CHAT, {"stop": ["a", ""]}, "stop"),
        (CHAT, {"stream": "yes"}, "stream"),
        (CHAT, {"stream_options": {"include_usage": True}}, "stream_options"),
        (CHAT, {"response_format": {"type": "poem"}}, "response_format.type"),
        (CHAT, {"response_format": {}}, "response_format.type"),
        (CHAT, {"response_format": "json"}, "response_format.type"),
        (CHAT, {"tool_choice": "required"}, "tool_choice"),
        (CHAT, {"top_logprobs": 3}, "top_logprobs"),
        (CHAT, {"top_logprobs": 3, "logprobs": False}, "top_logprobs"),
        (CHAT, {"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        (CHAT, {"top_logprobs": -1, "logprobs": True}, "top_logprobs"),
        (CHAT, {"logprobs": 1}, "logprobs"),
        (CHAT, {"logit_bias": {"5": 101}}, "logit_bias"),
        (CHAT, {"logit_bias": {"5": True}}, "logit_bias"),
        (CHAT, {"logit_bias": {"05": 1}}, "logit_bias"),
        (CHAT, {"logit_bias": {"-1": 1}}, "logit_bias"),
        (CHAT, {"logit_bias": {"the": 1}}, "logit_bias"),
        (CHAT, {"logit_bias": {str(2**31): 1}}, "logit_bias"),
        (CHAT, {"logit_bias": {str(i): 1 for i in range(1025)}}, "logit_bias"),
        (CHAT, {"logit_bias": [[5, 1]]}, "logit_bias"),
        (CHAT, {"presence_penalty": 2.1}, "presence_penalty"),
        (CHAT, {"frequency_penalty": -2.1}, "frequency_penalty"),
        (CHAT, {"repetition_penalty": 0}, "repetition_penalty"),
        (CHAT, {"repetition_penalty": 1e-39}, "repetition_penalty"),
        (CHAT, {"repeat_penalty": 2.1}, "repeat_penalty"),
        (CHAT, {"repeat_penalty": 1.1, "repetition_penalty": 1.2}, "repeat_penalty"),
        (CHAT, {"top_k": -2}, "top_k"),
        (CHAT, {"min_p": 1.1}, "min_p"),
        (CHAT, {"reasoning_effort": "heroic"}, "reasoning_effort"),
        (CHAT, {"reasoning": {"effort": "low"}, "reasoning_effort": "high"}, "reasoning.effort"),
        (CHAT, {"reasoning": {"max_tokens": 5}}, "reasoning.max_tokens"),
        (CHAT, {"chat_template_kwargs": {"messages": []}}, "chat_template_kwargs.messages"),
        (CHAT, {"chat_template_kwargs": ["a"]}, "chat_template_kwargs"),
        (
            CHAT,
            {"stream": True, "stream_options": {"continuous_usage_stats": True}},
            "stream_options.continuous_usage_stats",
        ),
        (CHAT, {"modalities": ["text", "audio"]}, "modalities"),
        (LEGACY, {"prompt": ""}, "prompt"),
        (LEGACY, {"prompt": []}, "prompt"),
        (LEGACY, {"prompt": None}, "prompt"),
        (LEGACY, {"prompt": [""]}, "prompt[0]"),
        (LEGACY, {"prompt": ["a", 5]}, "prompt[1]"),
        (LEGACY, {"prompt": [5, "a"]}, "prompt"),
        (LEGACY, {"prompt": [[]]}, "prompt[0]"),
        (LEGACY, {"prompt": [-1]}, "prompt"),
        (LEGACY, {"prompt": [2**31]}, "prompt"),
        (LEGACY, {"prompt": [True]}, "prompt[0]"),
        (LEGACY, {"prompt": {"a": 1}}, "prompt"),
        (LEGACY, {"prompt": ["a"] * 33}, "prompt"),
        (LEGACY, {"prompt": ["a"] * 5, "n": 8}, "n"),
        (LEGACY, {"best_of": 3}, "best_of"),
        (LEGACY, {"best_of": 1, "n": 2}, "best_of"),
        (LEGACY, {"logprobs": 21}, "logprobs"),
        (LEGACY, {"logprobs": True}, "logprobs"),
        (LEGACY, {"max_tokens": 0}, "max_tokens"),
        (LEGACY, {"max_tokens": 0, "echo": False}, "max_tokens"),
    ],
    ids=lambda value: json.dumps(value)[:60],
)
async def test_what_cannot_be_done_as_asked_is_refused_by_name(
    path: str, fields: dict[str, Any], param: str, client: httpx.AsyncClient, house: House
) -> None:
    body = (chat() if path == CHAT else legacy()) | fields
    response = await client.post(path, json=body)
    error = assert_openai_error(response, 400)
    assert error["param"] == param
    assert param in error["message"]
    assert error["type"] == "invalid_request_error"
    assert house.inference.asked == []


@pytest.mark.parametrize("missing", ["model", "messages"])
async def test_a_missing_field_is_named(missing: str, client: httpx.AsyncClient) -> None:
    body = chat()
    del body[missing]
    error = assert_openai_error(await client.post(CHAT, json=body), 400)
    assert error["param"] == missing


async def test_an_unknown_model_is_404_and_recorded(
    client: httpx.AsyncClient, house: House
) -> None:
    error = assert_openai_error(await client.post(CHAT, json=chat() | {"model": "no/pe"}), 404)
    assert (error["code"], error["param"]) == ("model_not_found", "model")
    assert house.refusals.recorded[0][:3] == ("anonymous", "model_not_found", "no/pe")
