"""Streams: their exact bytes, their failures, and that they say what an unstreamed answer says."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
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
from app.domain.refusals import LoadFailed, QueueFull, WorkerLost
from app.routers import answering
from app.routers.openai import completions
from tests.fakes.house import Caller, House, chat, chunks_of
from tests.fakes.inference import End, Hold, Say, Script, Step, Tell

CHAT = "/v1/chat/completions"
LEGACY = "/v1/completions"
GOLDEN = Path(__file__).parent / "golden"

TALK: list[Step] = [
    Say('He said "no"\n'),
    Say("grüß 日本 \u2028 </script>"),
    End(FinishReason.STOP),
]
THOUGHT: list[Step] = [
    Tell(Reasoning("Two and ", 2)),
    Tell(Reasoning("two.\n", 2)),
    Say("Four"),
    Tell(Reasoning("Sure?", 1)),
    Say("."),
    End(),
]
CALLS: list[Step] = [
    Say("I look."),
    Tell(CallBegun(0, "call_a", "look")),
    Tell(CallArguments(0, '{"city": ', 3)),
    Tell(CallArguments(0, '"K\u00f6ln"}', 3)),
    Tell(CallBegun(1, "call_b", "shut")),
    Tell(CallArguments(1, "{}", 1)),
    End(FinishReason.TOOL_CALLS),
]
ROCKET = "\U0001f680".encode()
TOLD: list[Step] = [
    Tell(Delta("go", 1, (TokenLogprob(7, b"go", -0.5, ((7, b"go", -0.5), (9, b"no", -1.25))),))),
    Tell(
        Delta(
            "\U0001f680!",
            3,
            (
                TokenLogprob(300, ROCKET[:2], -1.0, ((300, ROCKET[:2], -1.0),)),
                TokenLogprob(301, ROCKET[2:], -0.25, ((301, ROCKET[2:], -0.25),)),
                TokenLogprob(5, b"!", -2.0, ((6, b"?", -1.5),)),
            ),
        )
    ),
    End(FinishReason.LENGTH),
]
PROMPT = Echoed(
    "one two",
    (TokenLogprob(1, b"one", None), TokenLogprob(2, b" two", -3.0, ((2, b" two", -3.0),))),
)
TWO: list[Step] = [Say("a", 0), Say("b", 1), Say("c", 0), End(FinishReason.LENGTH, 1), End(index=0)]


@pytest.mark.parametrize(
    ("name", "path", "steps", "fields"),
    [
        ("chat", CHAT, TALK, {}),
        ("chat_with_usage", CHAT, TALK, {"stream_options": {"include_usage": True}}),
        ("chat_two_choices", CHAT, TWO, {"n": 2, "stream_options": {}}),
        ("chat_nothing_said", CHAT, [End()], {}),
        ("chat_fails_midway", CHAT, [Say("a"), WorkerLost("The worker ended; ask again.")], {}),
        ("chat_reasoning", CHAT, THOUGHT, {}),
        ("chat_calls", CHAT, CALLS, {}),
        ("chat_logprobs", CHAT, TOLD, {"logprobs": True, "top_logprobs": 2}),
        ("legacy_logprobs", LEGACY, TOLD, {"logprobs": 2}),
        ("legacy_echo", LEGACY, [Tell(PROMPT), *TOLD], {"logprobs": 2, "echo": True}),
        ("legacy_echo_plain", LEGACY, [Tell(Echoed("one two")), *TALK], {"echo": True}),
        ("legacy_two_choices", LEGACY, TWO, {"n": 2, "stream_options": {"include_usage": True}}),
    ],
)
async def test_a_stream_is_exactly_this(  # noqa: PLR0917
    name: str, path: str, steps: list[Step], fields: dict[str, Any], house: House,
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(completions.time, "time", lambda: 1_700_000_000.5)
    house.inference.scripts["lab/echo"] = Script(steps=steps)
    asked = chat() if path == CHAT else {"model": "lab/echo", "prompt": "one two"}
    response = await client.post(path, json=asked | fields | {"stream": True})
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
    body = response.text.replace(response.headers["x-request-id"], "REQUEST")
    assert body == (GOLDEN / f"{name}.txt").read_text()


async def test_a_mid_stream_failure_is_one_event_and_the_end(
    client: httpx.AsyncClient, house: House
) -> None:
    for error, code in (
        (WorkerLost("Gone."), "worker_lost"),
        (LoadFailed("No."), "load_failed"),
        (RuntimeError("secret"), "internal_error"),
    ):
        house.inference.scripts["lab/echo"] = Script(steps=[Say("a"), error])
        *_, last = chunks_of((await client.post(CHAT, json=chat(stream=True))).text)
        assert set(last) == {"error"}
        assert set(last["error"]) == {"message", "type", "param", "code"}
        assert last["error"]["code"] == code
        assert "secret" not in last["error"]["message"]
    assert [entry[1] for entry in house.refusals.recorded] == ["load_failed"]


async def test_a_failure_before_the_first_text_is_a_proper_answer(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts["lab/echo"] = Script(steps=[WorkerLost("Gone.")])
    response = await client.post(CHAT, json=chat(stream=True))
    assert response.status_code == 503
    assert response.headers["retry-after"] == "1"


async def test_a_generation_that_ends_early_is_a_failure_and_not_an_answer(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts["lab/echo"] = Script(steps=[Say("a")])
    assert (await client.post(CHAT, json=chat())).status_code == 500
    *_, last = chunks_of((await client.post(CHAT, json=chat(stream=True))).text)
    assert last["error"]["code"] == "internal_error"


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
        prompt = Echoed("one two", PROMPT.logprobs if logprobs else ())
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
    half = TokenLogprob(300, ROCKET[:2], -1.0, ((300, ROCKET[:2], -1.0), (9, ROCKET[:2], -2.0)))
    steps: list[Step] = [
        Tell(Delta("go", 1, (TokenLogprob(7, b"go", -0.5),))),
        Tell(Delta("\ufffd", 1, (half,))),
        End(FinishReason.LENGTH),
    ]
    body = {"model": "lab/echo", "prompt": "one two", "logprobs": 2}
    whole, chunks = streamed_and_not(LEGACY, body, steps)
    told_whole = whole["choices"][0]["logprobs"]
    assert told_whole["tokens"] == ["go", "\ufffd"]
    assert told_whole["top_logprobs"] == [{}, {"\ufffd": -1.0}]
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


def _json(**fields: Any) -> bytes:
    return httpx.Request("POST", "http://x", json=chat(**fields)).content


async def test_text_that_came_together_is_one_write(house: House) -> None:
    gate = asyncio.Event()
    steps = [Say("a"), Hold(gate), *[Say("b")] * 50, End()]
    house.inference.scripts["lab/echo"] = Script(steps=steps)
    caller = Caller(house.app(), CHAT, _json(stream=True))
    await caller.until(lambda c: b'"content":"a"' in c.body)
    gate.set()
    await caller.done
    assert '"content":"{}"'.format("b" * 50).encode() in caller.body


async def test_text_is_sent_when_it_comes(house: House) -> None:
    gate = asyncio.Event()
    house.inference.scripts["lab/echo"] = Script(steps=[Say("a"), Hold(gate), Say("b"), End()])
    caller = Caller(house.app(), CHAT, _json(stream=True))
    await caller.until(lambda c: b'"content":"a"' in c.body)
    assert b'"b"' not in caller.body
    gate.set()
    await caller.done
    assert caller.body.endswith(b"data: [DONE]\n\n")


async def test_a_long_silence_is_bridged_by_comments(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "QUIET_S", 0.01)
    gate = asyncio.Event()
    house.inference.scripts["lab/echo"] = Script(steps=[Hold(gate), Say("a"), End()])
    caller = Caller(house.app(), CHAT, _json(stream=True))
    await caller.until(lambda c: c.body.count(b": ping\n\n") == 3)
    assert caller.body.startswith(b"data: ")
    gate.set()
    await caller.done
    assert caller.body.endswith(b"data: [DONE]\n\n")
    assert caller.body.count(b'"role"') == 1


async def test_a_full_queue_while_streaming_is_a_429(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts["lab/echo"] = Script(opening=[QueueFull("Full.", retry_after_s=2)])
    response = await client.post(CHAT, json=chat(stream=True))
    assert (response.status_code, response.headers["retry-after"]) == (429, "2")
