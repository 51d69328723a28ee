"""Every authority route: anonymous, unknown, revoked, forbidden; then the allowed caller."""

from typing import Any

import httpx
import pytest

from app.routers.dependencies import KeyedRoute
from tests.fakes.authority import AUDITOR_KEY, CLIENT_KEY, OPERATOR_KEY, REVOKED_KEY
from tests.fakes.house import House
from tests.fakes.routes import flat, path_of

Route = tuple[str, str, Any]

PHRASES = (
    "yes, erase the name of p-00000001",
    "yes, rotate the signing key",
    "yes, add this person",
    "yes, require 1 other person",
)
INTENT = "Block loading a model whose format is unverified"
GROUP = {"name": "keepers", "persons": ["p-00000001", "p-00000002"], "quorum": 1}
OPERATOR_ROUTES: list[Route] = [
    ("GET", "/authority/status", None),
    ("POST", "/authority/models/import", {"path": "/m", "name": "lab/new"}),
    ("POST", "/authority/models/pull/plan", {"repo": "lab/new", "revision": "main"}),
    ("POST", "/authority/models/pull", {"plan": "ab" * 32}),
    (
        "POST",
        "/authority/models/lab/echo/confirm",
        {"confirmation": "yes, confirm lab/echo 0badca"},
    ),
    ("POST", "/authority/models/fit", {"model": "lab/echo", "context": 64}),
    ("POST", "/authority/models/lab/echo/load", {"context": 64, "slots": 2, "pinned": True}),
    ("POST", "/authority/models/lab/echo/unload", {}),
    ("POST", "/authority/models/lab/echo/verify", {}),
    ("POST", "/authority/models/verify", {"all": True}),
    ("POST", "/authority/models/lab/echo/repair/plan", {}),
    ("POST", "/authority/models/lab/echo/repair", {"plan": "ab" * 32}),
    ("GET", "/authority/keys", None),
    ("GET", "/authority/rules", None),
    ("GET", "/authority/ledger/events?after=3&limit=5&kind=load_intent&newest_first=true", None),
    ("GET", "/authority/ledger/events/1", None),
    ("GET", "/authority/ledger/counts?by=kind", None),
    ("POST", "/authority/ledger/reindex", {}),
    ("GET", "/authority/ledger/reports", None),
    ("GET", "/authority/ledger/reports/model?subject=a/b&since=2026-01-31&after=3&limit=5", None),
    ("GET", "/authority/runs?act=model.load&outcome=refused&cursor=9&limit=5&total=true", None),
    ("GET", "/authority/runs/0a1b2c", None),
    ("GET", "/authority/runs/0a1b2c/diff/7", None),
    ("POST", "/authority/ledger/exports", {"since": "2026-01-31", "purpose": "a review"}),
    ("GET", "/authority/ledger/checkpoint", None),
    ("GET", "/authority/ledger/tile/entries/x001/000.p/7", None),
    ("GET", "/authority/ledger/bundles?first=1&count=2&size=600&of=leaves", None),
    ("GET", f"/authority/ledger/blobs/{'0' * 64}", None),
    ("GET", "/authority/ledger/keys", None),
    ("GET", "/authority/ledger/checkpoint/bundle?old=0", None),
    ("GET", "/authority/ledger/proofs/inclusion?seq=1", None),
    ("GET", "/authority/ledger/proofs/consistency?old=1&new=2", None),
    ("POST", "/authority/ledger/cosignatures", {"note": "a note\n"}),
    ("POST", "/authority/ledger/rotate", {"confirmation": PHRASES[1]}),
    ("GET", "/authority/people", None),
    ("GET", "/authority/config", None),
    ("POST", "/authority/config/reload", {}),
    (
        "POST",
        "/authority/backups",
        {"name": "b", "manifest": "m", "size": 1, "root": "aa", "size_bytes": 1},
    ),
    ("POST", "/authority/people", {"name": "Ann", "confirmation": PHRASES[2]}),
    ("GET", "/authority/approvals/profile", None),
    (
        "POST",
        "/authority/approvals/profile",
        {"kind": "dual", "groups": [GROUP], "confirmation": PHRASES[3]},
    ),
    ("GET", "/authority/store", None),
    ("GET", "/authority/store/trash", None),
    ("POST", "/authority/store/restore", {"trash": "0badcafe"}),
    ("POST", "/authority/store/purge", {"what": "trash", "reason": "full"}),
    ("DELETE", "/authority/models/lab/echo", {"drain": True, "reason": "old"}),
    ("GET", "/authority/models/adopt", None),
    ("POST", "/authority/models/adopt", {"program": "hf", "what": "lab/echo"}),
    ("PUT", "/authority/models/lab/echo/aliases/tiny", None),
    ("DELETE", "/authority/models/lab/echo/aliases/tiny", None),
    ("PUT", "/authority/models/lab/echo/terms", {"context": 64, "idle_s": None}),
    ("PUT", "/authority/models/lab/echo/pin", {"pinned": True}),
    ("PUT", "/authority/models/lab/echo/note", {"note": "for the tests"}),
    ("POST", "/authority/people/p-00000001/erase", {"confirmation": PHRASES[0]}),
    ("POST", "/authority/guardrails/check", {"text": "version: 1"}),
    ("POST", "/authority/guardrails/compile", {"intent": INTENT, "version": 1}),
    ("POST", "/authority/guardrails/versions", {"text": "version: 1", "note": "tighter"}),
    ("GET", "/authority/guardrails/versions", None),
    ("GET", "/authority/guardrails/versions/1", None),
    ("POST", "/authority/guardrails/versions/2/activate", {"reason": "tighter"}),
    ("GET", "/authority/guardrails/diff?from=1&to=2", None),
    ("GET", "/authority/guardrails/tasks?retired=true", None),
    ("GET", "/authority/guardrails/tasks/large-models", None),
    ("POST", "/authority/guardrails/tasks", {"id": "large-models", "intent": INTENT}),
    ("POST", "/authority/guardrails/tasks/large-models/retire", {"reason": "old"}),
    ("POST", "/authority/guardrails/recompile", {"version": 2, "tasks": ["large-models"]}),
    ("POST", "/authority/guardrails/rebind", {"version": 2, "reason": "tighter"}),
    ("GET", "/authority/guardrails/decisions?point=load&outcome=block&limit=5", None),
    ("GET", "/authority/guardrails/decisions/0a1b2c", None),
    ("POST", "/authority/guardrails/replay", {"since": "2026-01-31"}),
    ("GET", "/authority/proposals?state=open&kind=delete&author=residency&limit=5", None),
    ("GET", "/authority/proposals/0badcafe", None),
    ("POST", "/authority/proposals/0badcafe/accept", {"reason": "yes", "digest": "ab" * 32}),
    ("POST", "/authority/proposals/0badcafe/dismiss", {"reason": "it is used"}),
    ("GET", "/authority/advisors", None),
    ("POST", "/authority/advisors/residency/run", {}),
    ("POST", "/authority/advisors/residency/replay", {"month": "office", "seed": 7}),
    ("GET", "/authority/advice/scorecard", None),
]
BECOMING_ASKS: list[Route] = [
    ("POST", "/authority/keys", {"name": "bot", "roles": ["client"]}),
    ("POST", "/authority/keys/k1/revoke", {}),
]
CLIENT_ROUTES: list[Route] = [
    ("GET", "/authority/models", None),
    ("GET", "/authority/models/lab/echo", None),
]
WAITING_FOR_APPROVALS: list[Route] = [
    ("POST", "/authority/ledger/prune", {"before_us": 1}),
    ("POST", "/authority/ledger/recover", {}),
]
APPROVALS: list[Route] = [
    ("GET", "/authority/approvals", None),
    ("POST", "/authority/approvals", {"act": "model_delete", "params": {"model": "lab/echo"}}),
    ("GET", "/authority/approvals/acts", None),
    ("GET", "/authority/approvals/0badcafe", None),
    *(
        ("POST", f"/authority/approvals/0badcafe/{act}", {})
        for act in ("approve", "reject", "veto", "withdraw", "execute", "again")
    ),
]
"""How they answer those who may is in test_approvals.py."""
ALLOWED = OPERATOR_ROUTES + CLIENT_ROUTES
ASKS = ("/purge", "echo", "/activate", "/retire", "/rebind", "/guardrails/tasks")
ASKING = [route for route in ALLOWED if route[1].endswith(ASKS) and route[2]]
"""What is answered with an ask: nothing was done."""
CHANGES = ("reindex", "rotate", "cosignatures", "erase", "import", "/load", "/unload", "/verify")
COMPUTED = ("/fit", "/exports", "/check", "/compile", "/recompile", "guardrails/replay")
FOR_AUDITORS = [
    route
    for route in ALLOWED
    if (route[0] == "GET" or route[1].endswith(COMPUTED)) and not route[1].endswith(CHANGES)
]
"""Exporting and what is only computed are posted, and change nothing but the record."""
ALL = ALLOWED + WAITING_FOR_APPROVALS + BECOMING_ASKS + APPROVALS
each = pytest.mark.parametrize("route", ALL, ids=lambda r: f"{r[0]} {r[1]}")


async def ask(client: httpx.AsyncClient, route: Route, key: str | None) -> httpx.Response:
    method, path, body = route
    headers = {"authorization": f"Bearer {key}"} if key else {}
    return await client.request(method, path, json=body, headers=headers)


def assert_problem(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = response.json()
    assert body["status"] == status
    assert body["code"] == code
    assert body["type"] == f"urn:lmx:error:{code}"
    assert body["title"]
    assert body["detail"]
    assert body["request_id"] == response.headers["x-request-id"]
    return body


@each
async def test_anonymous(route: Route, client: httpx.AsyncClient, house: House) -> None:
    response = await ask(client, route, None)
    assert_problem(response, 401, "key_missing")
    assert response.headers["www-authenticate"] == "Bearer"
    assert [entry[:2] for entry in house.refusals.recorded] == [("anonymous", "key_missing")]
    assert house.execution.acts == []


@each
async def test_unknown_or_revoked_key(route: Route, client: httpx.AsyncClient) -> None:
    for key in ("lmx_ffffffff_nobody", "sk-else", REVOKED_KEY):
        response = await ask(client, route, key)
        assert_problem(response, 401, "invalid_api_key")
        assert key not in response.text


@pytest.mark.parametrize(
    "route",
    OPERATOR_ROUTES + WAITING_FOR_APPROVALS + BECOMING_ASKS + APPROVALS,
    ids=lambda r: f"{r[0]} {r[1]}",
)
async def test_forbidden(route: Route, client: httpx.AsyncClient, house: House) -> None:
    response = await ask(client, route, CLIENT_KEY)
    assert_problem(response, 403, "forbidden")
    assert [entry[:2] for entry in house.refusals.recorded] == [("key:client", "forbidden")]
    assert house.execution.acts == []


@pytest.mark.parametrize("route", ALLOWED, ids=lambda r: f"{r[0]} {r[1]}")
async def test_allowed(route: Route, client: httpx.AsyncClient, house: House) -> None:
    house.execution.import_steps = [{"done": {"id": "lab/new"}}]
    response = await ask(client, route, OPERATOR_KEY if route not in CLIENT_ROUTES else CLIENT_KEY)
    assert response.status_code == (202 if route in ASKING else 200), response.text
    if route in FOR_AUDITORS:
        response = await ask(client, route, AUDITOR_KEY)
        assert response.status_code == 200, response.text
    assert house.refusals.recorded == []


@pytest.mark.parametrize("route", ALLOWED, ids=lambda r: f"{r[0]} {r[1]}")
async def test_an_auditor_is_let_through_to_what_only_reads(
    route: Route, client: httpx.AsyncClient, house: House
) -> None:
    house.execution.import_steps = [{"done": {"id": "lab/new"}}]
    response = await ask(client, route, AUDITOR_KEY)
    assert (response.status_code == 200) == (route in FOR_AUDITORS)


@pytest.mark.parametrize("route", WAITING_FOR_APPROVALS, ids=lambda r: f"{r[0]} {r[1]}")
async def test_what_needs_approvals_is_refused_and_on_record(
    route: Route, client: httpx.AsyncClient, house: House
) -> None:
    assert_problem(await ask(client, route, AUDITOR_KEY), 403, "forbidden")
    assert_problem(await ask(client, route, OPERATOR_KEY), 403, "approval_unavailable")
    assert [entry[:3] for entry in house.refusals.recorded] == [
        ("key:auditor", "forbidden", "the ledger"),
        ("key:operator", "approval_unavailable", "the ledger"),
    ]


@each
async def test_the_key_is_judged_before_the_body(route: Route, client: httpx.AsyncClient) -> None:
    method, path, _ = route
    for key, status in ((None, 401), ("lmx_ffffffff_nobody", 401)):
        headers = {"content-type": "application/json"}
        if key:
            headers["authorization"] = f"Bearer {key}"
        response = await client.request(method, path, content=b"[" * 100_000, headers=headers)
        assert response.status_code == status


def test_no_authority_route_is_missing_here_or_takes_no_key(house: House) -> None:
    asked = {(method, path.partition("?")[0]) for method, path, _ in ALL}
    routes = [route for route in flat(house.app().routes) if "/authority" in path_of(route)]
    assert len(routes) == len(ALL)
    for route in routes:
        assert isinstance(route, KeyedRoute), path_of(route)
        for method in route.methods:
            assert any(m == method and route.path_regex.match(p) for m, p in asked), path_of(route)


async def test_act_routes_pass_on_what_was_asked(client: httpx.AsyncClient, house: House) -> None:
    for route in OPERATOR_ROUTES:
        if not route[1].endswith(("/load", "/unload", "/verify")):
            continue
        await ask(client, route, OPERATOR_KEY)
    assert house.execution.acts == [
        ("load", "lab/echo", 64, 2, True),
        ("unload", "lab/echo"),
        ("verify", "lab/echo"),
    ]


@pytest.mark.parametrize(
    ("route", "param"),
    [
        (("POST", "/authority/models/lab/echo/load", {"fits": True}), "fits"),
        (("POST", "/authority/models/lab/echo/load", {"context": 0}), "context"),
        (("POST", "/authority/models/lab/echo/load", {"context": "64"}), "context"),
        (("POST", "/authority/models/lab/echo/unload", {"force": True}), "force"),
        (("POST", "/authority/models/fit", {"verdict": "fits"}), "verdict"),
        (("POST", "/authority/keys", {"name": "bot", "roles": []}), "roles"),
        (("GET", "/authority/ledger/events?limit=0", None), "limit"),
        (("GET", "/authority/ledger/events?after=99999999999999999999", None), "after"),
        (("GET", "/authority/ledger/events/one", None), "seq"),
        (("POST", "/authority/ledger/exports", {"until": 7}), "until"),
        (("GET", "/authority/ledger/reports/refusals?limit=0", None), "limit"),
        (("GET", "/authority/ledger/reports/refusals?sinse=2026", None), "sinse"),
        (("GET", "/authority/ledger/bundles?first=-1", None), "first"),
        (("GET", "/authority/runs?out_come=refused", None), "out_come"),
        (("GET", "/authority/runs?limit=0", None), "limit"),
        (("GET", f"/authority/runs/{'a' * 65}", None), "run"),
        (("GET", "/authority/ledger/bundles?of=names", None), "of"),
        (("GET", "/authority/ledger/blobs/signing.key", None), "digest"),
    ],
)
async def test_a_field_that_is_unknown_or_wrong_is_refused_by_name(
    route: Route, param: str, client: httpx.AsyncClient, house: House
) -> None:
    body = assert_problem(await ask(client, route, OPERATOR_KEY), 400, "invalid_request")
    assert body["param"] == param
    assert house.execution.acts == []
