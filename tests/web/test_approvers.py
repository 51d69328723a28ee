"""People, keys and the profile over HTTP: what is done at once, and what becomes an ask."""

from typing import Any

import httpx
import pytest

from tests.fakes.authority import AUDITOR_KEY, OPERATOR_KEY
from tests.fakes.house import House
from tests.web.test_keys_on_every_route import (
    BECOMING_ASKS,
    PHRASES,
    Route,
    ask,
    assert_problem,
)


@pytest.mark.parametrize("phrase", [None, "yes", "yes, add Ann"])
async def test_a_wrong_confirmation_is_told_the_right_one(
    phrase: str | None, client: httpx.AsyncClient, house: House
) -> None:
    body = {"name": "Ann", "confirmation": phrase}
    response = await ask(client, ("POST", "/authority/people", body), OPERATOR_KEY)
    assert PHRASES[2] in assert_problem(response, 428, "confirmation_required")["detail"]
    assert house.approvers.done == []
    assert "Ann" not in str(house.refusals.recorded)


@pytest.mark.parametrize("route", BECOMING_ASKS, ids=lambda r: f"{r[0]} {r[1]}")
async def test_what_becomes_an_ask_is_refused_with_its_id_and_retrying_does_not_help(
    route: Route, client: httpx.AsyncClient, house: House
) -> None:
    assert_problem(await ask(client, route, AUDITOR_KEY), 403, "forbidden")
    assert house.approvers.asked == []
    response = await ask(client, route, OPERATOR_KEY)
    assert assert_problem(response, 403, "approval_required")["ask"] == "0badcafe"
    assert response.headers["x-should-retry"] == "false"
    assert len(house.approvers.asked) == 1


async def test_a_looser_profile_becomes_an_ask(client: httpx.AsyncClient, house: House) -> None:
    response = await ask(
        client, ("POST", "/authority/approvals/profile", {"kind": "solo"}), OPERATOR_KEY
    )
    assert assert_problem(response, 403, "approval_required")["ask"] == "0badcafe"
    assert (house.approvers.asked, house.approvers.done) == ([("profile_loosen", "solo")], [])


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        (
            "/authority/keys",
            {"name": "bot", "roles": ["client"], "confirmation": "yes, create key bot"},
            "confirmation",
        ),
        ("/authority/keys/k1/revoke", {"confirmation": "yes, revoke key k1"}, "confirmation"),
        ("/authority/approvals/profile", {"kind": "solo", "version": 9}, "version"),
        ("/authority/people", {"name": "Ann", "id": "p-00000001"}, "id"),
    ],
)
async def test_what_cannot_be_said_is_refused_and_never_ignored(
    path: str, body: dict[str, Any], param: str, client: httpx.AsyncClient, house: House
) -> None:
    response = await ask(client, ("POST", path, body), OPERATOR_KEY)
    assert assert_problem(response, 400, "invalid_request")["param"] == param
    assert house.approvers.asked == house.approvers.done == []
