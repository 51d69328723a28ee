"""Streams: their exact bytes, their failures, and that they say what an unstreamed answer says."""

import asyncio
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.domain.generation import FinishReason
from app.domain.refusals import LoadFailed, QueueFull, WorkerLost
from app.routers import answering
from app.routers.openai import completions
from tests.fakes.house import Caller, House, chat, chunks_of
from tests.fakes.inference import End, Hold, Say, Script, Step

CHAT = "/v1/chat/completions"
LEGACY = "/v1/completions"
GOLDEN = Path(__file__).parent / "golden"

TALK: list[Step] = [
    Say('He said "no"\n'),
    Say("grüß 日本 \u2028 </script>"),
    End(FinishReason.STOP),
]
TWO: list[Step] = [Say("a", 0), Say("b", 1), Say("c", 0), End(FinishReason.LENGTH, 1), End(index=0)]


@pytest.mark.parametrize(
    ("name", "path", "steps", "fields"),
    [
        ("chat", CHAT, TALK, {}),
        ("chat_with_usage", CHAT, TALK, {"stream_options": {"include_usage": True}}),
        ("chat_two_choices", CHAT, TWO, {"n": 2, "stream_options": {}}),
        ("chat_nothing_said", CHAT, [End()], {}),
        ("chat_fails_midway", CHAT, [Say("a"), WorkerLost("The worker ended; ask again.")], {}),
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


texts = st.text(min_size=0, max_size=6)


@settings(max_examples=60, deadline=None)
@given(
    said=st.lists(st.tuples(st.integers(0, 2), texts), max_size=12),
    path=st.sampled_from([CHAT, LEGACY]),
)
def test_streamed_text_is_the_unstreamed_text(said: list[tuple[int, str]], path: str) -> None:
    house = House()
    steps: list[Step] = [Say(text, index) for index, text in said]
    steps += [End(FinishReason.LENGTH, 2), End(index=0), End(index=1)]
    house.inference.scripts["lab/echo"] = Script(steps=steps)
    body = chat(n=3) if path == CHAT else {"model": "lab/echo", "prompt": "p", "n": 3}
    options = {"stream": True, "stream_options": {"include_usage": True}}
    whole, stream = asyncio.run(_both(house, path, body, body | options))
    *chunks, usage, done = chunks_of(stream.text)
    assert done == "[DONE]"
    assert usage["choices"] == []
    assert usage["usage"] == whole["usage"]
    assert all(chunk["usage"] is None for chunk in chunks)
    assert {chunk["id"] for chunk in chunks} == {usage["id"]}
    for choice in whole["choices"]:
        mine = [c["choices"][0] for c in chunks if c["choices"][0]["index"] == choice["index"]]
        assert [c["finish_reason"] for c in mine if c["finish_reason"]] == [choice["finish_reason"]]
        assert mine[-1]["finish_reason"]
        if path == CHAT:
            assert mine[0]["delta"] == {"role": "assistant", "content": ""}
            assert all("role" not in c["delta"] for c in mine[1:])
            joined = "".join(c["delta"].get("content", "") for c in mine)
            assert joined == choice["message"]["content"]
        else:
            assert "".join(c["text"] for c in mine) == choice["text"]


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
