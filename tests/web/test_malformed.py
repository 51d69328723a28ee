"""Bodies that are no request: always a 400 or 413 in the surface's shape, never a 500."""

import asyncio
import json
from functools import cache
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.authority import OPERATOR_KEY
from tests.fakes.house import BASE, House, assert_openai_error, chat

CHAT = "/v1/chat/completions"
LEGACY = "/v1/completions"

DEEP = 100_000
BODIES = {
    "empty": b"",
    "blank": b" \n ",
    "cut off": b'{"model": "lab/ec',
    "not JSON": b"model=lab/echo",
    "a list": b"[]",
    "a string": b'"hi"',
    "null": b"null",
    "invalid UTF-8": b'{"model": "\xff\xfe"}',
    "UTF-16": '{"model": "x"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"model": "x"}',
    "half a surrogate pair": b'{"model": "lab/echo", "prompt": "\\ud800", "messages": []}',
    "a nest of lists": b"[" * DEEP,
    "a closed nest of lists": b"[" * DEEP + b"]" * DEEP,
    "a nest of objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "a nest in a field": b'{"model":"m","metadata":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "an enormous integer": b'{"model":"m","seed":' + b"9" * 10_000 + b"}",
    "not a number": b'{"model":"lab/echo","prompt":"a","messages":[],"temperature":NaN}',
    "infinite": b'{"model":"lab/echo","prompt":"a","messages":[],"temperature":1e999}',
    "trailing text": b"{} {}",
    "a NUL": b'{"model":"m"}\x00',
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("path", [CHAT, LEGACY])
async def test_a_body_that_is_no_request(
    path: str, name: str, client: httpx.AsyncClient, house: House
) -> None:
    assert_openai_error(await client.post(path, content=BODIES[name]), 400)
    assert house.inference.asked == []


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("kind", ["application/json", "text/plain"])
async def test_the_same_on_the_authority(
    kind: str, name: str, client: httpx.AsyncClient, house: House
) -> None:
    headers = {"authorization": f"Bearer {OPERATOR_KEY}", "content-type": kind}
    response = await client.post("/authority/keys", content=BODIES[name], headers=headers)
    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert house.execution.acts == []


async def test_fifty_megabytes_are_refused(client: httpx.AsyncClient) -> None:
    assert_openai_error(await client.post(CHAT, content=b" " * 50_000_000), 413)


def test_a_repeated_name_counts_once_and_the_last_wins() -> None:
    body = b'{"model":"no/pe","model":"lab/echo","prompt":"a","prompt":"b"}'
    assert _post(LEGACY, body).json()["choices"][0]["text"] == "b"


FIELDS = [
    "model", "messages", "prompt", "n", "stop", "seed", "temperature", "top_p", "max_tokens",
    "stream_options", "response_format", "tools", "best_of", "logit_bias", "top_k", "stream",
]  # fmt: skip
WHATEVER = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.sampled_from(["user", "text", "lab/echo", "json_object"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "type", "text", "include_usage"])
            | st.text(max_size=3),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)


@settings(max_examples=120, deadline=None)
@given(
    path=st.sampled_from([CHAT, LEGACY]), fields=st.dictionaries(st.sampled_from(FIELDS), WHATEVER)
)
def test_any_fields_are_answered_or_refused(path: str, fields: dict[str, Any]) -> None:
    good = chat() if path == CHAT else {"model": "lab/echo", "prompt": "a"}
    _assert_answered_or_refused(_post(path, json.dumps(good | fields).encode()))


@settings(max_examples=80, deadline=None)
@given(path=st.sampled_from([CHAT, LEGACY, "/authority/keys"]), body=st.binary(max_size=64))
def test_any_bytes_are_refused(path: str, body: bytes) -> None:
    response = _post(path, body)
    assert response.status_code == 400
    _assert_answered_or_refused(response)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_damaged_request_is_answered_or_refused(data: st.DataObject) -> None:
    body = bytearray(json.dumps(chat("hello", n=2, stop=["x"], seed=1)).encode())
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    _assert_answered_or_refused(_post(CHAT, bytes(body)))


def _assert_answered_or_refused(response: httpx.Response) -> None:
    assert response.status_code in (200, 400, 404), response.text
    if response.headers["content-type"].startswith("text/event-stream"):
        assert response.text.endswith("data: [DONE]\n\n")
    elif response.headers["content-type"] == "application/problem+json":
        assert response.json()["type"].startswith("urn:lmx:error:")
    elif response.status_code != 200:
        assert_openai_error(response, response.status_code)


@cache
def standing() -> Any:
    """One application for all examples: building it takes longer than asking it."""
    return House().app()


def _post(path: str, body: bytes) -> httpx.Response:
    async def post() -> httpx.Response:
        transport = httpx.ASGITransport(standing())
        headers = {"authorization": f"Bearer {OPERATOR_KEY}", "content-type": "application/json"}
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.post(path, content=body, headers=headers)

    return asyncio.run(post())
