"""What may be asked on /authority/ledger, and how a question that is wrong is told so."""

from typing import Any

import httpx
import pytest

from app.authority.auditing.asked import FILTERS, filter_of, micros
from app.authority.ledger.filters import Filter
from app.domain.refusals import InvalidRequest
from tests.fakes.authority import AUDITOR_KEY, CLIENT_KEY, OPERATOR_KEY
from tests.fakes.house import House

EVENTS = "/authority/ledger/events"
COUNTS = "/authority/ledger/counts"
GIVEN = {name: f"{name}-x" for name in FILTERS}


async def get(client: httpx.AsyncClient, path: str, **query: Any) -> httpx.Response:
    headers = {"authorization": f"Bearer {AUDITOR_KEY}"}
    return await client.get(path, params=query or None, headers=headers)


async def test_every_filter_reaches_the_use_case(client: httpx.AsyncClient) -> None:
    response = await get(client, EVENTS, **GIVEN, after=3, limit=5, newest_first=True, total=True)
    asked = {"after": 3, "limit": 5, "newest_first": True, "total": True}
    assert response.json()["events"] == [{"asked": GIVEN} | asked]
    response = await get(client, COUNTS, **GIVEN, by="kind")
    assert response.json()["asked"] == GIVEN
    assert response.json()["by"] == "kind"


async def test_what_is_left_out_is_not_asked(client: httpx.AsyncClient) -> None:
    response = await get(client, EVENTS)
    plain = {"after": 0, "limit": 100, "newest_first": False, "total": False}
    assert response.json()["events"] == [{"asked": {}} | plain]
    assert (await get(client, COUNTS)).json()["by"] == "day"


@pytest.mark.parametrize("path", [EVENTS, COUNTS])
async def test_a_parameter_nobody_knows_is_refused_with_those_there_are(
    client: httpx.AsyncClient, path: str
) -> None:
    response = await get(client, path, kindd="refusal")
    assert response.status_code == 400
    problem = response.json()
    assert problem["param"] == "kindd"
    assert "kindd: is no parameter here. Allowed are: action, actor," in problem["detail"]


@pytest.mark.parametrize(
    "query",
    ["kind=a&kind=b", "limit=0", "limit=1001", "after=-1", "after=x", "total=perhaps"],
)
async def test_a_parameter_that_is_wrong_is_named(client: httpx.AsyncClient, query: str) -> None:
    response = await get(client, f"{EVENTS}?{query}")
    assert response.status_code == 400
    assert response.json()["param"] == query.partition("=")[0]


async def test_a_value_that_is_too_long_is_refused(client: httpx.AsyncClient) -> None:
    response = await get(client, EVENTS, text="a" * 201)
    assert (response.status_code, response.json()["param"]) == (400, "text")


async def test_only_an_operator_makes_the_index_anew(
    client: httpx.AsyncClient, house: House
) -> None:
    for key, status in ((AUDITOR_KEY, 403), (CLIENT_KEY, 403), (OPERATOR_KEY, 200)):
        headers = {"authorization": f"Bearer {key}"}
        response = await client.post("/authority/ledger/reindex", json={}, headers=headers)
        assert response.status_code == status
    assert [entry[1] for entry in house.refusals.recorded] == ["forbidden", "forbidden"]


@pytest.mark.parametrize(
    ("name", "typed", "expected"),
    [
        ("since", "1970-01-01", 0),
        ("until", "1970-01-01", 86_400_000_000),
        ("since", "1970-01-01T00:00:01Z", 1_000_000),
        ("until", "1970-01-01T00:00:01Z", 1_000_000),
        ("since", "1970-01-01T02:00:00.000001+02:00", 1),
        ("since", "1970-01-01T00:00:00", 0),
        ("since", "1969-12-31T23:59:59Z", -1_000_000),
        ("since", "0001-01-01", -62_135_596_800_000_000),
    ],
)
def test_times_are_utc_and_a_last_day_is_whole(name: str, typed: str, expected: int) -> None:
    assert micros(name, typed) == expected


@pytest.mark.parametrize("typed", ["yesterday", "2026-13-01", "12:00", "2026-01-31T25:00Z", "\0"])
@pytest.mark.parametrize("name", ["since", "until"])
def test_what_is_no_time_is_told_how_to_write_one(name: str, typed: str) -> None:
    with pytest.raises(InvalidRequest, match="Write 2026-01-31") as refused:
        filter_of({name: typed})
    assert refused.value.param == name


def test_the_last_day_there_is_cannot_be_the_last_one_asked_for() -> None:
    with pytest.raises(InvalidRequest, match="is no time"):
        filter_of({"until": "9999-12-31"})


@pytest.mark.parametrize(
    ("name", "typed", "allowed"),
    [
        ("kind", "load", "load_intent"),
        ("role", "root", "auditor"),
        ("action", "delete", "model.load"),
        ("kind", "x" * 10_000, "refusal"),
    ],
)
def test_a_value_that_is_none_of_a_list_is_told_the_list(
    name: str, typed: str, allowed: str
) -> None:
    with pytest.raises(InvalidRequest, match=allowed) as refused:
        filter_of({name: typed})
    assert refused.value.param == name
    assert len(refused.value.message) < 1_500


@pytest.mark.parametrize("name", FILTERS)
def test_an_empty_value_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        filter_of({name: "  " if name == "text" else ""})
    assert refused.value.param == name


def test_a_filter_holds_what_was_asked() -> None:
    asked = {"since": "1970-01-02", "kind": "refusal", "text": "a b", "model": None}
    assert filter_of(asked) == Filter(since_us=86_400_000_000, kind="refusal", text="a b")
