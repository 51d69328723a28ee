"""LM Studio's surface over fakes: what is listed, answered and counted on /api/v0 and /api/v1."""

from dataclasses import replace
from typing import Any

import httpx
import pytest

from app.domain.generation import Finished, FinishReason
from app.routers.lmstudio.described import params_string
from app.routers.lmstudio.stats_writer import stop_reason
from tests.fakes.authority import ECHO
from tests.fakes.house import House, assert_openai_error, chat, chunks_of
from tests.fakes.inference import End, Say, Script

LOADED = {"state": "ready", "loaded": True, "context": 64, "slots": 2}


def lm_studio_error(response: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    body = response.json()
    assert set(body) == {"error"}
    error: dict[str, Any] = body["error"]
    assert {"type", "message", "code"} <= set(error) <= {"type", "message", "code", "param"}
    assert error["type"] == kind
    return error


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
    response = await client.post("/api/v1/chat", json={"model": "lab/none", "input": "a"})
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
