"""What is streamed is what an unstreamed answer says, whatever the model says and in what order."""

import asyncio
from typing import Any

import httpx
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.generation import (
    AnswerEvent,
    CallArguments,
    CallBegun,
    Delta,
    Echoed,
    FinishReason,
    Reasoning,
    TokenLogprob,
)
from tests.fakes.house import House, chat, chunks_of
from tests.fakes.inference import End, Script, Step, Tell

CHAT = "/v1/chat/completions"
LEGACY = "/v1/completions"

PROMPT_TOLD = (TokenLogprob(1, b"one", None), TokenLogprob(2, b" two", -3.0))
HALF = b"\xf0\x9f"
TEXTS = st.text(st.characters(codec="utf-8"), max_size=6)
NAMES = st.sampled_from(["look", "shut.door-1"])


@st.composite
def told(draw: st.DrawFn) -> Delta:
    """Text with the log probabilities of its tokens, which may end within a character."""
    text = draw(TEXTS.filter(bool))
    raw = text.encode()
    cuts = sorted(draw(st.sets(st.integers(1, len(raw)), max_size=3)) | {len(raw)})
    pieces = [raw[start:end] for start, end in zip([0, *cuts], cuts, strict=False)]
    tops = [(i, piece, -0.5) for i, piece in enumerate(pieces)]
    return Delta(
        text,
        len(pieces),
        tuple(TokenLogprob(i, piece, -i / 4, tuple(tops)) for i, piece in enumerate(pieces)),
    )


@st.composite
def chats(draw: st.DrawFn, *, logprobs: bool) -> list[AnswerEvent]:
    """What a chat may say: text, thinking and calls in any order, each call once."""
    text = told() if logprobs else st.builds(Delta, TEXTS, st.just(1))
    events: list[AnswerEvent] = []
    calls = 0
    for kind in draw(st.lists(st.sampled_from(["text", "thought", "call", "more"]), max_size=8)):
        if kind == "text":
            events.append(draw(text))
        elif kind == "thought":
            events.append(Reasoning(draw(TEXTS), 1))
        elif kind == "call":
            events.append(CallBegun(calls, f"call_{calls}", draw(NAMES)))
            calls += 1
        elif calls:
            events.append(CallArguments(calls - 1, draw(TEXTS), 1))
    return events


def steps_of(answers: list[list[AnswerEvent]], order: list[int]) -> list[Step]:
    """The answers of several choices, interleaved as `order` says."""
    rest = [list(answer) for answer in answers]
    later = [index for index, answer in enumerate(rest) for _ in answer]
    steps = [Tell(rest[i].pop(0), i) for i in order + later if i < len(rest) and rest[i]]
    ends = [FinishReason.STOP, FinishReason.LENGTH, FinishReason.TOOL_CALLS]
    return [*steps, *(End(ends[index], index) for index in range(len(answers)))]


ORDER = st.lists(st.integers(0, 2), max_size=16)


@settings(max_examples=80, deadline=None)
@given(data=st.data(), order=ORDER, logprobs=st.booleans())
def test_a_streamed_chat_is_the_unstreamed_one(
    data: st.DataObject, order: list[int], logprobs: bool
) -> None:
    answers = [data.draw(chats(logprobs=logprobs)) for _ in range(3)]
    fields = {"logprobs": True, "top_logprobs": 3} if logprobs else {}
    whole, chunks = streamed_and_not(CHAT, chat(n=3, **fields), steps_of(answers, order))
    for choice in whole["choices"]:
        assert of_chat(mine(chunks, choice["index"])) == choice["message"] | {
            "content": choice["message"]["content"] or "",
            "finish_reason": choice["finish_reason"],
            "logprobs": choice["logprobs"]["content"] if logprobs else [],
        }
        if logprobs:
            raw = b"".join(bytes(one["bytes"]) for one in choice["logprobs"]["content"])
            assert raw.decode() == (choice["message"]["content"] or "")


@settings(max_examples=80, deadline=None)
@given(data=st.data(), order=ORDER, logprobs=st.booleans(), echo=st.booleans())
def test_a_streamed_completion_is_the_unstreamed_one(
    data: st.DataObject, order: list[int], logprobs: bool, echo: bool
) -> None:
    text = told() if logprobs else st.builds(Delta, TEXTS, st.just(1))
    answers: list[list[AnswerEvent]] = [data.draw(st.lists(text, max_size=4)) for _ in range(3)]
    if echo:
        prompt = Echoed("one two", PROMPT_TOLD if logprobs else ())
        answers = [[prompt, *answer] for answer in answers]
    fields = {"logprobs": 2} if logprobs else {}
    body = {"model": "lab/echo", "prompt": "one two", "n": 3, "echo": echo, **fields}
    whole, chunks = streamed_and_not(LEGACY, body, steps_of(answers, order))
    for choice in whole["choices"]:
        parts = mine(chunks, choice["index"])
        assert "".join(part["text"] for part in parts) == choice["text"]
        assert parts[-1]["finish_reason"] == choice["finish_reason"]
        assert choice["text"].startswith("one two" if echo else "")
        logs = choice["logprobs"]
        told_in_parts = [part["logprobs"] for part in parts if part["logprobs"]]
        if not logprobs:
            assert (logs, told_in_parts) == (None, [])
            continue
        for name in logs:
            assert [one for part in told_in_parts for one in part[name]] == logs[name]
        assert "".join(logs["tokens"]) == choice["text"]
        for token, offset in zip(logs["tokens"], logs["text_offset"], strict=True):
            assert choice["text"][offset:].startswith(token)


def test_tokens_of_a_completion_cut_within_a_character_join_to_its_text() -> None:
    half = TokenLogprob(300, HALF, -1.0, ((300, HALF, -1.0), (9, HALF, -2.0)))
    steps: list[Step] = [
        Tell(Delta("go", 1, (TokenLogprob(7, b"go", -0.5),))),
        Tell(Delta("\ufffd", 1, (half,))),
        End(FinishReason.LENGTH),
    ]
    body = {"model": "lab/echo", "prompt": "one two", "logprobs": 2}
    whole, chunks = streamed_and_not(LEGACY, body, steps)
    told_whole = whole["choices"][0]["logprobs"]
    assert told_whole["tokens"] == ["go", "\ufffd"]
    assert told_whole["top_logprobs"] == [{"go": -0.5}, {"\ufffd": -1.0}]
    parts = mine(chunks, 0)
    assert [part["logprobs"]["tokens"] for part in parts[:-1]] == [["go"], ["\ufffd"]]


def streamed_and_not(path: str, body: Any, steps: list[Step]) -> tuple[Any, list[Any]]:
    """The whole answer, and the chunks of the same one that have a choice; usage is equal."""
    house = House()
    house.inference.scripts["lab/echo"] = Script(steps=steps)
    options = {"stream": True, "stream_options": {"include_usage": True}}
    whole, stream = asyncio.run(_both(house, path, body, body | options))
    *chunks, usage, done = chunks_of(stream.text)
    assert done == "[DONE]"
    assert usage["choices"] == []
    assert usage["usage"] == whole["usage"]
    assert all(chunk["usage"] is None for chunk in chunks)
    assert {(c["id"], c["created"], c["model"]) for c in chunks} == {
        (usage["id"], usage["created"], usage["model"])
    }
    return whole, chunks


def mine(chunks: list[Any], index: int) -> list[Any]:
    """One choice's part of a stream; it ends once, and with that."""
    parts = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == index]
    assert [bool(part["finish_reason"]) for part in parts] == [False] * (len(parts) - 1) + [True]
    return parts


def of_chat(parts: list[Any]) -> dict[str, Any]:
    """The message that a client puts together, with the checks that clients make."""
    deltas = [part["delta"] for part in parts]
    assert deltas[0] == {"role": "assistant", "content": ""}
    assert deltas[-1] == {}
    assert all("role" not in delta for delta in deltas[1:])
    calls: list[Any] = []
    for call in (call for delta in deltas for call in delta.get("tool_calls", ())):
        if "id" in call:
            assert call["index"] == len(calls)
            assert call["function"]["name"]
            calls.append({**call, "function": dict(call["function"])})
            del calls[-1]["index"]
        else:
            assert set(call) == {"index", "function"}
            assert set(call["function"]) == {"arguments"}
            calls[call["index"]]["function"]["arguments"] += call["function"]["arguments"]
    reasoning = "".join(delta.get("reasoning_content", "") for delta in deltas)
    return {
        "role": "assistant",
        "content": "".join(delta.get("content", "") for delta in deltas),
        "refusal": None,
        **({"reasoning_content": reasoning} if reasoning else {}),
        **({"tool_calls": calls} if calls else {}),
        "finish_reason": parts[-1]["finish_reason"],
        "logprobs": [
            one for part in parts if part["logprobs"] for one in part["logprobs"]["content"]
        ],
    }


async def _both(house: House, path: str, whole: Any, stream: Any) -> tuple[Any, httpx.Response]:
    transport = httpx.ASGITransport(house.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
        first = await client.post(path, json=whole)
        return first.json(), await client.post(path, json=stream)
