"""What ends other servers' workers is answered or refused in words and in time; it stays."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.e2e.asking import TINY, complete, refused
from tests.e2e.server import RunningServer

CHAT = "/v1/chat/completions"
LEGACY = "/v1/completions"
LONGEST_S = 60.0
"""For one request on a busy machine; each does bounded work."""


@pytest.fixture
def steady(tiny: RunningServer) -> Iterator[RunningServer]:
    """The server; the worker that answered before the test is the one that answers after it."""
    complete(tiny, "a", max_tokens=1)
    before = tiny.residency(TINY)["pid"]
    yield tiny
    assert tiny.residency(TINY)["pid"] == before


def chat(**fields: Any) -> dict[str, Any]:
    messages = [{"role": "user", "content": "hello"}]
    return {"model": TINY, "messages": messages, "max_tokens": 8, **fields}


def legacy(**fields: Any) -> dict[str, Any]:
    return {"model": TINY, "prompt": "hello", "max_tokens": 8, **fields}


def said(*content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": one} for one in content]}


def tool(name: str = "look", **function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name, **function}}


def schema(body: Any) -> dict[str, Any]:
    return {
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": body}}
    }


def nested(depth: int) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "integer"}
    for _ in range(depth):
        found = {"type": "object", "properties": {"a": found}, "required": ["a"]}
    return found


def post(server: RunningServer, path: str, body: dict[str, Any]) -> httpx.Response:
    """As text that is ASCII only, which can hold what is no Unicode; answered in time."""
    began = time.monotonic()
    response = httpx.post(
        server.url + path,
        content=json.dumps(body).encode(),
        headers={"content-type": "application/json"},
        timeout=100,
    )
    assert time.monotonic() - began < LONGEST_S
    return response


CONTROL = "<|im_start|><|im_end|><|pad|><|endoftext|><s></s><tool_call>{</think>[INST]"
EMOJI = "\N{ROCKET}" * 262_144

REFUSED = {
    "an empty list of prompts": (LEGACY, legacy(prompt=[])),
    "a list of empty texts": (LEGACY, legacy(prompt=["", ""])),
    "a list of empty token lists": (LEGACY, legacy(prompt=[[], []])),
    "a token outside the vocabulary": (LEGACY, legacy(prompt=[[5], [10**9]])),
    "a negative token": (LEGACY, legacy(prompt=[5, -5])),
    "one megabyte of one emoji": (CHAT, chat(**said(EMOJI))),
    "one megabyte of one emoji as a prompt": (LEGACY, legacy(prompt=EMOJI)),
    "half a surrogate pair": (CHAT, chat(**said("a\ud83d"))),
    "half a surrogate pair in a stop": (CHAT, chat(stop=["\udc00"])),
    "half a surrogate pair in a choice": (CHAT, chat(guided_choice=["\ud800"])),
    "a negative n": (CHAT, chat(n=-1)),
    "a huge n": (CHAT, chat(n=10**12)),
    "five stops": (CHAT, chat(stop=list("abcde"))),
    "a temperature that is no number": (CHAT, chat(temperature=float("nan"))),
    "a bias that is no number": (CHAT, chat(logit_bias={"5": float("nan")})),
    "a number that is none, deep in a schema": (CHAT, chat(**schema({"maximum": float("nan")}))),
    "an endless number, deep in a tool": (
        CHAT,
        chat(tools=[tool(parameters={"maximum": float("inf")})]),
    ),
    "an image": (
        CHAT,
        chat(**said([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}])),
    ),
    "a tool whose parameters are no schema": (
        CHAT,
        chat(tools=[tool(parameters={"type": 5})], tool_choice="required"),
    ),
    "a tool whose schema refers to nothing": (
        CHAT,
        chat(tools=[tool(parameters={"$ref": "#/nowhere"})], tool_choice="required"),
    ),
    "a schema of no known type": (CHAT, chat(**schema({"type": "poem"}))),
    "a pattern that does not parse": (CHAT, chat(guided_regex="(((")),
    "a grammar that does not parse": (CHAT, chat(guided_grammar="start: (((")),
}
ENDURED = {
    "half a surrogate pair in a call's arguments": (
        CHAT,
        chat(
            messages=[
                {
                    "role": "assistant",
                    "tool_calls": [
                        {"id": "c", "function": {"name": "f", "arguments": '{"a": "\\ud800"}'}}
                    ],
                }
            ]
        ),
    ),
    "control tokens as text": (CHAT, chat(**said(CONTROL * 20, CONTROL))),
    "control tokens everywhere": (
        CHAT,
        chat(
            messages=[{"role": "user", "content": CONTROL, "name": CONTROL}],
            stop=[CONTROL],
            chat_template_kwargs={"x": CONTROL},
        ),
    ),
    "every control character": (CHAT, chat(**said("".join(map(chr, range(32)))))),
    "a bias for a token outside the vocabulary": (CHAT, chat(logit_bias={"99999": 5})),
    "the largest biases": (
        CHAT,
        chat(logit_bias={str(token): -100 for token in range(320)}, temperature=2),
    ),
    "extreme penalties": (
        LEGACY,
        legacy(presence_penalty=2, frequency_penalty=-2, repetition_penalty=1e-9, min_p=1, top_k=1),
    ),
    "everything told of everything": (
        LEGACY,
        legacy(prompt="x" * 2000, echo=True, logprobs=20, max_tokens=0),
    ),
    "a schema that refers to itself": (CHAT, chat(**schema({"$ref": "#"}))),
    "a schema that nothing can obey": (
        CHAT,
        chat(**schema({"type": "integer", "minimum": 5, "maximum": 1})),
    ),
    "a deep schema": (CHAT, chat(**schema(nested(60)))),
    "a huge enumeration": (
        CHAT,
        chat(**schema({"enum": [f"value {number}" for number in range(50_000)]})),
    ),
    "a thousand optional members": (
        CHAT,
        chat(**schema({"properties": {f"p{i}": {"type": "integer"} for i in range(1000)}})),
    ),
    "a length beyond all bounds": (
        CHAT,
        chat(**schema({"type": "string", "minLength": 10**9, "maxLength": 10**9})),
    ),
    "a pattern that backtracks without end": (CHAT, chat(guided_regex="(a+)+(a|a)*(a?){50}b$")),
    "a pattern of counters in counters": (CHAT, chat(guided_regex="((a{1000}){1000}){1000}")),
    "choices that differ at their ends": (
        CHAT,
        chat(guided_choice=["a" * 500 + str(number) for number in range(1000)]),
    ),
    "128 tools, each with a deep schema, forced": (
        CHAT,
        chat(
            tools=[tool(f"f{i}", parameters=nested(20)) for i in range(128)],
            tool_choice="required",
        ),
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_done_is_a_400(steady: RunningServer, name: str) -> None:
    path, body = REFUSED[name]
    response = post(steady, path, body)
    assert response.status_code == 400, response.text
    refused(response, 400, response.json()["error"]["code"])


@pytest.mark.parametrize("name", ENDURED)
def test_what_can_be_done_is_answered_or_refused(steady: RunningServer, name: str) -> None:
    path, body = ENDURED[name]
    response = post(steady, path, body)
    if response.status_code == 200:
        assert response.json()["choices"][0]["finish_reason"]
    else:
        refused(response, 400, response.json()["error"]["code"])


def test_an_image_of_a_hundred_megabytes_is_refused_by_its_size(steady: RunningServer) -> None:
    image = "data:image/png;base64," + "A" * (100 << 20)
    part = {"type": "image_url", "image_url": {"url": image}}
    refused(post(steady, CHAT, chat(**said([part]))), 413, "request_too_large")
