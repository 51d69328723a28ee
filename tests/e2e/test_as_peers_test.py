"""What other servers' own suites ask of this protocol, asked of ours over the wire."""

import json
import socket
import time
from collections import Counter
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.asking import TINY, chat, complete, openai, post, refused, until
from tests.e2e.server import RunningServer

STARTER = "lmx/starter"
WEATHER = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "maxLength": 3}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}


def test_prompts_times_n_are_choices_in_the_prompts_order(tiny: RunningServer) -> None:
    asked: Any = {"max_tokens": 4, "temperature": 0, "n": 2, "echo": True}
    choices = complete(tiny, ["one", "two"], **asked)["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2, 3]
    texts = [choice["text"] for choice in choices]
    assert texts[0] == texts[1] == complete(tiny, "one", **asked)["choices"][0]["text"]
    assert texts[2] == texts[3]
    assert texts[2].startswith("two")


def test_streamed_choices_each_end_once_and_after_their_text(tiny: RunningServer) -> None:
    with openai(tiny) as client:
        stream = client.completions.create(
            model=TINY, prompt=["a", "b"], n=2, max_tokens=6, temperature=1, stream=True
        )
        chunks = [chunk.choices[0] for chunk in stream]
    ends = Counter(choice.index for choice in chunks if choice.finish_reason)
    assert ends == {0: 1, 1: 1, 2: 1, 3: 1}
    for index in range(4):
        assert [c.finish_reason for c in chunks if c.index == index][-1] == "length"


def test_a_bias_of_100_makes_every_token_that_one(tiny: RunningServer) -> None:
    text = complete(tiny, "go", max_tokens=5, logit_bias={"65": 100})["choices"][0]["text"]
    (letter,) = set(text)
    assert text == letter * 5
    without = complete(tiny, "go", max_tokens=5, temperature=0, logit_bias={"65": -100})
    assert letter not in without["choices"][0]["text"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs"),
        ({"tool_choice": {"type": "function", "function": {"name": "weather"}}}, "tool_choice"),
        ({"tools": [WEATHER], "tool_choice": "weather"}, "tool_choice"),
        ({"seed": 2**80}, "seed"),
        ({"response_format": {"type": "xml"}}, "response_format"),
    ],
)
def test_what_peers_refuse_is_refused_by_name(
    tiny: RunningServer, asked: dict[str, Any], field: str
) -> None:
    error = refused(chat(tiny, "hello", **asked), 400, "invalid_request")
    assert str(error["param"]).startswith(field)


def test_no_alternatives_are_still_log_probabilities(tiny: RunningServer) -> None:
    asked: Any = {"max_tokens": 3, "logprobs": True, "top_logprobs": 0}
    told = chat(tiny, "hello", **asked).json()["choices"][0]["logprobs"]["content"]
    assert [entry["top_logprobs"] for entry in told] == [[], [], []]


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_beyond_the_context_is_a_refusal_and_no_stream(
    tiny: RunningServer, stream: bool
) -> None:
    response = chat(tiny, "word " * 9000, stream=stream)
    error = refused(response, 400, "context_length_exceeded")
    assert error["param"] == "messages"
    assert response.headers["content-type"] == "application/json"


def test_a_hundred_callers_that_leave_take_nothing_with_them(tiny: RunningServer) -> None:
    for _ in range(100):
        _leave(tiny)
    # While it has not yet seen that they left, their places in the queue are taken: a 429.
    until(lambda: chat(tiny, "hello", max_tokens=2).status_code == 200)
    until(lambda: tiny.residency(TINY)["active"] == tiny.residency(TINY)["queued"] == 0)


def _leave(server: RunningServer) -> None:
    at = urlsplit(server.url)
    body = json.dumps({"model": TINY, "prompt": "go", "max_tokens": 8000, "stream": True}).encode()
    with socket.create_connection((at.hostname or "", at.port or 0)) as connection:
        head = f"POST /v1/completions HTTP/1.1\r\nHost: {at.netloc}\r\n"
        connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)


def test_an_evaluation_finds_one_entry_more_than_its_prompt_has_tokens(tiny: RunningServer) -> None:
    """Harnesses ask for one token and drop the last entry, also where that token ends the text."""
    (end,) = post(tiny, "/v1/tokenize", {"model": STARTER, "prompt": "<|end|>"}).json()["tokens"]
    prompt = post(tiny, "/v1/tokenize", {"model": STARTER, "prompt": "A grant is"}).json()["tokens"]
    asked: Any = {"model": STARTER, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
    for bias in ({}, {str(end): 100}):
        choice = complete(tiny, prompt, **asked, logit_bias=bias)["choices"][0]
        told = choice["logprobs"]
        assert [len(told[name]) for name in told] == [len(prompt) + 1] * 4
        assert (told["token_logprobs"][0], told["top_logprobs"][0]) == (None, None)
        assert "".join(told["tokens"]) == choice["text"]
        assert choice["finish_reason"] == ("stop" if bias else "length")
        for token, number, top in zip(
            told["tokens"][1:], told["token_logprobs"][1:], told["top_logprobs"][1:], strict=True
        ):
            assert top[token] == number <= max(top.values())


@pytest.mark.parametrize("limit", [3, 30, 60])
def test_a_forced_call_that_is_cut_leaves_no_text(tiny: RunningServer, limit: int) -> None:
    asked: Any = {"tools": [WEATHER], "tool_choice": "required", "max_tokens": limit}
    choice = chat(tiny, "hello", model=STARTER, **asked).json()["choices"][0]
    assert not choice["message"]["content"]
    answer = post(
        tiny,
        "/v1/messages",
        {
            "model": STARTER,
            "max_tokens": limit,
            "messages": [{"role": "user", "content": "hello"}],
            "tools": [{"name": "weather", "input_schema": WEATHER["function"]["parameters"]}],
            "tool_choice": {"type": "any"},
        },
    )
    assert answer.status_code == 200, answer.text
    assert {block["type"] for block in answer.json()["content"]} <= {"tool_use"}


def test_one_connection_carries_refusals_heads_and_answers(tiny: RunningServer) -> None:
    ports = []

    def note(response: httpx.Response) -> None:
        ports.append(response.extensions["network_stream"].get_extra_info("client_addr"))

    kept = httpx.Limits(keepalive_expiry=60)
    hooks = {"response": [note]}
    with httpx.Client(base_url=tiny.url, timeout=60, event_hooks=hooks, limits=kept) as client:
        assert client.head("/").status_code == 200
        time.sleep(6)  # longer than the web server's own default, shorter than clients' pools wait
        assert client.post("/v1/chat/completions", content=b"{").status_code == 400
        assert client.get("/v1/nothing").status_code == 404
        body = json.dumps({"model": TINY, "prompt": "go", "max_tokens": 2}).encode()
        in_chunks = iter([body[:9], body[9:]])
        assert client.post("/v1/completions", content=in_chunks).status_code == 200
        large = {"x-large": "a" * 30_000, "authorization": "Basic bm86bm8="}
        assert client.get(f"/v1/models/{TINY}", headers=large).json()["id"] == TINY
        assert client.head(f"/v1/models/{TINY}").content == b""
        assert client.get(f"{tiny.url}//v1//models").status_code == 200
    assert len(ports) == 7
    assert len(set(ports)) == 1
