"""The official client works unchanged, and does not repeat what repeating won't cure."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import httpx
import openai as sdk
import pytest
from openai import OpenAI
from pydantic import BaseModel

from tests.e2e.asking import TINY, edit, openai, stored_weights
from tests.e2e.server import RunningServer
from tests.models import tiny_model

HELLO: Any = {"model": TINY, "messages": [{"role": "user", "content": "hello"}]}


class Weather(BaseModel):
    """Small enough that even random weights come to its end."""

    sky: Literal["clear", "grey"]
    warm: bool


TOOLS: Any = [
    sdk.pydantic_function_tool(Weather, name="tell_weather"),
    {"type": "function", "function": {"name": "wait", "parameters": {"enum": [{}]}}},
]


@pytest.fixture
def client(tiny: RunningServer) -> Iterator[OpenAI]:
    with openai(tiny) as made:
        yield made


@pytest.fixture
def persistent(tiny: RunningServer) -> Iterator[OpenAI]:
    """A client that would repeat a request twice."""
    with openai(tiny, retries=2) as made:
        yield made


def test_models_are_listed_and_retrieved_by_ids_with_slashes(
    tiny: RunningServer, client: OpenAI
) -> None:
    listed = {model.id: model for model in client.models.list()}
    assert {TINY, "lmx/starter"} <= set(listed)
    one = client.models.retrieve(TINY)
    assert (one.id, one.object, one.created) == (TINY, "model", listed[TINY].created)
    escaped = httpx.get(f"{tiny.url}/v1/models/tests%2Ftiny").json()
    assert escaped["id"] == TINY


def test_a_model_tells_what_it_is_and_whether_it_is_loaded(client: OpenAI) -> None:
    client.completions.create(model=TINY, prompt="a", max_tokens=1)
    told = client.models.retrieve(TINY).model_extra or {}
    assert (told["state"], told["context"], told["max_context"]) == ("loaded", 8192, 8192)
    assert (told["format"], told["task"], told["quantization"]) == ("mlx", "generate", None)
    assert len(told["digest"]) == 64
    assert told["size_bytes"] > 10_000


def test_a_chat_is_answered(client: OpenAI) -> None:
    answer = client.chat.completions.create(
        model=TINY, messages=[{"role": "user", "content": "hello"}], max_completion_tokens=6, n=2
    )
    assert answer.object == "chat.completion"
    assert [choice.index for choice in answer.choices] == [0, 1]
    assert all(choice.message.role == "assistant" for choice in answer.choices)
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 12


def test_a_chat_is_streamed_and_ends_with_its_usage(client: OpenAI) -> None:
    stream = client.chat.completions.create(
        model=TINY,
        messages=[{"role": "user", "content": "hello"}],
        max_tokens=40,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 40
    assert all(chunk.usage is None for chunk in chunks[:-1])
    reasons = [c.choices[0].finish_reason for c in chunks[:-1] if c.choices[0].finish_reason]
    assert reasons == ["length"]
    assert len({chunk.id for chunk in chunks}) == 1


def test_a_completion_is_answered_and_streamed(client: OpenAI) -> None:
    answer = client.completions.create(model=TINY, prompt="go", max_tokens=9, seed=3)
    pieces = client.completions.create(model=TINY, prompt="go", max_tokens=9, seed=3, stream=True)
    assert "".join(p.choices[0].text for p in pieces if p.choices) == answer.choices[0].text


def test_log_probabilities_join_to_the_text_streamed_or_not(client: OpenAI) -> None:
    asked: Any = HELLO | {"max_tokens": 12, "seed": 5, "logprobs": True, "top_logprobs": 3}
    (choice,) = client.chat.completions.create(**asked).choices
    assert choice.logprobs is not None
    entries = choice.logprobs.content or []
    assert len(entries) == 12
    assert b"".join(bytes(e.bytes or ()) for e in entries).decode() == choice.message.content
    for entry in entries:
        assert entry.logprob <= 0
        told = [top.logprob for top in entry.top_logprobs]
        assert told == sorted(told, reverse=True)
        assert len(told) == 3
    streamed = [
        entry
        for chunk in client.chat.completions.create(**asked, stream=True)
        for logprobs in [chunk.choices[0].logprobs]
        for entry in (logprobs and logprobs.content) or []
    ]
    assert [entry.bytes for entry in streamed] == [entry.bytes for entry in entries]


def test_a_completion_echoes_its_prompt_with_log_probabilities(client: OpenAI) -> None:
    answer = client.completions.create(
        model=TINY, prompt="go on", max_tokens=0, echo=True, logprobs=1
    )
    (choice,) = answer.choices
    assert choice.text == "go on"
    assert choice.logprobs is not None
    assert "".join(choice.logprobs.tokens or ()) == "go on"
    first, *rest = choice.logprobs.token_logprobs or ()
    assert first is None
    assert all(value <= 0 for value in rest)
    assert (choice.logprobs.text_offset or [])[0] == 0


def test_an_answer_is_parsed_into_the_callers_own_class(client: OpenAI) -> None:
    for seed in range(3):
        parsed = client.chat.completions.parse(
            **HELLO, response_format=Weather, max_tokens=200, seed=seed, temperature=1.5
        )
        (choice,) = parsed.choices
        assert choice.finish_reason == "stop"
        assert isinstance(choice.message.parsed, Weather)


def test_the_stream_helper_parses_what_came(client: OpenAI) -> None:
    with client.chat.completions.stream(
        **HELLO, response_format=Weather, max_tokens=200, seed=4
    ) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed, Weather)
    assert {"chunk", "content.delta", "content.done"} <= set(kinds)


def test_a_forced_call_has_arguments_that_the_schema_allows(client: OpenAI) -> None:
    named: Any = {"type": "function", "function": {"name": "tell_weather"}}
    parsed = client.chat.completions.parse(
        **HELLO, tools=TOOLS[:1], tool_choice=named, max_tokens=200, seed=1
    )
    (choice,) = parsed.choices
    assert choice.message.content is None
    (call,) = choice.message.tool_calls or ()
    assert isinstance(call.function.parsed_arguments, Weather)
    required = client.chat.completions.create(
        **HELLO, tools=TOOLS, tool_choice="required", parallel_tool_calls=False, max_tokens=200
    )
    (choice_of_one,) = required.choices
    assert choice_of_one.finish_reason == "tool_calls"
    (one,) = choice_of_one.message.tool_calls or ()
    assert one.type == "function"
    assert one.function.name in ("tell_weather", "wait")
    json.loads(one.function.arguments)


def test_a_forced_call_is_streamed_as_the_helper_expects(client: OpenAI) -> None:
    asked: Any = HELLO | {
        "tools": TOOLS[:1], "tool_choice": "required", "parallel_tool_calls": False,
        "max_tokens": 200, "seed": 2,
    }  # fmt: skip
    with client.chat.completions.stream(**asked) as stream:
        done = [e for e in stream if e.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()
    assert [event.name for event in done] == ["tell_weather"]
    (call,) = final.choices[0].message.tool_calls or ()
    assert call.id
    whole = client.chat.completions.create(**asked).choices[0].message.tool_calls or ()
    assert [one.function.arguments for one in whole] == [call.function.arguments]


def test_the_raw_response_shows_the_request_id(client: OpenAI) -> None:
    raw = client.chat.completions.with_raw_response.create(
        model=TINY, messages=[{"role": "user", "content": "hello"}], max_tokens=2
    )
    assert raw.headers["content-type"] == "application/json"
    assert raw.headers["x-request-id"]
    assert raw.parse().choices[0].finish_reason == "length"
    assert raw.request_id == raw.headers["x-request-id"]


def test_errors_are_the_clients_own_exceptions(client: OpenAI) -> None:
    with pytest.raises(sdk.NotFoundError) as missing:
        client.models.retrieve("nobody/nothing")
    assert missing.value.code == "model_not_found"
    with pytest.raises(sdk.BadRequestError) as long:
        client.completions.create(model=TINY, prompt="x y " * 4000)
    assert (long.value.code, long.value.param) == ("context_length_exceeded", "prompt")


def asked(server: RunningServer, status: int) -> int:
    """How many legacy completions the server has answered so."""
    counted = re.findall(
        rf'lmx_requests_total{{method="POST",route="/v1/completions",status="{status}"}} (\S+)',
        httpx.get(f"{server.url}/metrics").text,
    )
    return int(float(counted[0])) if counted else 0


def test_a_refusal_that_retrying_wont_cure_is_asked_for_once(
    tiny: RunningServer, persistent: OpenAI, tmp_path: Path
) -> None:
    name = "tests/edited"
    tiny.import_model(tiny_model(tmp_path / "model", seed=9), name)
    edit(stored_weights(tiny, name))
    before = asked(tiny, 409)
    with pytest.raises(sdk.ConflictError) as refused:
        persistent.completions.create(model=name, prompt="a", max_tokens=1)
    assert refused.value.code == "digest_mismatch"
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert asked(tiny, 409) == before + 1


def test_an_error_after_the_first_byte_is_the_clients_exception_and_is_not_repeated(
    tiny: RunningServer, persistent: OpenAI
) -> None:
    persistent.completions.create(model=TINY, prompt="a", max_tokens=1)
    begun = len(tiny.events(kind="load_intent", subject=TINY))
    pid = tiny.residency(TINY)["pid"]
    (worker,) = [w for w in tiny.workers() if w.pid == pid]
    stream = persistent.completions.create(model=TINY, prompt="a", max_tokens=6000, stream=True)
    next(iter(stream))
    worker.kill()  # at once: nothing that takes time may come between the first byte and this
    with pytest.raises(sdk.APIError, match="worker"):
        list(stream)
    assert len(tiny.events(kind="load_intent", subject=TINY)) == begun
