"""Advice over HTTP: what is passed on, what is refused by name, and who may do what."""

import inspect
import json
from typing import Any

import httpx
import pytest

from app.authority.advising import Advising
from app.domain.refusals import ProposalEnded, ProposalInvalid, Refusal, TooManyProposals
from app.routers import advice_ports
from app.routers.advisory import MAX_BYTES
from tests.fakes.advising import SNAPSHOT, FakeAdvising
from tests.fakes.authority import (
    ADVISOR_KEY,
    APPROVER_KEY,
    AUDITOR_KEY,
    CLIENT_KEY,
    OPERATOR_KEY,
)
from tests.fakes.house import House

DIGEST = "ab" * 32
ONE = "/authority/proposals/0badcafe"
PROPOSED = {"proposals": [{"kind": "unload"}]}


def public(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")]


async def ask(
    client: httpx.AsyncClient, method: str, path: str, body: Any = None, key: str = OPERATOR_KEY
) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return await client.request(method, path, json=body, headers=headers)


async def propose(client: httpx.AsyncClient, content: bytes | str) -> httpx.Response:
    headers = {"authorization": f"Bearer {ADVISOR_KEY}", "content-type": "application/json"}
    return await client.post("/advisory/proposals", content=content, headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "body", "act", "passed_on"),
    [
        (
            "GET",
            "/authority/proposals",
            None,
            "list",
            {"state": None, "kind": None, "author": None, "cursor": None, "limit": 50},
        ),
        (
            "GET",
            "/authority/proposals?state=open&kind=delete&author=key:1&cursor=1-a&limit=200",
            None,
            "list",
            {"state": "open", "kind": "delete", "author": "key:1", "cursor": "1-a", "limit": 200},
        ),
        ("GET", ONE, None, "show", {"id": "0badcafe"}),
        (
            "POST",
            f"{ONE}/accept",
            {"reason": "It is old.", "digest": DIGEST},
            "accept",
            {"id": "0badcafe", "reason": "It is old.", "digest": DIGEST},
        ),
        (
            "POST",
            f"{ONE}/dismiss",
            {"reason": "It is used."},
            "dismiss",
            {"id": "0badcafe", "reason": "It is used."},
        ),
        ("GET", "/authority/advisors", None, "advisors", {}),
        ("POST", "/authority/advisors/residency/run", None, "run", {"name": "residency"}),
        (
            "POST",
            "/authority/advisors/residency/replay",
            {"month": "recorded"},
            "replay",
            {"name": "residency", "month": "recorded", "seed": 0},
        ),
        ("GET", "/authority/advice/scorecard", None, "scorecard", {}),
    ],
)
async def test_what_is_asked_is_passed_on(  # noqa: PLR0917 - a row of the table
    client: httpx.AsyncClient,
    house: House,
    method: str,
    path: str,
    body: Any,
    act: str,
    passed_on: dict[str, Any],
) -> None:
    answered = await ask(client, method, path, body)
    assert (answered.status_code, answered.json()) == (200, {"asked": act})
    assert house.advising.asked == [(act, passed_on)]


async def test_proposals_are_passed_on_as_they_were_written(
    client: httpx.AsyncClient, house: House
) -> None:
    proposals = [{"kind": "unload", "else": [1, None]}, "none", 7]
    body = {"snapshot": DIGEST, "proposals": proposals}
    answered = await ask(client, "POST", "/advisory/proposals", body, ADVISOR_KEY)
    assert answered.status_code == 200
    assert house.advising.asked == [("propose", {"body": body})]


@pytest.mark.parametrize(
    ("method", "path", "may"),
    [
        ("GET", "/advisory/snapshot", {OPERATOR_KEY, AUDITOR_KEY, ADVISOR_KEY}),
        ("POST", "/advisory/proposals", {ADVISOR_KEY}),
        ("GET", "/authority/proposals", {OPERATOR_KEY, APPROVER_KEY, AUDITOR_KEY}),
        ("GET", ONE, {OPERATOR_KEY, APPROVER_KEY, AUDITOR_KEY}),
        ("GET", "/authority/advisors", {OPERATOR_KEY, APPROVER_KEY, AUDITOR_KEY}),
        ("GET", "/authority/advice/scorecard", {OPERATOR_KEY, APPROVER_KEY, AUDITOR_KEY}),
        ("POST", f"{ONE}/accept", {OPERATOR_KEY}),
        ("POST", f"{ONE}/dismiss", {OPERATOR_KEY}),
        ("POST", "/authority/advisors/residency/run", {OPERATOR_KEY}),
        ("POST", "/authority/advisors/residency/replay", {OPERATOR_KEY}),
    ],
)
async def test_who_may(
    client: httpx.AsyncClient, house: House, method: str, path: str, may: set[str]
) -> None:
    bodies = {
        "proposals": PROPOSED,
        "accept": {"reason": "a", "digest": DIGEST},
        "dismiss": {"reason": "a"},
        "replay": {"month": "office"},
    }
    body = bodies.get(path.rpartition("/")[2]) if method == "POST" else None
    for key in (OPERATOR_KEY, APPROVER_KEY, AUDITOR_KEY, ADVISOR_KEY, CLIENT_KEY):
        answered = await ask(client, method, path, body, key)
        assert answered.status_code == (200 if key in may else 403), (key, answered.text)
        if key not in may:
            assert answered.json()["code"] == "forbidden"
    assert (await client.request(method, path, json=body)).status_code == 401
    assert len(house.advising.asked) == len(may)


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("GET", "/authority/proposals?state=closed", None, "state"),
        ("GET", "/authority/proposals?kind=purchase", None, "kind"),
        ("GET", "/authority/proposals?limit=201", None, "limit"),
        ("GET", "/authority/proposals?stat=open", None, "stat"),
        ("GET", "/authority/proposals?state=open&state=expired", None, "state"),
        ("POST", f"{ONE}/accept", {"digest": DIGEST}, "reason"),
        ("POST", f"{ONE}/accept", {"reason": "", "digest": DIGEST}, "reason"),
        ("POST", f"{ONE}/accept", {"reason": " \t", "digest": DIGEST}, "reason"),
        ("POST", f"{ONE}/accept", {"reason": "a" * 501, "digest": DIGEST}, "reason"),
        ("POST", f"{ONE}/accept", {"reason": "a"}, "digest"),
        ("POST", f"{ONE}/accept", {"reason": "a", "digest": DIGEST[:6]}, "digest"),
        ("POST", f"{ONE}/accept", {"reason": "a", "digest": DIGEST, "force": True}, "force"),
        ("POST", f"{ONE}/dismiss", {"reason": ""}, "reason"),
        ("POST", f"{ONE}/dismiss", {"reason": 7}, "reason"),
        ("POST", "/authority/advisors/residency/run", {"as": "operator"}, "as"),
        ("POST", "/authority/advisors/residency/replay", {"month": "may"}, "month"),
        ("POST", "/authority/advisors/residency/replay", {"month": "none", "seed": -1}, "seed"),
        ("POST", "/authority/advisors/residency/replay", {}, "month"),
        ("POST", "/advisory/proposals?as=operator", PROPOSED, "as"),
        ("GET", "/advisory/snapshot?days=90", None, "days"),
    ],
)
async def test_what_is_unknown_or_wrong_is_refused_by_name(  # noqa: PLR0917 - a row of the table
    client: httpx.AsyncClient, house: House, method: str, path: str, body: Any, param: str
) -> None:
    key = ADVISOR_KEY if path.startswith("/advisory") else OPERATOR_KEY
    refused = await ask(client, method, path, body, key)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request"), refused.text
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["param"] == param
    assert house.advising.asked == []


@pytest.mark.parametrize(
    "body",
    [
        {"proposals": [{}] * 51},
        {"proposals": [{}], "author": "operator"},
        {"proposals": [{}], "snapshot": "latest"},
        {"proposals": {}},
        {},
        [],
        7,
        None,
    ],
)
async def test_a_post_that_is_none_is_the_authoritys_to_refuse_on_record(
    client: httpx.AsyncClient, house: House, body: Any
) -> None:
    refused = await propose(client, json.dumps(body))
    assert (refused.status_code, refused.json()["code"]) == (422, "proposal_invalid")
    assert house.refusals.recorded[0][:2] == ("key:advisor", "proposal_invalid")
    assert house.advising.asked == []


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"proposals": [{}], "proposals": [{"kind": "load"}]}', "proposals"),
        ('{"proposals": [{"kind": "unload", "kind": "delete"}]}', "kind"),
        ('{"proposals": [{"change": {"intent": {"action": 1, "action": 2}}}]}', "action"),
    ],
)
async def test_a_name_that_is_given_twice_is_refused_at_any_depth(
    client: httpx.AsyncClient, house: House, body: str, name: str
) -> None:
    answered = await propose(client, body)
    assert answered.status_code == 400
    assert answered.json()["param"] == name
    assert house.advising.asked == []


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a"'])
async def test_what_is_no_json_is_refused_as_that(
    client: httpx.AsyncClient, house: House, body: bytes
) -> None:
    answered = await propose(client, body)
    assert (answered.status_code, answered.json()["code"]) == (400, "invalid_request")
    assert house.advising.asked == []


async def test_proposals_may_take_so_many_bytes_and_no_more(
    client: httpx.AsyncClient, house: House
) -> None:
    frame = b'{"proposals": [{"reason": "%s"}]}'
    most = frame % (b"a" * (MAX_BYTES - len(frame) + 2))
    assert len(most) == MAX_BYTES
    assert (await propose(client, most)).status_code == 200
    refused = await propose(client, most.replace(b"a", b"aa", 1))
    assert (refused.status_code, refused.json()["code"]) == (413, "request_too_large")
    assert len(house.advising.asked) == 1


async def test_a_snapshot_is_handed_out_byte_by_byte(client: httpx.AsyncClient) -> None:
    answered = await ask(client, "GET", "/advisory/snapshot", key=ADVISOR_KEY)
    assert answered.content == SNAPSHOT
    assert answered.headers["content-type"] == "application/json"
    assert answered.headers["cache-control"] == "no-store"


async def test_an_acceptance_that_became_an_ask_says_so_by_its_status(
    client: httpx.AsyncClient, house: House
) -> None:
    house.advising.answers = {"accept": {"outcome": "asked", "ask": "0badcafe"}}
    body = {"reason": "a", "digest": DIGEST}
    answered = await ask(client, "POST", f"{ONE}/accept", body)
    assert (answered.status_code, answered.json()["ask"]) == (202, "0badcafe")


@pytest.mark.parametrize(
    ("refusal", "status"),
    [
        (ProposalInvalid("reason: holds '\\x1b'. Correct it."), 422),
        (TooManyProposals("20 of yours wait for people."), 429),
        (ProposalEnded("It was dismissed by p-1."), 409),
    ],
)
async def test_a_refusal_is_a_problem_document_with_its_code(
    client: httpx.AsyncClient, house: House, refusal: Refusal, status: int
) -> None:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise refusal

    house.advising.propose = refuse  # type: ignore[method-assign]
    refused = await ask(client, "POST", "/advisory/proposals", PROPOSED, ADVISOR_KEY)
    assert (refused.status_code, refused.json()["code"]) == (status, refusal.code)
    assert refused.json()["detail"] == refusal.message
    assert refused.headers["content-type"] == "application/problem+json"
    assert house.refusals.recorded[0][:3] == ("key:advisor", refusal.code, "proposals")


@pytest.mark.parametrize("name", public(advice_ports.Advising))
def test_the_use_cases_take_what_routes_give_them(name: str) -> None:
    wanted = inspect.signature(getattr(advice_ports.Advising, name)).parameters
    given = inspect.signature(getattr(Advising, name)).parameters
    assert list(wanted) == list(given)
    assert name in public(FakeAdvising)
