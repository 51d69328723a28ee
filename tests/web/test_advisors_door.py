"""An advisor's key: a snapshot, proposals, and 403 everywhere else, whatever is tried."""

import re
from collections.abc import Iterator
from typing import ClassVar

import httpx
import pytest

from app.domain.actors import Actor, Role
from app.routers.door import WAYS
from tests.fakes.advising import SNAPSHOT
from tests.fakes.authority import ADVISOR_KEY, CLIENT_KEY, OPERATOR_KEY, REVOKED_KEY, FakeKeys
from tests.fakes.house import BASE, House, chat
from tests.fakes.routes import flat, path_of

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "HACK")
ADDRESSES = (
    *(
        "/",
        "//",
        "/v1",
        "/v2",
        "/nope",
        "/openapi.json",
        "/docs",
        "/metrics",
        "/healthz",
        "/readyz",
    ),
    *(
        "/advisory",
        "/advisory/",
        "/advisory/snapshot/",
        "/advisory/snapshots",
        "/advisory/SNAPSHOT",
    ),
    *("/Advisory/snapshot", "/advisory/proposals/", "/advisory/proposals/0badcafe", "/advisory/.."),
    *(
        "/advisory/snapshot/../../authority/status",
        "/advisory/snapshot;a=1",
        "/advisory/snapshot%20",
    ),
    *("/advisory/snapshot%00", "/v1/../advisory/snapshot/x", "/%61uthority/status", "/v1%2Fmodels"),
)
BOTH = {"authorization": f"Bearer {ADVISOR_KEY}", "x-api-key": OPERATOR_KEY}


def every_way(house: House) -> Iterator[tuple[str, str]]:
    """Every method of every route that there is, and every other method of it too."""
    for route in flat(house.app().routes):
        path = re.sub(r"\{[^}]+\}", "0badcafe", path_of(route))
        assert path, route  # a mount would be walked past
        for method in {*METHODS, *(getattr(route, "methods", None) or ())}:
            yield method, path


def with_key(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def ask(
    client: httpx.AsyncClient, method: str, path: str, headers: dict[str, str]
) -> httpx.Response:
    return await client.request(method, path, headers=headers, json=chat())


def kept_out(answered: httpx.Response, method: str) -> None:
    assert answered.status_code == 403, answered.text
    if method != "HEAD":
        assert "forbidden" in answered.text or "permission_error" in answered.text
        assert "/advisory/proposals" in answered.text


async def test_an_advisors_key_is_refused_on_every_way_but_two(
    client: httpx.AsyncClient, house: House
) -> None:
    ways = [way for way in every_way(house) if way not in WAYS and way[0] != "HEAD"]
    assert len(ways) > 900
    assert {("GET", "/openapi.json"), ("GET", "/healthz"), ("POST", "/v1/messages")} < set(ways)
    for method, path in ways:
        kept_out(await ask(client, method, path, with_key(ADVISOR_KEY)), method)
    assert house.execution.acts == house.guarding.asked == house.advising.asked == []
    assert {row[:2] for row in house.refusals.recorded} == {("key:advisor", "forbidden")}
    assert len(house.refusals.recorded) == len(ways)


async def test_the_two_ways_are_routes_and_answer(client: httpx.AsyncClient, house: House) -> None:
    assert set(every_way(house)) >= WAYS
    got = await client.get("/advisory/snapshot", headers=with_key(ADVISOR_KEY))
    assert (got.status_code, got.content) == (200, SNAPSHOT)
    body = {"proposals": [{"kind": "unload"}]}
    put = await client.post("/advisory/proposals", json=body, headers={"x-api-key": ADVISOR_KEY})
    assert put.status_code == 200, put.text
    assert [name for name, _ in house.advising.asked] == ["snapshot", "propose"]
    assert house.refusals.recorded == []


@pytest.mark.parametrize("path", ADDRESSES)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
async def test_no_spelling_leads_past_the_door(
    client: httpx.AsyncClient, house: House, method: str, path: str
) -> None:
    kept_out(await ask(client, method, path, with_key(ADVISOR_KEY)), method)
    assert house.advising.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {"x-api-key": ADVISOR_KEY},
        {"authorization": f"bearer   {ADVISOR_KEY} "},
        {"authorization": "Basic Zm9v", "x-api-key": ADVISOR_KEY},
        {"authorization": "Bearer", "x-api-key": ADVISOR_KEY},
        BOTH,
    ],
    ids=["x-api-key", "lower case", "basic beside", "empty beside", "another key beside"],
)
@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/authority/status", "/nope"])
async def test_however_the_key_is_sent_it_is_seen(
    client: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    kept_out(await ask(client, "GET", path, headers), "GET")


async def test_a_head_of_the_snapshot_is_answered_as_a_get_is(client: httpx.AsyncClient) -> None:
    answered = await client.head("/advisory/snapshot", headers=with_key(ADVISOR_KEY))
    assert answered.status_code == 200


@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/authority/status", "code"),
        ("/advisory/else", "code"),
        ("/v1/models", "error"),
        ("/v1/messages", "error"),
        ("/api/v1/models", "error"),
        ("/healthz", "error"),
    ],
)
async def test_the_refusal_has_the_shape_of_the_surface(
    client: httpx.AsyncClient, path: str, shape: str
) -> None:
    answered = await client.get(path, headers=with_key(ADVISOR_KEY))
    assert answered.status_code == 403
    assert shape in answered.json()
    assert answered.headers["x-request-id"]


async def test_the_door_is_shut_before_the_body_is_read_as_json(
    client: httpx.AsyncClient, house: House
) -> None:
    answered = await client.post(
        "/v1/chat/completions", content=b"[" * 100_000, headers=with_key(ADVISOR_KEY)
    )
    assert answered.status_code == 403
    assert house.refusals.recorded[0][:3] == ("key:advisor", "forbidden", "/v1/chat/completions")


@pytest.mark.parametrize("key", [OPERATOR_KEY, CLIENT_KEY, "sk-else", None])
async def test_the_door_is_nobody_elses(
    client: httpx.AsyncClient, house: House, key: str | None
) -> None:
    headers = with_key(key) if key else {}
    assert (await client.get("/healthz", headers=headers)).status_code == 200
    assert (await client.get("/v1/models", headers=headers)).status_code == 200
    assert house.refusals.recorded == []


async def test_a_revoked_key_is_told_that_it_was_revoked(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/models", headers=with_key(REVOKED_KEY))).status_code == 401
    assert (await client.get("/healthz", headers=with_key(REVOKED_KEY))).status_code == 200


async def test_a_key_that_is_more_than_an_advisors_keeps_its_other_routes(house: House) -> None:
    class Keys(FakeKeys):
        _known: ClassVar[dict[str, Actor]] = {
            "lmx_both": Actor("key:both", "both", frozenset({Role.ADVISOR, Role.OPERATOR}), None)
        }

    house.changes = {"keys": Keys()}
    transport = httpx.ASGITransport(house.app())
    async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
        for path in ("/authority/status", "/v1/models", "/healthz", "/advisory/snapshot"):
            answered = await client.get(path, headers=with_key("lmx_both"))
            assert answered.status_code == 200, path
