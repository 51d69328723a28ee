"""LM Studio's surface on a real server: the same authority as under every other name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.asking import TINY, recorded, until
from tests.e2e.conversation import Conversation
from tests.e2e.server import RunningServer, running_server
from tests.fakes.hub import KNOWN_REPO as REPO
from tests.fakes.hub import FakeHub, serving_hub
from tests.models import tiny_model

Json = dict[str, Any]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeHub]:
    directory = tiny_model(tmp_path_factory.mktemp("hub") / "model")
    with serving_hub(FakeHub(repo=REPO).holds(directory)) as serving:
        yield serving


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, hub: FakeHub, tiny_directory: Path
) -> Iterator[RunningServer]:
    home = tmp_path_factory.mktemp("lm") / "home"
    settings = {"hub": {"endpoint": hub.url, "hosts": []}, "default_context": 8192}
    with running_server(home, **settings) as running:
        running.import_model(tiny_directory, TINY)
        yield running


def get(server: RunningServer, path: str, *, key: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.get(f"{server.url}{path}", headers=headers, timeout=120)


def post(server: RunningServer, path: str, body: Json, *, key: str | None = None) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return httpx.post(f"{server.url}{path}", json=body, headers=headers, timeout=120)


def act(server: RunningServer, path: str, **body: Any) -> httpx.Response:
    return post(server, path, body, key=server.operator_key)


def refused(response: httpx.Response, status: int, code: str) -> Json:
    assert response.status_code == status, response.text
    error: Json = response.json()["error"]
    assert error["code"] == code
    return error


def entry(server: RunningServer, name: str = TINY) -> Json:
    models = get(server, "/api/v1/models").json()["models"]
    return next(model for model in models if model["key"] == name)


def test_a_load_is_permitted_feasible_and_on_record_or_refused(server: RunningServer) -> None:
    path = "/api/v1/models/load"
    refused(post(server, path, {"model": TINY}), 401, "key_missing")
    assert recorded(server, "key_missing", path)["actor"] == "anonymous"
    assert server.events(kind="load_intent", subject=TINY) == []

    too_long = refused(act(server, path, model=TINY, context_length=9000), 400, "invalid_request")
    assert too_long["param"] == "context_length"
    assert entry(server)["loaded_instances"] == []

    terms: Json = {"model": TINY, "context_length": 4096, "parallel": 2, "flash_attention": True}
    loaded = act(server, path, **terms, echo_load_config=True).json()
    config = {"context_length": 4096, "parallel": 2}
    assert loaded["load_time_seconds"] > 0
    assert loaded["load_config"] == config
    assert (loaded["type"], loaded["instance_id"]) == ("llm", TINY)
    (intent,) = server.events(kind="load_intent", subject=TINY)
    assert intent["actor"].startswith("key:")
    assert entry(server)["loaded_instances"] == [{"id": TINY, "config": config}]
    v0 = get(server, f"/api/v0/models/{TINY}").json()
    assert (v0["state"], v0["loaded_context_length"]) == ("loaded", 4096)

    again = act(server, path, **terms).json()
    assert again["status"] == "loaded"
    assert len(server.events(kind="load_intent", subject=TINY)) == 1
    other = refused(act(server, path, model=TINY, context_length=64), 409, "model_busy")
    assert "context 4096" in other["message"]


def test_a_context_that_does_not_fit_is_refused_with_the_arithmetic(
    server: RunningServer, tmp_path: Path
) -> None:
    server.import_model(tiny_model(tmp_path / "long", context=2**27), "tests/long")
    response = act(
        server, "/api/v1/models/load", model="tests/long", context_length=2**27, parallel=64
    )
    error = refused(response, 503, "does_not_fit")
    assert error["type"] == "internal_error"
    assert "GiB" in error["message"]
    assert response.headers["x-should-retry"] == "false"
    assert recorded(server, "does_not_fit", "tests/long")


def test_a_chat_says_the_same_streamed_and_whole(server: RunningServer) -> None:
    asked: Json = {
        "model": TINY,
        "input": "hello",
        "system_prompt": "be brief",
        "temperature": 0,
        "max_output_tokens": 8,
    }
    whole = post(server, "/api/v1/chat", asked).json()
    assert whole["model_instance_id"] == TINY
    assert whole["stats"]["total_output_tokens"] == 8
    assert whole["stats"]["input_tokens"] > 0
    assert whole["stats"]["tokens_per_second"] > 0
    streamed = post(server, "/api/v1/chat", {**asked, "stream": True})
    events = [
        json.loads(event.split("\ndata: ")[1])
        for event in streamed.text.split("\n\n")
        if event.startswith("event: ")
    ]
    names = [event["type"] for event in events]
    assert names[0] == "chat.start"
    assert names[-2:] == ["message.end", "chat.end"]
    text = "".join(event["content"] for event in events if event["type"] == "message.delta")
    result = events[-1]["result"]
    assert result["output"] == whole["output"] == [{"type": "message", "content": text}]
    counts = ("input_tokens", "total_output_tokens", "reasoning_output_tokens")
    assert [result["stats"][name] for name in counts] == [whole["stats"][name] for name in counts]


def test_v0_tells_figures_beside_openais_answer(server: RunningServer) -> None:
    message = {"role": "user", "content": "hello"}
    body = {"model": TINY, "messages": [message], "max_tokens": 5, "temperature": 0}
    answer = post(server, "/api/v0/chat/completions", body).json()
    plain = post(server, "/v1/chat/completions", body).json()
    assert answer["choices"] == plain["choices"]
    assert answer["stats"]["stop_reason"] == "maxPredictedTokensReached"
    assert answer["model_info"]["format"] == "mlx"
    assert answer["model_info"]["context_length"] >= 4096
    refused(post(server, "/api/v0/models/nothing", {}), 405, "method_not_allowed")
    refused(get(server, "/api/v1/nothing"), 404, "unknown_url")


def test_an_unload_is_the_operators_too(server: RunningServer) -> None:
    act(server, "/api/v1/models/load", model=TINY, context_length=4096, parallel=2)
    refused(post(server, "/api/v1/models/unload", {"instance_id": TINY}), 401, "key_missing")
    assert entry(server)["loaded_instances"]
    assert act(server, "/api/v1/models/unload", instance_id=TINY).json() == {"instance_id": TINY}
    assert entry(server)["loaded_instances"] == []
    error = refused(act(server, "/api/v1/models/unload", instance_id=TINY), 409, "model_not_loaded")
    assert error["type"] == "invalid_request"


def test_a_download_fetches_nothing_before_a_person_says_yes(
    server: RunningServer, hub: FakeHub
) -> None:
    path = "/api/v1/models/download"
    refused(post(server, path, {"model": REPO}), 401, "key_missing")
    job = act(server, path, model=f"{hub.url}/{REPO}").json()
    assert job["status"] == "paused"
    assert job["total_size_bytes"] > 100_000
    assert act(server, path, model=REPO).json() == job
    assert server.events(kind="pull_intent", subject=REPO) == []
    assert not list((server.home / "store").glob("downloads/*/*.part"))

    status = f"{path}/status/{job['job_id']}"
    refused(get(server, status), 401, "key_missing")
    ask = job["job_id"].removeprefix("job_")
    person = Conversation("approvals", "approve", ask, environment=server.environment)
    person.type_phrase(f"yes, pull {REPO}")
    assert person.ended() == 0, person.screen
    assert hub.url.removeprefix("http://") in person.screen
    until(lambda: get(server, status, key=server.operator_key).json()["status"] == "completed")
    done = get(server, status, key=server.operator_key).json()
    assert done["downloaded_bytes"] == done["total_size_bytes"] == job["total_size_bytes"]
    assert done["completed_at"] >= done["started_at"]
    assert act(server, path, model=REPO).json() == {"status": "already_downloaded"}
    assert entry(server, REPO)["format"] == "mlx"
    turn = {"model": REPO, "input": "hello", "max_output_tokens": 3}
    assert post(server, "/api/v1/chat", turn).status_code == 200
