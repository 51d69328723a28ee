"""The official client against this server: it must not notice the difference."""

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import openai
import pytest
import uvicorn

from app.domain.refusals import ContextLengthExceeded, ModelTooLarge, QueueFull, WorkerLost
from tests.fakes.authority import REVOKED_KEY
from tests.fakes.house import BASE, House
from tests.fakes.inference import End, Hold, Say, Script
from tests.web.test_leaving import Reached

ASK: Any = {"model": "lab/echo", "messages": [{"role": "user", "content": "one two three"}]}


@pytest.fixture
async def client(house: House) -> AsyncIterator[openai.AsyncOpenAI]:
    http = httpx.AsyncClient(transport=httpx.ASGITransport(house.app()))
    async with openai.AsyncOpenAI(base_url=f"{BASE}/v1", api_key="lm", http_client=http) as client:
        yield client


async def test_chat(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(**ASK, n=2)
    assert [choice.message.content for choice in answer.choices] == ["one two three"] * 2
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage
    assert answer.usage.total_tokens == 9


async def test_chat_streamed(client: openai.AsyncOpenAI) -> None:
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}
    chunks = [chunk async for chunk in await client.chat.completions.create(**ASK, **options)]
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == "one two three"
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage
    assert chunks[-1].usage.completion_tokens == 3


async def test_legacy_completions(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model="lab/echo", prompt=["a b", "c"])
    assert [choice.text for choice in answer.choices] == ["a b", "c"]
    stream = await client.completions.create(model="lab/echo", prompt=[[1, 2]], stream=True)
    assert "".join([c.choices[0].text async for c in stream]) == "<1><2>"


async def test_models(client: openai.AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["lab/echo"]
    assert (await client.models.retrieve("lab/echo")).owned_by == "lab"


@pytest.mark.parametrize(
    ("refusal", "raised", "attempts"),
    [
        (ContextLengthExceeded("Long.", param="messages"), openai.BadRequestError, 1),
        (ModelTooLarge("Big."), openai.InternalServerError, 1),
        (RuntimeError("bug"), openai.InternalServerError, 1),
    ],
)
async def test_what_retrying_will_not_cure_is_asked_once(
    refusal: Exception,
    raised: type[openai.APIStatusError],
    attempts: int,
    client: openai.AsyncOpenAI,
    house: House,
) -> None:
    house.inference.scripts["lab/echo"] = Script(opening=[refusal])
    with pytest.raises(raised) as error:
        await client.chat.completions.create(**ASK)
    assert len(house.inference.asked) == attempts
    assert error.value.code
    assert error.value.request_id


@pytest.mark.parametrize("refusal", [QueueFull("Full."), WorkerLost("Gone.")])
async def test_what_waiting_may_cure_is_asked_again_after_the_wait(
    refusal: Exception,
    client: openai.AsyncOpenAI,
    house: House,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waits: list[float] = []

    async def no_wait(seconds: float) -> None:
        waits.append(seconds)
        house.inference.scripts["lab/echo"] = Script()

    monkeypatch.setattr("anyio.sleep", no_wait)
    house.inference.scripts["lab/echo"] = Script(opening=[refusal])
    answer = await client.chat.completions.create(**ASK)
    assert answer.choices[0].message.content == "one two three"
    assert waits == [1.0]


async def test_unknown_models_and_revoked_keys_raise_their_own_errors(
    client: openai.AsyncOpenAI,
) -> None:
    with pytest.raises(openai.NotFoundError) as missing:
        await client.chat.completions.create(**(ASK | {"model": "gpt-9"}))
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.AuthenticationError) as revoked:
        await client.with_options(api_key=REVOKED_KEY).models.list()
    assert revoked.value.code == "invalid_api_key"


async def test_a_failure_midway_raises_after_the_text_before_it(
    client: openai.AsyncOpenAI, house: House
) -> None:
    house.inference.scripts["lab/echo"] = Script(steps=[Say("a"), WorkerLost("The worker ended.")])
    stream = await client.chat.completions.create(**ASK, stream=True)
    text = ""
    with pytest.raises(openai.APIError, match="The worker ended"):
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""
    assert text == "a"


@contextmanager
def served(app: Any) -> Iterator[str]:
    """The application on a real port, in a thread of its own."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        finally:
            server.should_exit = True
            thread.join()


def test_over_a_real_socket_a_closed_stream_stops_the_generation(house: House) -> None:
    house.inference.scripts["lab/echo"] = Script(
        steps=[Say("a"), Hold(asyncio.Event()), Say("never"), End()]
    )
    with served(house.app()) as url, openai.OpenAI(base_url=url, api_key="lm") as client:
        with client.chat.completions.create(**ASK, stream=True) as stream:
            texts = [next(stream).choices[0].delta.content for _ in range(2)]
            assert texts == ["", "a"]
            generation = house.inference.opened[0]
        _until(generation.closed)
        assert generation.cancelled
        models = client.models.list()
        assert [model.id for model in models] == ["lab/echo"]


def test_over_a_real_socket_an_abandoned_request_stops_too(house: House) -> None:
    reached = Reached()
    house.inference.scripts["lab/echo"] = Script(steps=[Say("a"), Hold(reached), End()])
    with served(house.app()) as url:
        asyncio.run(_ask_and_leave(f"{url}/chat/completions", once=reached.waited))
        _until(house.inference.opened[0].closed)
        assert house.inference.opened[0].cancelled


async def _ask_and_leave(url: str, *, once: asyncio.Event) -> None:
    """Leave once an event of the server's loop has happened, before anything was answered."""
    async with httpx.AsyncClient(timeout=None) as client:
        asking = asyncio.create_task(client.post(url, json=ASK))
        while not once.is_set():
            assert not asking.done()
            await asyncio.sleep(0.005)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking


def _until(event: asyncio.Event) -> None:
    """Wait for an event of the server's loop from outside it; pytest's own timeout is the limit."""
    tick = threading.Event()
    while not event.is_set():
        tick.wait(0.005)
