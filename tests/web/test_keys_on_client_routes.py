"""Every client route knows its caller: open, closed with one setting, never for a revoked key."""

from typing import Any

import httpx
import pytest

from app.routers.dependencies import ClientRoute, KeyedRoute
from tests.fakes.authority import CLIENT_KEY, OPERATOR_KEY, REVOKED_KEY
from tests.fakes.house import BASE, House, assert_openai_error, chat
from tests.fakes.routes import flat, path_of

Route = tuple[str, str, Any]

TURN = {"model": "lab/echo", "messages": [{"role": "user", "content": "a"}]}
TEXT = {"model": "lab/echo", "prompt": "a"}
VECTORS = {"model": "lab/echo", "input": "a"}
OPEN: list[Route] = [
    ("GET", "/v1/models", None),
    ("GET", "/v1/models/lab/echo", None),
    ("POST", "/v1/chat/completions", chat()),
    ("POST", "/v1/completions", TEXT),
    ("POST", "/v1/embeddings", VECTORS),
    ("POST", "/v1/rerank", {"model": "lab/echo", "query": "a", "documents": ["a"]}),
    ("POST", "/v1/tokenize", TEXT),
    ("POST", "/v1/detokenize", {"model": "lab/echo", "tokens": [1]}),
    ("POST", "/tokenize", TEXT),
    ("POST", "/detokenize", {"model": "lab/echo", "tokens": [1]}),
    ("POST", "/v1/responses", VECTORS),
    ("GET", "/v1/responses/resp_1", None),
    ("GET", "/v1/responses/resp_1/input_items", None),
    ("DELETE", "/v1/responses/resp_1", None),
    ("POST", "/v1/messages", {**TURN, "max_tokens": 5}),
    ("POST", "/v1/messages/count_tokens", TURN),
    ("GET", "/api/v0/models", None),
    ("GET", "/api/v0/models/lab/echo", None),
    ("POST", "/api/v0/chat/completions", chat()),
    ("POST", "/api/v0/completions", TEXT),
    ("POST", "/api/v0/embeddings", VECTORS),
    ("GET", "/api/v1/models", None),
    ("POST", "/api/v1/chat", VECTORS),
]
"""Client routes: one request for each. Without a key they are anonymous, unless that is closed."""
ACTS: list[Route] = [
    ("POST", "/api/v1/models/load", {"model": "lab/echo"}),
    ("POST", "/api/v1/models/unload", {"instance_id": "lab/echo"}),
    ("POST", "/api/v1/models/download", {"model": "lab/new"}),
    ("GET", "/api/v1/models/download/status/job_00000001", None),
]
"""What of LM Studio's surface acts, and so needs a key; more of it is in test_lmstudio_acts."""
PROBES = {"/", "/v1", "/healthz", "/readyz", "/metrics", "/openapi.json"}
"""What asks nobody who they are: it tells nothing of models, people or keys."""
KEPT_FOR_KEYS = "/v1/responses/resp_1"
each = pytest.mark.parametrize("route", OPEN, ids=lambda r: f"{r[0]} {r[1]}")
each_or_act = pytest.mark.parametrize("route", OPEN + ACTS, ids=lambda r: f"{r[0]} {r[1]}")


async def ask(
    client: httpx.AsyncClient, route: Route, key: str | None, header: str = "authorization"
) -> httpx.Response:
    method, path, body = route
    shown = f"Bearer {key}" if header == "authorization" else str(key)
    return await client.request(method, path, json=body, headers={header: shown} if key else {})


def assert_denied(response: httpx.Response, path: str, code: str) -> str:
    """401 in the shape of the route's own surface; the message is returned."""
    assert response.status_code == 401, response.text
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.headers["content-type"] == "application/json"
    body: Any = response.json()
    if path.startswith("/v1/messages"):
        assert body["type"] == "error"
        assert set(body["error"]) == {"type", "message"}
        assert body["error"]["type"] == "authentication_error"
    elif path.startswith("/api/v1"):
        assert set(body["error"]) == {"type", "message", "code"}
        assert body["error"]["code"] == code
    else:
        assert assert_openai_error(response, 401)["code"] == code
    return str(body["error"]["message"])


def answered(response: httpx.Response, path: str) -> bool:
    """The caller was let in: no answer is kept here, so that one is told only who may keep any."""
    return response.status_code == (404 if path.startswith(KEPT_FOR_KEYS) else 200)


def test_every_route_is_keyed_or_stands_here(house: House) -> None:
    tables = ((OPEN, ClientRoute), (ACTS, KeyedRoute))
    for route in flat(house.app().routes):
        path = path_of(route)
        if path in PROBES:
            continue
        if path.startswith(("/authority", "/advisory")):  # in tables of their own
            assert isinstance(route, KeyedRoute), path
            continue
        for method in getattr(route, "methods", ()):
            assert any(
                isinstance(route, kind) and method == m and route.path_regex.match(p)
                for table, kind in tables
                for m, p, _ in table
            ), f"{method} {path} stands in no table of this file"


def test_no_row_stands_for_a_route_that_is_gone(house: House) -> None:
    routes = [r for r in flat(house.app().routes) if isinstance(r, ClientRoute | KeyedRoute)]
    for method, path, _ in OPEN + ACTS:
        assert any(method in r.methods and r.path_regex.match(path) for r in routes), path
    counted = [r for r in routes if not path_of(r).startswith(("/authority", "/advisory"))]
    assert len(counted) == len(OPEN + ACTS)


@each
async def test_a_client_route_is_open_to_anonymous_unknown_and_known_keys(
    route: Route, client: httpx.AsyncClient
) -> None:
    for key in (None, "sk-any", CLIENT_KEY, OPERATOR_KEY):
        for header in ("authorization", "x-api-key"):
            response = await ask(client, route, key, header)
            assert answered(response, route[1]), response.text


async def test_who_asks_is_whose_key_is_shown(client: httpx.AsyncClient, house: House) -> None:
    for headers in ({}, {"authorization": "Bearer sk-any"}, {"x-api-key": CLIENT_KEY}):
        response = await client.post("/v1/chat/completions", json=chat(), headers=headers)
        assert response.status_code == 200
    assert [actor.id for actor, _ in house.inference.asked] == [
        "anonymous",
        "anonymous",
        "key:client",
    ]


@each_or_act
async def test_a_revoked_key_is_refused_on_every_route(
    route: Route, client: httpx.AsyncClient, house: House
) -> None:
    for header in ("authorization", "x-api-key"):
        response = await ask(client, route, REVOKED_KEY, header)
        assert REVOKED_KEY not in assert_denied(response, route[1], "invalid_api_key")
    assert [entry[1] for entry in house.refusals.recorded] == ["invalid_api_key"] * 2
    assert house.inference.asked == house.execution.acts == []


@each
async def test_one_setting_closes_every_client_route(route: Route, house: House) -> None:
    house.changes["inference_needs_key"] = True
    transport = httpx.ASGITransport(house.app())
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        for key, code in ((None, "key_missing"), ("sk-any", "invalid_api_key")):
            assert_denied(await ask(client, route, key), route[1], code)
        assert house.inference.asked == []
        assert answered(await ask(client, route, CLIENT_KEY), route[1])


@each_or_act
async def test_the_key_is_judged_before_the_body(route: Route, client: httpx.AsyncClient) -> None:
    headers = {"authorization": f"bearer {REVOKED_KEY}", "content-type": "application/json"}
    response = await client.request(route[0], route[1], content=b"[" * 9999, headers=headers)
    assert_denied(response, route[1], "invalid_api_key")
