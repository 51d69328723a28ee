"""Guardrails over HTTP: what is passed on, what is refused by name, and who may propose."""

import inspect
from typing import Any

import httpx
import pytest

from app.authority.guarding import Guarding
from app.domain.refusals import GuardrailsInvalid, GuardrailViolated, IntentUnclear, Refusal
from app.routers import guardrails_ports
from tests.fakes.authority import ADVISOR_KEY, APPROVER_KEY, OPERATOR_KEY
from tests.fakes.guarding import FakeGuarding
from tests.fakes.house import House

PATH = "/authority/guardrails"
INTENT = "Block loading a model whose format is unverified"
STRUCTURE = {"action": "block", "points": ["load"], "when": {"primitive": "model_format"}}


def public(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind, callable) if not name.startswith("_")]


async def ask(
    client: httpx.AsyncClient, method: str, path: str, body: Any = None, key: str = OPERATOR_KEY
) -> httpx.Response:
    headers = {"authorization": f"Bearer {key}"}
    return await client.request(method, f"{PATH}{path}", json=body, headers=headers)


@pytest.mark.parametrize(
    ("method", "path", "body", "passed_on"),
    [
        ("POST", "/check", {"text": "a", "form": "markdown"}, {"text": "a", "form": "markdown"}),
        ("POST", "/compile", {"intent": INTENT}, {"intent": INTENT, "version": None, "id": None}),
        (
            "POST",
            "/compile",
            {"intent": STRUCTURE, "version": 3, "id": "formats"},
            {"intent": STRUCTURE, "version": 3, "id": "formats"},
        ),
        ("POST", "/versions", {"text": "a"}, {"text": "a", "form": "yaml", "note": ""}),
        ("GET", "/versions", None, {"cursor": None, "limit": 50}),
        ("GET", "/versions?cursor=9&limit=5", None, {"cursor": "9", "limit": 5}),
        ("GET", "/versions/7", None, {"version": 7}),
        ("GET", "/diff?from=1&to=2", None, {"before": 1, "after": 2}),
        ("GET", "/tasks", None, {"retired": False, "cursor": None, "limit": 500}),
        (
            "GET",
            "/tasks?retired=true&cursor=a&limit=7",
            None,
            {"retired": True, "cursor": "a", "limit": 7},
        ),
        ("GET", "/tasks/large-models", None, {"id": "large-models"}),
        (
            "POST",
            "/recompile",
            {"tasks": ["large-models"], "days": 7},
            {"version": None, "tasks": ["large-models"], "days": 7},
        ),
        (
            "GET",
            "/decisions?task=large-models&point=load&outcome=block&cursor=9&limit=5",
            None,
            {
                "task": "large-models",
                "point": "load",
                "outcome": "block",
                "cursor": "9",
                "limit": 5,
            },
        ),
        ("GET", "/decisions/0a1b2c", None, {"id": "0a1b2c"}),
        (
            "POST",
            "/replay",
            {"since": "1970-01-02", "until": "1970-01-02"},
            {"since_us": 86_400_000_000, "until_us": 172_800_000_000, "limit": None},
        ),
    ],
)
async def test_what_was_asked_is_passed_on(  # noqa: PLR0917 - a row of the table
    client: httpx.AsyncClient, house: House, method: str, path: str, body: Any, passed_on: Any
) -> None:
    answered = await ask(client, method, path, body)
    assert answered.status_code == 200, answered.text
    assert [given for _, given in house.guarding.asked] == [passed_on]


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/tasks", {"id": "formats", "intent": INTENT, "version": 2, "reason": "Why."}, "add"),
        ("/versions/2/activate", {"reason": "Why."}, "activate"),
        ("/rebind", {"version": 2, "tasks": ["formats"], "reason": "Why."}, "rebind"),
        ("/tasks/formats/retire", {"reason": "Why."}, "retire"),
    ],
)
async def test_a_change_of_what_decides_is_answered_with_the_ask(
    client: httpx.AsyncClient, house: House, path: str, body: Any, name: str
) -> None:
    house.guarding.answers = {name: {"id": "0badcafe", "state": "pending"}}
    answered = await ask(client, "POST", path, body)
    assert answered.status_code == 202
    assert answered.json() == {"id": "0badcafe", "state": "pending"}
    ((asked, given),) = house.guarding.asked
    assert (asked, given["reason"]) == (name, "Why.")
    assert given["request_id"] == answered.headers["x-request-id"]


@pytest.mark.parametrize("path", ["/versions/2/activate", "/tasks/formats/retire"])
async def test_a_reason_may_be_left_out(client: httpx.AsyncClient, house: House, path: str) -> None:
    assert (await ask(client, "POST", path)).status_code == 202
    assert [given["reason"] for _, given in house.guarding.asked] == [""]


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/tasks", {"id": "formats", "intent": INTENT}),
        ("GET", "/tasks", None),
        ("POST", "/compile", {"intent": INTENT}),
        ("POST", "/versions", {"text": "version: 1"}),
        ("POST", "/rebind", {"version": 2}),
        ("POST", "/tasks/formats/retire", {}),
        ("POST", "/versions/2/activate", {}),
        ("GET", "/decisions", None),
    ],
)
async def test_an_advisor_may_nothing_here(
    client: httpx.AsyncClient, house: House, method: str, path: str, body: Any
) -> None:
    answered = await ask(client, method, path, body, ADVISOR_KEY)
    assert (answered.status_code, answered.json()["code"]) == (403, "forbidden")
    assert house.guarding.asked == []


async def test_what_decides_already_is_no_ask(client: httpx.AsyncClient, house: House) -> None:
    house.guarding.answers = {"add": {"ask": None, "task": {"id": "formats"}}}
    answered = await ask(client, "POST", "/tasks", {"id": "formats", "intent": INTENT})
    assert (answered.status_code, answered.json()["task"]["id"]) == (200, "formats")


async def test_an_approver_reads_and_changes_nothing(client: httpx.AsyncClient) -> None:
    assert (await ask(client, "GET", "/tasks", key=APPROVER_KEY)).status_code == 200
    refused = await ask(client, "POST", "/rebind", {"version": 2}, APPROVER_KEY)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "/check", {"text": "a", "form": "toml"}, "form"),
        ("POST", "/check", {"text": "a", "path": "b"}, "path"),
        ("POST", "/compile", {"intent": INTENT, "guardrails": {}}, "guardrails"),
        ("POST", "/compile", {"intent": ["Block", "loads"]}, "intent"),
        ("POST", "/compile", {}, "intent"),
        ("POST", "/compile", {"intent": INTENT, "version": "1"}, "version"),
        ("POST", "/compile", {"intent": INTENT, "version": 0}, "version"),
        ("POST", "/tasks", {"id": "Large Models", "intent": INTENT}, "id"),
        ("POST", "/tasks", {"id": "a" * 65, "intent": INTENT}, "id"),
        ("POST", "/rebind", {"version": 2, "tasks": []}, "tasks"),
        ("POST", "/rebind", {}, "version"),
        ("POST", "/versions/2/activate", {"force": True}, "force"),
        ("POST", "/recompile", {"days": 0}, "days"),
        ("POST", "/replay", {"since": "yesterday"}, "since"),
        ("GET", "/versions/0", None, "version"),
        ("GET", "/diff?from=1", None, "to"),
        ("GET", "/versions?limit=501", None, "limit"),
        ("GET", "/versions?active=1", None, "active"),
        ("GET", "/decisions?out_come=block", None, "out_come"),
        ("GET", "/decisions?task=a&task=b", None, "task"),
        ("GET", "/decisions?limit=0", None, "limit"),
    ],
)
async def test_what_is_unknown_or_wrong_is_refused_by_name(  # noqa: PLR0917 - a row of the table
    client: httpx.AsyncClient, house: House, method: str, path: str, body: Any, param: str
) -> None:
    refused = await ask(client, method, path, body)
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    assert refused.json()["param"] == param
    assert house.guarding.asked == []


@pytest.mark.parametrize(
    ("refusal", "member", "code"),
    [
        (
            IntentUnclear("Which?", details={"choices": ["load", "pull"]}),
            "choices",
            "intent_unclear",
        ),
        (
            GuardrailViolated("No.", details={"violations": [{"rule": "bounds"}]}),
            "violations",
            "guardrail_violated",
        ),
        (
            GuardrailsInvalid("No.", details={"errors": [{"line": 3}]}),
            "errors",
            "guardrails_invalid",
        ),
    ],
)
async def test_what_a_refusal_knows_stands_beside_its_sentence(
    client: httpx.AsyncClient, house: House, refusal: Refusal, member: str, code: str
) -> None:
    async def refuse(*_: Any, **__: Any) -> Any:
        raise refusal

    house.guarding.compile = refuse  # type: ignore[method-assign]
    refused = await ask(client, "POST", "/compile", {"intent": INTENT})
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    assert refused.json()[member] == refusal.details[member]


@pytest.mark.parametrize("name", public(guardrails_ports.Guarding))
def test_the_use_cases_take_what_routes_give_them(name: str) -> None:
    wanted = inspect.signature(getattr(guardrails_ports.Guarding, name)).parameters
    given = inspect.signature(getattr(Guarding, name)).parameters
    assert list(wanted) == list(given)
    assert name in public(FakeGuarding)


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/compile", '{"intent": "Block loading", "intent": "Alert when loading"}', "intent"),
        ("/compile", '{"intent": {"action": "block", "action": "alert"}}', "action"),
        ("/tasks", '{"id": "a", "intent": {"when": {"params": {"x": 1, "x": 2}}}}', "x"),
        ("/replay", '{"limit": 1, "limit": 2}', "limit"),
    ],
)
async def test_a_name_that_is_given_twice_is_refused_at_any_depth(
    client: httpx.AsyncClient, house: House, path: str, body: str, name: str
) -> None:
    headers = {"authorization": f"Bearer {OPERATOR_KEY}", "content-type": "application/json"}
    answered = await client.post(f"{PATH}{path}", content=body, headers=headers)
    assert answered.status_code == 400
    assert answered.json()["param"] == name
    assert "given twice" in answered.json()["detail"]
    assert house.guarding.asked == []


@pytest.mark.parametrize("path", ["/tasks?retierd=true", "/tasks?limit=1&limit=2", "/diff?a=1"])
async def test_a_parameter_that_is_misspelled_or_given_twice_is_refused(
    client: httpx.AsyncClient, house: House, path: str
) -> None:
    answered = await ask(client, "GET", path)
    assert answered.status_code == 400
    assert house.guarding.asked == []


@pytest.mark.parametrize("kind", ["text/plain", "application/json"])
async def test_what_is_no_json_is_refused_as_that(
    client: httpx.AsyncClient, house: House, kind: str
) -> None:
    headers = {"authorization": f"Bearer {OPERATOR_KEY}", "content-type": kind}
    answered = await client.post(f"{PATH}/compile", content=b"\xff{", headers=headers)
    assert answered.status_code == 400, answered.text
    assert house.guarding.asked == []
