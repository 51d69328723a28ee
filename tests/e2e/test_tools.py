"""Tools and thinking with the official client: a real model whose answers are known."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from tests.e2e.asking import TINY, openai
from tests.e2e.server import RunningServer
from tests.scripted import scripted_model

SCRIPTED = "tests/scripted"
SCRIPTS = {
    "call": [
        "I look.", "\n<tool", '_call>\n{"name": "look", ', '"arguments": {"at": "it"}}', "\n</to",
        "ol_call>",
    ],
    "calls": [
        '<tool_call>{"name": "look",', ' "arguments": {"at": "ö"}}</tool_call>', " \n",
        '<tool_call>{"name": "clock"', ', "arguments": {}}</tool_call>', " \n\n",
    ],
    "thinks": ["<think>", "\nIt may", " be < here", "\n  ", "</think>", "\n\n", "Here", " it is."],
    "thinks-and-calls": [
        "<think>hm", "</thi", "nk>\n", '<tool_call>{"arguments": {"at": "x"},',
        ' "name": "look"}</tool_call>',
    ],
    "stranger": ['<tool_call>{"name": "delete",', ' "arguments": {"all": true}}', "</tool_call>  "],
    "broken": ["See: <tool_call>", '{"name": look}', "</tool_call>", " Well."],
}  # fmt: skip
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": "look",
            "description": "Looks at something",
            "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
        },
    },
    {"type": "function", "function": {"name": "clock"}},
]
LOOK = ("look", '{"at": "it"}')


@pytest.fixture(scope="module")
def scripted(
    tiny_server: RunningServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenAI]:
    directory: Path = scripted_model(tmp_path_factory.mktemp("scripted") / "model", SCRIPTS)
    tiny_server.import_model(directory, SCRIPTED)
    with openai(tiny_server) as client:
        yield client


def ask(client: OpenAI, script: str, **more: Any) -> ChatCompletion:
    return client.chat.completions.create(
        model=SCRIPTED,
        messages=more.pop("messages", [{"role": "user", "content": "Where is it?"}]),
        temperature=0,
        extra_body={"chat_template_kwargs": {"script": script}},
        **more,
    )


def stream(client: OpenAI, script: str, **more: Any) -> list[ChatCompletionChunk]:
    return list(
        client.chat.completions.create(
            model=SCRIPTED,
            messages=[{"role": "user", "content": "Where is it?"}],
            temperature=0,
            stream=True,
            extra_body={"chat_template_kwargs": {"script": script}},
            **more,
        )
    )


def thinking_of(said: Any) -> str:
    """An extension of the answer, which the client hands on as it came."""
    text: str | None = getattr(said, "reasoning_content", None)
    return text or ""


def whole(answer: ChatCompletion) -> tuple[str, str, list[tuple[str, str]], str]:
    choice = answer.choices[0]
    calls = [
        (call.function.name, call.function.arguments) for call in choice.message.tool_calls or []
    ]  # type: ignore[union-attr]
    content = choice.message.content or ""
    return content, thinking_of(choice.message), calls, choice.finish_reason


def put_together(chunks: list[ChatCompletionChunk]) -> tuple[str, str, list[tuple[str, str]], str]:
    """What a client makes of a stream: a call's first delta has id and name, others arguments."""
    content, thinking, reasons = "", "", []
    calls: list[tuple[str, str]] = []
    for choice in (chunk.choices[0] for chunk in chunks):
        content += choice.delta.content or ""
        thinking += thinking_of(choice.delta)
        reasons += [choice.finish_reason] if choice.finish_reason else []
        for delta in choice.delta.tool_calls or []:
            assert delta.function is not None
            if delta.id is not None:
                assert (delta.index, delta.type) == (len(calls), "function")
                calls.append((delta.function.name or "", ""))
            else:
                assert delta.function.name is None
            name, arguments = calls[delta.index]
            calls[delta.index] = (name, arguments + (delta.function.arguments or ""))
    (reason,) = reasons
    return content, thinking, calls, reason


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("call", ("I look.", "", [LOOK], "tool_calls")),
        ("calls", ("", "", [("look", '{"at": "ö"}'), ("clock", "{}")], "tool_calls")),
        ("thinks", ("Here it is.", "It may be < here", [], "stop")),
        ("thinks-and-calls", ("", "hm", [("look", '{"at": "x"}')], "tool_calls")),
        ("stranger", ("".join(SCRIPTS["stranger"]), "", [], "stop")),
        ("broken", ("".join(SCRIPTS["broken"]), "", [], "stop")),
    ],
)
def test_streamed_and_whole_answers_have_the_same_parts(
    scripted: OpenAI, script: str, expected: Any
) -> None:
    assert whole(ask(scripted, script, tools=TOOLS)) == expected
    assert put_together(stream(scripted, script, tools=TOOLS)) == expected


def test_content_is_null_beside_calls_and_ids_are_unique(scripted: OpenAI) -> None:
    answer = ask(scripted, "calls", tools=TOOLS, n=2)
    calls = [call for choice in answer.choices for call in choice.message.tool_calls or []]
    assert [choice.message.content for choice in answer.choices] == [None, None]
    assert len({call.id for call in calls}) == 4


def test_without_parallel_calls_there_is_one(scripted: OpenAI) -> None:
    answer = ask(scripted, "calls", tools=TOOLS, parallel_tool_calls=False)
    assert whole(answer) == ("", "", [("look", '{"at": "ö"}')], "tool_calls")


def test_tools_that_must_not_be_called_are_not(scripted: OpenAI) -> None:
    text = "".join(SCRIPTS["call"])
    for more in ({}, {"tools": TOOLS, "tool_choice": "none"}):
        assert whole(ask(scripted, "call", **more)) == (text, "", [], "stop")


def test_a_call_that_is_cut_is_content(scripted: OpenAI) -> None:
    for count in (2, 3):
        expected = ("".join(SCRIPTS["call"][:count]), "", [], "length")
        assert whole(ask(scripted, "call", tools=TOOLS, max_tokens=count)) == expected
        assert put_together(stream(scripted, "call", tools=TOOLS, max_tokens=count)) == expected


def test_tokens_of_the_thinking_are_told(scripted: OpenAI) -> None:
    usage = ask(scripted, "thinks").usage
    assert usage is not None
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 5


def test_a_conversation_with_calls_goes_on(scripted: OpenAI) -> None:
    """What the server said is what it takes back."""
    first = ask(scripted, "call", tools=TOOLS).choices[0].message
    assert first.tool_calls is not None
    messages = [
        {"role": "user", "content": "Where is it?"},
        first.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "<|im_end|>here"},
    ]
    answer = ask(scripted, "thinks", tools=TOOLS, messages=messages)
    assert answer.choices[0].message.content == "Here it is."


def test_log_probabilities_are_those_of_the_content(scripted: OpenAI) -> None:
    for script in ("call", "thinks", "broken"):
        choice = ask(scripted, script, tools=TOOLS, logprobs=True).choices[0]
        assert choice.logprobs is not None
        told = "".join(token.token for token in choice.logprobs.content or [])
        assert told == choice.message.content


SWITCH: Any = {
    "type": "function",
    "function": {
        "name": "switch",
        "parameters": {
            "type": "object",
            "properties": {"lamp": {"enum": ["left", "right"]}, "on": {"type": "boolean"}},
            "required": ["lamp", "on"],
            "additionalProperties": False,
        },
    },
}


@pytest.mark.parametrize(
    "choice", ["required", {"type": "function", "function": {"name": "switch"}}]
)
def test_random_weights_call_what_they_must_streamed_as_whole(
    scripted: OpenAI, choice: Any
) -> None:
    asked: Any = {
        "model": TINY,
        "messages": [{"role": "user", "content": "hello"}],
        "tools": [SWITCH],
        "tool_choice": choice,
        "parallel_tool_calls": False,
        "temperature": 1,
        "seed": 5,
    }
    content, thinking, calls, reason = whole(scripted.chat.completions.create(**asked))
    assert (content, thinking, reason) == ("", "", "tool_calls")
    ((name, arguments),) = calls
    assert name == "switch"
    assert json.loads(arguments)["lamp"] in ("left", "right")
    assert json.loads(arguments)["on"] in (True, False)
    streamed = list(scripted.chat.completions.create(**asked, stream=True))
    assert put_together(streamed) == (content, thinking, calls, reason)
    first, *rest = [c for chunk in streamed for c in chunk.choices[0].delta.tool_calls or []]
    assert first.function is not None
    assert (first.function.name, first.function.arguments) == ("switch", "")
    assert rest  # how many depends on who is faster, the model or the reader


def test_a_model_without_tools_in_its_template_is_asked_with_tools_all_the_same(
    tiny_server: RunningServer, scripted: OpenAI
) -> None:
    answer = scripted.chat.completions.create(
        model=TINY, messages=[{"role": "user", "content": "hello"}], tools=TOOLS, max_tokens=8
    )
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens > 400
    assert json.loads(answer.model_dump_json())["choices"][0]["message"]["tool_calls"] is None
    assert tiny_server.process.poll() is None
