"""LM Studio's surface over fakes: what is listed, answered and counted on /api/v0 and /api/v1."""

import json
from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.domain.generation import Delta, Finished, FinishReason, Reasoning
from app.domain.refusals import ModelTooLarge, WorkerLost
from app.routers.lmstudio.described import params_string
from app.routers.lmstudio.stats_writer import stop_reason
from tests.fakes.authority import ECHO
from tests.fakes.house import House, assert_openai_error, chat, chunks_of
from tests.fakes.inference import End, Say, Script, Tell

LOADED = {"state": "ready", "loaded": True, "context": 64, "slots": 2}


def lm_studio_error(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert {"type", "message", "code"} <= set(error) <= {"type", "message", "code", "param"}
    assert error["type"] == kind
    return error


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


# --- lists ------------------------------------------------------------------------------------


async def test_v0_lists_a_model_with_what_clients_choose_by(
    client: httpx.AsyncClient, house: House
) -> None:
    entry = {
        "id": "lab/echo",
        "object": "model",
        "type": "llm",
        "publisher": "lab",
        "arch": "llama",
        "compatibility_type": "mlx",
        "quantization": "4bit",
        "state": "not-loaded",
        "max_context_length": 128,
        "capabilities": ["tool_use"],
    }
    listed = (await client.get("/api/v0/models")).json()
    assert listed == {"object": "list", "data": [entry]}
    house.reading.told["lab/echo"] = {**LOADED, "aliases": ["default"]}
    entry |= {"state": "loaded", "loaded_context_length": 64}
    for name in ("lab/echo", "default"):
        assert (await client.get(f"/api/v0/models/{name}")).json() == entry


async def test_v1_lists_a_model_and_its_one_instance(
    client: httpx.AsyncClient, house: House
) -> None:
    house.reading.told["lab/echo"] = {**LOADED, "reasoning_options": ["off", "on"]}
    (entry,) = (await client.get("/api/v1/models")).json()["models"]
    assert entry == {
        "type": "llm",
        "publisher": "lab",
        "key": "lab/echo",
        "display_name": "echo",
        "architecture": "llama",
        "quantization": {"name": "4bit", "bits_per_weight": 4},
        "size_bytes": 1,
        "params_string": "1.5B",
        "loaded_instances": [{"id": "lab/echo", "config": {"context_length": 64, "parallel": 2}}],
        "max_context_length": 128,
        "format": "mlx",
        "capabilities": {
            "vision": False,
            "trained_for_tool_use": True,
            "reasoning": {"allowed_options": ["off", "on"]},
        },
    }


async def test_embedding_models_have_their_types_and_rerankers_are_not_listed(
    client: httpx.AsyncClient, house: House
) -> None:
    for name, task in (("lab/vec", "embed"), ("lab/rank", "rerank")):
        house.reading.catalog.append(replace(ECHO, id=name))
        house.reading.told[name] = {"task": task, "quantization": "", "parameters": 0}
    v0 = {m["id"]: m for m in (await client.get("/api/v0/models")).json()["data"]}
    v1 = {m["key"]: m for m in (await client.get("/api/v1/models")).json()["models"]}
    assert set(v0) == set(v1) == {"lab/echo", "lab/vec"}
    assert (v0["lab/vec"]["type"], v1["lab/vec"]["type"]) == ("embeddings", "embedding")
    assert v0["lab/vec"]["quantization"] is None
    assert v1["lab/vec"]["quantization"] is None
    assert v1["lab/vec"]["params_string"] is None
    assert v1["lab/vec"]["loaded_instances"] == []
    assert "capabilities" not in v1["lab/vec"]


async def test_a_model_that_does_not_exist_is_404_in_each_shape(client: httpx.AsyncClient) -> None:
    error = assert_openai_error(await client.get("/api/v0/models/lab/none"), 404)
    assert error["code"] == "model_not_found"
    response = await client.post("/api/v1/chat", json=turn() | {"model": "lab/none"})
    assert lm_studio_error(response, 404, "model_not_found")["param"] == "model"
    lm_studio_error(await client.get("/api/v1/nothing"), 404, "invalid_request")


@pytest.mark.parametrize(
    ("count", "shown"),
    [(0, None), (999, "999"), (270_000_000, "270M"), (1_540_000_000, "1.54B"), (10**12, "1T")],
)
def test_parameters_are_counted_for_people(count: int, shown: str | None) -> None:
    assert params_string(count) == shown


# --- /api/v0 answers --------------------------------------------------------------------------


async def test_v0_answers_as_v1_does_with_figures_beside(
    client: httpx.AsyncClient, house: House
) -> None:
    house.reading.told["lab/echo"] = LOADED
    ours = (await client.post("/v1/chat/completions", json=chat())).json()
    theirs = (await client.post("/api/v0/chat/completions", json=chat())).json()
    assert theirs["choices"] == ours["choices"]
    assert theirs["usage"] == ours["usage"]
    assert set(theirs) - set(ours) == {"stats", "model_info", "runtime"}
    stats = theirs["stats"]
    assert stats["stop_reason"] == "eosFound"
    assert 0 <= stats["time_to_first_token"] <= stats["generation_time"]
    assert stats["tokens_per_second"] > 0
    assert theirs["model_info"] == {
        "arch": "llama",
        "quant": "4bit",
        "format": "mlx",
        "context_length": 64,
    }
    assert theirs["runtime"] == {
        "name": "lmx-mlx",
        "version": "0.0.0",
        "supported_formats": ["mlx"],
    }


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/v0/chat/completions", chat(n=2)),
        ("/api/v0/completions", {"model": "lab/echo", "prompt": ["one two", "three"]}),
    ],
)
async def test_v0_streams_tell_the_figures_once_in_the_last_chunk(
    path: str, body: dict[str, Any], client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts["lab/echo"] = Script(
        steps=[Say("a", 0), Say("b", 1), End(FinishReason.LENGTH, 1), Say("c", 0), End(index=0)]
    )
    *chunks, done = chunks_of((await client.post(path, json={**body, "stream": True})).text)
    assert done == "[DONE]"
    assert [i for i, chunk in enumerate(chunks) if "stats" in chunk] == [len(chunks) - 1]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert chunks[-1]["stats"]["stop_reason"] == "contextLengthReached"  # the first that ended
    assert {"model_info", "runtime"} <= set(chunks[-1])


async def test_v0_embeds_as_v1_does(client: httpx.AsyncClient) -> None:
    body = {"model": "lab/echo", "input": ["one two", "three"]}
    theirs = await client.post("/api/v0/embeddings", json=body)
    assert theirs.json() == (await client.post("/v1/embeddings", json=body)).json()
    assert len(theirs.json()["data"]) == 2


async def test_v0_refuses_in_openais_shape(client: httpx.AsyncClient) -> None:
    response = await client.post("/api/v0/chat/completions", json=chat(max_tokens=0))
    assert assert_openai_error(response, 400)["param"] == "max_tokens"
    response = await client.post("/api/v0/chat/completions", json=chat(max_tokens=-1))
    assert response.status_code == 200


@pytest.mark.parametrize(
    ("end", "max_tokens", "said"),
    [
        (Finished(FinishReason.STOP, 1, 2), None, "eosFound"),
        (Finished(FinishReason.STOP, 1, 2, stop="END"), None, "stopStringFound"),
        (Finished(FinishReason.LENGTH, 1, 2), 2, "maxPredictedTokensReached"),
        (Finished(FinishReason.LENGTH, 1, 2), 3, "contextLengthReached"),
        (Finished(FinishReason.LENGTH, 1, 2), None, "contextLengthReached"),
        (Finished(FinishReason.TOOL_CALLS, 1, 2), None, "toolCalls"),
    ],
)
def test_a_stop_reason_is_in_lm_studios_words(
    end: Finished, max_tokens: int | None, said: str
) -> None:
    assert stop_reason(end, max_tokens) == said


# --- /api/v1/chat -----------------------------------------------------------------------------


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
