"""Terms and chains over HTTP: what is left out, what is null, and what is no such body."""

from typing import Any

import httpx
import pytest

from tests.fakes.authority import OPERATOR_KEY
from tests.fakes.house import House
from tests.web.test_keys_on_every_route import ask, assert_problem

TERMS, ALIAS = "/authority/models/lab/echo/terms", "/authority/models/lab/echo/aliases/tiny"


@pytest.mark.parametrize(
    "body",
    [
        {"context": 64},
        {"context": None},
        {"slots": 2, "idle_s": 0},
        {"context": None, "slots": None, "idle_s": None},
        {},
    ],
)
async def test_what_is_left_out_and_what_is_null_are_told_apart(
    body: dict[str, Any], client: httpx.AsyncClient, house: House
) -> None:
    assert (await ask(client, ("PUT", TERMS, body), OPERATOR_KEY)).status_code == 200
    assert house.housekeeping.acts == [("set_terms", "lab/echo", body)]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        *((TERMS, {"context": wrong}) for wrong in (0, -1, "64", 64.0, True, 2**31)),
        *((TERMS, {"slots": wrong}) for wrong in (0, "2", 1025)),
        *((TERMS, {"idle_s": wrong}) for wrong in (-1, "never", 1.5)),
        *((TERMS, wrong) for wrong in ({"idle": 5}, {"pinned": True}, [], "x")),
        *((ALIAS, {"then": wrong}) for wrong in ("a/b", [1], [""], ["a/b"] * 65, {"a": 1})),
        (ALIAS, {"after": ["a/b"]}),
        (ALIAS, []),
    ],
)
async def test_what_is_no_such_body_changes_nothing(
    path: str, body: Any, client: httpx.AsyncClient, house: House
) -> None:
    response = await ask(client, ("PUT", path, body), OPERATOR_KEY)
    assert_problem(response, 400, "invalid_request")
    assert house.housekeeping.acts == []


async def test_an_alias_is_given_with_and_without_further_models(
    client: httpx.AsyncClient, house: House
) -> None:
    for body in (None, {}, {"then": []}, {"then": ["a/b", "a/c"]}):
        response = await ask(client, ("PUT", ALIAS, body), OPERATOR_KEY)
        assert response.status_code == 200, response.text
    first, *rest = house.housekeeping.acts
    assert first == rest[0] == rest[1] == ("put_alias", "lab/echo", "tiny")
    assert rest[2] == ("put_alias", "lab/echo", "tiny", "a/b", "a/c")
