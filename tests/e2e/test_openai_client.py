"""The official client works unchanged, and does not repeat what repeating won't cure."""

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import openai as sdk
import pytest
from openai import OpenAI

from tests.e2e.asking import TINY, edit, openai, stored_weights
from tests.e2e.server import RunningServer
from tests.models import tiny_model


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
    stream = persistent.completions.create(model=TINY, prompt="a", max_tokens=6000, stream=True)
    next(iter(stream))
    begun = len(tiny.events(kind="load_intent", subject=TINY))
    (worker,) = [w for w in tiny.workers() if w.pid == tiny.residency(TINY)["pid"]]
    worker.kill()
    with pytest.raises(sdk.APIError, match="worker"):
        list(stream)
    assert len(tiny.events(kind="load_intent", subject=TINY)) == begun
