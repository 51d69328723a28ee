"""`Host`, `Origin`, body limits and the headers that every answer carries."""

import asyncio

import httpx
import pytest

from tests.fakes.authority import OPERATOR_KEY
from tests.fakes.house import Caller, House, assert_openai_error, chat

FOREIGN = "https://evil.example"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1:1234", "127.0.0.1", "localhost:1234", "LOCALHOST", "[::1]:1234", "[::1]",
        "lmx.example", "lmx.example:443", "localhost:59999",
    ],
)  # fmt: skip
async def test_a_host_of_ours_is_served(host: str, client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz", headers={"host": host})).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "evil.example:1234", "127.0.0.1.evil.example", "localhost.evil.example",
        "xlmx.example", "127.0.0.1:1234@evil.example", "0.0.0.0:1234", "192.168.1.5:1234",
        "127.0.0.1:", "[::1", "[fe80::1]:1234", "", " ", "localhost:123456", "localhost:1234,evil",
    ],
)  # fmt: skip
@pytest.mark.parametrize("path", ["/v1/models", "/authority/status", "/healthz", "/nope"])
async def test_any_other_host_is_misdirected(
    host: str, path: str, client: httpx.AsyncClient
) -> None:
    response = await client.get(path, headers={"host": host})
    assert response.status_code == 421
    assert "host_not_allowed" in response.text


async def test_two_hosts_are_none(client: httpx.AsyncClient) -> None:
    headers = [("host", "127.0.0.1:1234"), ("host", "127.0.0.1:1234")]
    assert (await client.get("/healthz", headers=headers)).status_code == 421


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"origin": "http://127.0.0.1:1234"}, 200),
        ({"origin": "HTTP://127.0.0.1:1234"}, 200),
        ({"origin": "https://lmx.example", "host": "lmx.example"}, 200),
        ({"origin": FOREIGN}, 403),
        ({"origin": "null"}, 403),
        ({"origin": ""}, 403),
        ({"origin": "http://localhost:3000"}, 403),
        ({"origin": "http://127.0.0.1"}, 403),
        ({"origin": "http://127.0.0.1:1234.evil.example"}, 403),
        ({"origin": "file://127.0.0.1:1234"}, 403),
        ({"origin": "https://lmx.example"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}, 200),
        ({"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}, 200),
        ({"sec-fetch-site": "none"}, 200),
    ],
)
async def test_only_pages_of_this_server_may_ask(
    headers: dict[str, str], status: int, client: httpx.AsyncClient
) -> None:
    response = await client.get("/v1/models", headers=headers)
    assert response.status_code == status, response.text
    if status == 403:
        assert assert_openai_error(response, 403)["code"] == "origin_not_allowed"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/chat/completions", "/authority/keys", "/"])
async def test_a_preflight_gets_no_permission(path: str, client: httpx.AsyncClient) -> None:
    headers = {"origin": FOREIGN, "access-control-request-method": "POST"}
    response = await client.options(path, headers=headers)
    assert response.status_code == 403
    assert not [name for name in response.headers if name.startswith("access-control")]


async def test_no_answer_ever_carries_a_cors_header(client: httpx.AsyncClient) -> None:
    for path in ("/v1/models", "/healthz", "/nope", "/authority/status"):
        response = await client.get(path, headers={"origin": "http://127.0.0.1:1234"})
        assert not [name for name in response.headers if name.startswith("access-control")]


async def test_a_foreign_page_reaches_no_use_case(client: httpx.AsyncClient, house: House) -> None:
    headers = {"origin": FOREIGN, "authorization": f"Bearer {OPERATOR_KEY}"}
    await client.post("/v1/chat/completions", json=chat(), headers=headers)
    await client.post("/authority/models/lab/echo/load", json={}, headers=headers)
    assert house.inference.asked == []
    assert house.execution.acts == []


async def test_every_answer_has_an_id_and_the_security_headers(client: httpx.AsyncClient) -> None:
    seen = set()
    for path in ("/v1/models", "/nope", "/authority/status", "/healthz"):
        response = await client.get(path, headers={"x-request-id": "forged"})
        seen.add(response.headers["x-request-id"])
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["cache-control"] == "no-store"
        assert "frame-ancestors 'none'" in response.headers["content-security-policy"]
    assert len(seen) == 4
    assert "forged" not in seen


@pytest.mark.parametrize("path", ["//v1//models", "/v1//models", "/v1/models//lab///echo"])
async def test_doubled_slashes_in_a_path_are_one(path: str, house: House) -> None:
    caller = Caller(house.app(), path, b"", method="GET")
    await caller.done
    assert caller.status == 200


async def test_a_declared_body_over_the_limit_is_refused_unread(house: House) -> None:
    caller = Caller(
        house.app(), "/v1/chat/completions", b"", headers=[("content-length", "50000000")]
    )
    await caller.done
    assert caller.status == 413
    assert caller.reads == 0


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/v1/chat/completions", b'"error"'), ("/authority/models/fit", b"urn:lmx:error")],
)
async def test_a_chunked_body_over_the_limit_is_refused_midway(
    path: str, kind: bytes, house: House
) -> None:
    chunks = [b"x" * 100_000] * 500
    caller = Caller(house.app(), path, chunks)
    await caller.done
    assert caller.status == 413
    assert kind in caller.body
    assert caller.reads == 11


async def test_a_client_that_leaves_while_sending_is_let_go(house: House) -> None:
    caller = Caller(house.app(), "/v1/chat/completions", [b"{", b"}"])
    caller.forget_the_rest()
    await caller.leave()
    assert caller.sent == []


async def test_a_websocket_is_closed(house: House) -> None:
    sent = []

    async def send(message: object) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": []}
    await house.app()(scope, asyncio.Event().wait, send)
    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(("encoding", "status"), [("identity", 200), ("gzip", 400), ("zstd", 400)])
async def test_a_compressed_body_is_refused_as_what_it_is(
    client: httpx.AsyncClient, encoding: str, status: int
) -> None:
    headers = {"content-encoding": encoding}
    response = await client.post("/v1/chat/completions", json=chat(), headers=headers)
    assert response.status_code == status
    assert (status == 200) or "Content-Encoding" in response.json()["error"]["message"]
