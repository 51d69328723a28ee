"""POST /api/v1/chat over fakes: one turn, streamed as named events and whole, or refused."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from app.domain.actors import Actor
from app.domain.generation import Delta, Reasoning
from app.domain.refusals import ModelTooLarge, WorkerLost
from tests.fakes.authority import CLIENT_KEY
from tests.fakes.house import BASE, Caller, House
from tests.fakes.inference import End, Hold, Say, Script, Tell
from tests.web.test_lmstudio import LOADED, lm_studio_error
from tests.web.test_malformed import BODIES


def events_of(body: str) -> list[tuple[str, dict[str, Any]]]:
    """Every named event of a stream; the name stands in its data too."""
    parts = body.split("\n\n")
    assert parts.pop() == ""
    found = []
    for part in parts:
        name, data = part.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append((event.pop("type"), event))
    return found


def turn(text: Any = "one two three", **fields: Any) -> dict[str, Any]:
    return {"model": "lab/echo", "input": text, **fields}


async def stream(client: httpx.AsyncClient, **fields: Any) -> list[tuple[str, dict[str, Any]]]:
    response = await client.post("/api/v1/chat", json=turn(stream=True, **fields))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"].startswith("text/event-stream")
    return events_of(response.text)


async def test_a_turn_is_answered_whole(client: httpx.AsyncClient, house: House) -> None:
    answer = (await client.post("/api/v1/chat", json=turn(system_prompt="be brief"))).json()
    assert answer["model_instance_id"] == "lab/echo"
    assert answer["output"] == [{"type": "message", "content": "one two three"}]
    assert "response_id" not in answer
    stats = answer["stats"]
    assert (stats["input_tokens"], stats["total_output_tokens"]) == (3, 3)
    assert stats["reasoning_output_tokens"] == 0
    assert stats["tokens_per_second"] > 0
    assert stats["time_to_first_token_seconds"] >= 0
    (_, request) = house.inference.asked[-1]
    assert [m["role"] for m in request.sequences[0].prompt.messages] == ["system", "user"]  # type: ignore[union-attr]


async def test_a_stream_names_its_events_and_ends_with_the_whole_answer(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts["lab/echo"] = Script(
        steps=[Tell(Reasoning("hm", 1)), Tell(Reasoning("m", 1)), Say("yes"), End()]
    )
    events = await stream(client)
    assert [name for name, _ in events if name != "reasoning.delta"] == [
        "chat.start",
        "prompt_processing.start",
        "prompt_processing.progress",
        "prompt_processing.end",
        "reasoning.start",
        "reasoning.end",
        "message.start",
        "message.delta",
        "message.end",
        "chat.end",
    ]
    thought = [event["content"] for name, event in events if name == "reasoning.delta"]
    assert "".join(thought) == "hmm"
    whole = (await client.post("/api/v1/chat", json=turn())).json()
    result = events[-1][1]["result"]
    assert result["output"] == whole["output"]
    assert result["output"] == [
        {"type": "reasoning", "content": "hmm"},
        {"type": "message", "content": "yes"},
    ]
    assert set(result["stats"]) == set(whole["stats"])


async def test_a_stream_that_breaks_off_says_why_and_what_was_generated(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts["lab/echo"] = Script(steps=[Say("half"), WorkerLost("It ended.")])
    events = await stream(client)
    assert [name for name, _ in events[-3:]] == ["message.end", "error", "chat.end"]
    error = events[-2][1]["error"]
    assert (error["type"], error["code"]) == ("internal_error", "worker_lost")
    result = events[-1][1]["result"]
    assert result["output"] == [{"type": "message", "content": "half"}]
    assert result["stats"]["total_output_tokens"] == 1


async def test_a_refused_load_is_an_http_error_also_where_a_stream_was_asked(
    client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts["lab/echo"] = Script(opening=[ModelTooLarge("It needs 9 GiB.")])
    response = await client.post("/api/v1/chat", json=turn(stream=True))
    error = lm_studio_error(response, 503, "internal_error")
    assert error["code"] == "does_not_fit"
    assert response.headers["x-should-retry"] == "false"
    assert house.refusals.recorded[0][1:3] == ("does_not_fit", "lab/echo")


async def test_text_items_are_one_turn_and_an_empty_answer_is_a_message(
    client: httpx.AsyncClient, house: House
) -> None:
    items = [{"type": "message", "content": "a b"}, {"type": "text", "content": "c"}]
    await client.post("/api/v1/chat", json=turn(items))
    (_, request) = house.inference.asked[-1]
    assert request.sequences[0].prompt.messages == ({"role": "user", "content": "a b\nc"},)  # type: ignore[union-attr]
    house.inference.scripts["lab/echo"] = Script(steps=[Tell(Delta("", 1)), End()])
    answer = (await client.post("/api/v1/chat", json=turn())).json()
    assert answer["output"] == [{"type": "message", "content": ""}]
    names = [name for name, _ in await stream(client)]
    assert "message.start" not in names


@pytest.mark.parametrize(
    ("asked", "param", "kind"),
    [
        ([], "input", "invalid_request"),
        (None, "input", "invalid_request"),
        ([1], "input[0]", "invalid_request"),
        ([{"type": "message"}], "input[0].content", "invalid_request"),
        ([{"type": "video", "content": ""}], "input[0].type", "invalid_request"),
        (
            [{"type": "image", "data_url": "data:,"}],
            "input[0]",
            "not_implemented",
        ),
    ],
)
async def test_input_that_is_no_text_is_refused_by_its_place(
    asked: Any, param: str, kind: str, client: httpx.AsyncClient, house: House
) -> None:
    error = lm_studio_error(await client.post("/api/v1/chat", json=turn(asked)), 400, kind)
    assert error["param"] == param
    assert house.inference.asked == []


@pytest.mark.parametrize(
    ("options", "asked", "sent"),
    [
        ([], "off", {"enable_thinking": False}),
        ([], "on", None),
        (["off", "on"], "on", {"enable_thinking": True}),
        (["off", "on"], "high", None),
        (
            ["low", "medium", "high"],
            "high",
            {"enable_thinking": True, "reasoning_effort": "high"},
        ),
        (["on"], "off", None),
    ],
)
async def test_reasoning_is_asked_of_models_that_take_it(
    options: list[str],
    asked: str,
    sent: dict[str, Any] | None,
    client: httpx.AsyncClient,
    house: House,
) -> None:
    house.reading.told["lab/echo"] = {"reasoning_options": options}
    response = await client.post("/api/v1/chat", json=turn(reasoning=asked))
    if sent is None:
        assert lm_studio_error(response, 400, "invalid_request")["param"] == "reasoning"
        assert house.inference.asked == []
    else:
        (_, request) = house.inference.asked[-1]
        assert request.sequences[0].prompt.options == sent  # type: ignore[union-attr]


async def test_a_chat_loads_nothing_anew_for_another_context(
    client: httpx.AsyncClient, house: House
) -> None:
    for told, asked, status in (({}, 64, 400), (LOADED, 64, 200), (LOADED, 65, 400)):
        house.reading.told["lab/echo"] = told
        response = await client.post("/api/v1/chat", json=turn(context_length=asked))
        assert response.status_code == status, response.text
        if status == 400:
            error = lm_studio_error(response, 400, "invalid_request")
            assert error["param"] == "context_length"
    assert len(house.inference.asked) == 1


async def test_a_load_on_demand_is_timed_and_told(client: httpx.AsyncClient, house: House) -> None:
    stats = (await client.post("/api/v1/chat", json=turn())).json()["stats"]
    assert stats["model_load_time_seconds"] >= 0
    house.reading.told["lab/echo"] = LOADED
    stats = (await client.post("/api/v1/chat", json=turn())).json()["stats"]
    assert "model_load_time_seconds" not in stats


async def test_a_client_that_leaves_cancels_the_answer(house: House) -> None:
    gate = asyncio.Event()
    house.inference.scripts["lab/echo"] = Script(steps=[Say("a"), Hold(gate), End()])
    caller = Caller(house.app(), "/api/v1/chat", json.dumps(turn(stream=True)).encode())
    await caller.until(lambda seen: b"message.delta" in seen.body)
    await caller.leave()
    assert house.inference.opened[0].cancelled
    assert house.inference.opened[0].closes


async def test_an_answer_whose_model_cannot_be_described_is_not_left_running(
    client: httpx.AsyncClient, house: House
) -> None:
    async def gone(_: Actor) -> list[Any]:
        return []

    house.reading.described_models = gone  # type: ignore[method-assign]
    response = await client.post("/api/v1/chat", json=turn())
    lm_studio_error(response, 404, "model_not_found")
    assert house.inference.opened[0].closes


async def test_a_chat_needs_a_key_where_inference_is_closed(house: House) -> None:
    house.changes["inference_needs_key"] = True
    transport = httpx.ASGITransport(house.app())
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        error = lm_studio_error(
            await client.post("/api/v1/chat", json=turn()), 401, "invalid_request"
        )
        assert error["code"] == "key_missing"
        headers = {"authorization": f"Bearer {CLIENT_KEY}"}
        answer = await client.post("/api/v1/chat", json=turn(), headers=headers)
        assert answer.status_code == 200


@pytest.mark.parametrize("name", BODIES)
async def test_a_body_that_is_no_request(
    name: str, client: httpx.AsyncClient, house: House
) -> None:
    response = await client.post("/api/v1/chat", content=BODIES[name])
    lm_studio_error(response, 400, "invalid_request")
    assert house.inference.asked == []
