"""What waits for approval, over HTTP: who gets in, what decides, and that GET changes nothing."""

import copy
import hashlib
import json
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from app.authority.approvals.transitions import State
from app.evidence.decision_proof import decision_proof
from tests.fakes.authority import (
    ADVISOR_KEY,
    APPROVER_KEY,
    AUDITOR_KEY,
    CLIENT_KEY,
    OPERATOR_KEY,
)
from tests.fakes.house import House

WAITS, YES, OVER = "0a0a0a0a", "1b1b1b1b", "2c2c2c2c"
PATH = "/authority/approvals"
ACTS = ("approve", "reject", "veto", "withdraw", "execute", "again")
REASON = "It is \u202eneeded\x1b[2J no more."


@pytest.fixture
def house() -> House:
    house = House()
    house.governance.secrets = {"key:operator": OPERATOR_KEY, "key:approver": APPROVER_KEY}
    house.governance.add(WAITS, State.PENDING, REASON)
    house.governance.add(YES, State.APPROVED)
    house.governance.add(OVER, State.EXPIRED)
    return house


async def get(client: httpx.AsyncClient, path: str, key: str = APPROVER_KEY) -> Any:
    response = await client.get(f"{PATH}{path}", headers=bearer(key))
    assert response.status_code == 200, response.text
    return response.json()


async def post(
    client: httpx.AsyncClient, path: str, body: Any, key: str = APPROVER_KEY
) -> httpx.Response:
    return await client.post(f"{PATH}{path}", json=body, headers=bearer(key))


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


async def word(
    client: httpx.AsyncClient, ask: str, decision: str, key: str = APPROVER_KEY, **changed: Any
) -> dict[str, Any]:
    """What a person with `key` sends to decide."""
    shown = await get(client, f"/{ask}", key)
    proof = decision_proof(
        hashlib.sha256(key.encode()).digest(),
        decision=decision,
        plan_hash=shown["plan_hash"],
        challenge=shown["challenge"],
    )
    said = {"confirmation": shown["typed_hint"]} if decision == "approve" else {"reason": "No."}
    given = {
        "plan_hash": shown["plan_hash"],
        "challenge": shown["challenge"],
        "proof": proof.hex(),
        **said,
    }
    return given | changed


@pytest.mark.parametrize("key", [CLIENT_KEY, ADVISOR_KEY])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("POST", ""),
        ("GET", "/acts"),
        ("GET", f"/{WAITS}"),
        *(("POST", f"/{WAITS}/{act}") for act in ACTS),
    ],
)
async def test_clients_and_advisors_are_refused_before_anything_else(
    client: httpx.AsyncClient, house: House, method: str, path: str, key: str
) -> None:
    before = copy.deepcopy(house.governance.asks)
    for body in (b"{}", b"not json", b'{"a":' * 20_000):
        response = await client.request(method, f"{PATH}{path}", content=body, headers=bearer(key))
        assert (response.status_code, response.json()["code"]) == (403, "forbidden")
    assert house.governance.asks == before
    who = "key:client" if key == CLIENT_KEY else "key:advisor"
    assert [row[:2] for row in house.refusals.recorded] == [(who, "forbidden")] * 3


async def test_reading_changes_nothing(client: httpx.AsyncClient, house: House) -> None:
    before = copy.deepcopy(house.governance.asks)
    for path in ("", "?state=open", "/acts", f"/{WAITS}", f"/{YES}", f"/{OVER}?whole=true"):
        for key in (OPERATOR_KEY, APPROVER_KEY, AUDITOR_KEY):
            await get(client, path, key)
    assert house.governance.asks == before
    assert house.governance.done == []


@pytest.mark.parametrize("act", ACTS)
async def test_no_link_decides(client: httpx.AsyncClient, house: House, act: str) -> None:
    response = await client.get(f"{PATH}/{WAITS}/{act}", headers=bearer(APPROVER_KEY))
    assert response.status_code == 405
    assert house.governance.asks[WAITS]["state"] == "pending"


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", ""])
async def test_what_a_form_of_a_web_page_can_send_decides_nothing(
    client: httpx.AsyncClient, house: House, kind: str
) -> None:
    said = await word(client, WAITS, "approve")
    form = kind.endswith("urlencoded")
    content = urlencode(said).encode() if form else json.dumps(said).encode()
    headers = {**bearer(APPROVER_KEY), "content-type": kind}
    response = await client.post(f"{PATH}/{WAITS}/approve", content=content, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    assert house.governance.asks[WAITS]["state"] == "pending"


@pytest.mark.parametrize(
    "header",
    [("origin", "http://evil.example"), ("origin", "null"), ("sec-fetch-site", "cross-site")],
)
async def test_a_page_of_another_origin_decides_nothing(
    client: httpx.AsyncClient, house: House, header: tuple[str, str]
) -> None:
    said = await word(client, WAITS, "approve")
    headers = {**bearer(APPROVER_KEY), header[0]: header[1]}
    response = await client.post(f"{PATH}/{WAITS}/approve", json=said, headers=headers)
    assert (response.status_code, response.json()["code"]) == (403, "origin_not_allowed")
    assert house.governance.asks[WAITS]["state"] == "pending"


async def test_an_ask_is_made_and_waits(client: httpx.AsyncClient) -> None:
    body = {"act": "model_delete", "params": {"model": "lab/echo"}, "reason": "Old."}
    response = await post(client, "", body, OPERATOR_KEY)
    assert response.status_code == 201
    made = response.json()
    assert (made["state"], made["reason"]) == ("pending", "Old.")
    listed = await get(client, "?state=open&act=model_delete&subject=lab/echo&limit=5")
    assert made["id"] in {ask["id"] for ask in listed["asks"]}


async def test_an_ask_is_shown_as_the_server_renders_it(client: httpx.AsyncClient) -> None:
    shown = await get(client, f"/{WAITS}")
    assert shown["rendered"][-1] == f"  {shown['typed_hint']}"
    assert "  | It is \\u202eneeded\\x1b[2J no more." in shown["rendered"]
    assert shown["typed_hint"].endswith(shown["plan_hash"][-6:])
    narrow = await get(client, f"/{WAITS}?width=40")
    assert max(map(len, narrow["rendered"])) <= 40


async def test_only_who_may_decide_is_given_a_challenge(client: httpx.AsyncClient) -> None:
    assert "challenge" in await get(client, f"/{WAITS}", APPROVER_KEY)
    shown = await get(client, f"/{WAITS}", AUDITOR_KEY)
    assert "challenge" not in shown
    assert shown["you"]["may_approve"] is False
    assert shown["you"]["why_not"]


@pytest.mark.parametrize(
    ("ask", "decision", "state"),
    [(WAITS, "approve", "approved"), (WAITS, "reject", "rejected"), (YES, "veto", "revoked")],
)
async def test_a_decision_with_a_fresh_proof_is_taken(
    client: httpx.AsyncClient, ask: str, decision: str, state: str
) -> None:
    response = await post(client, f"/{ask}/{decision}", await word(client, ask, decision))
    assert (response.status_code, response.json()["state"]) == (200, state)


@pytest.mark.parametrize(
    ("changed", "status", "code"),
    [
        ({"plan_hash": "0" * 64}, 409, "plan_mismatch"),
        ({"proof": "0" * 64}, 428, "proof_required"),
        ({"challenge": "f" * 32}, 428, "proof_required"),
        ({"confirmation": "yes, delete lab/echo"}, 428, "confirmation_required"),
        ({"confirmation": "yes"}, 428, "confirmation_required"),
        ({"confirmation": None}, 428, "confirmation_required"),
    ],
)
async def test_a_decision_that_is_not_quite_right_is_not_taken(
    client: httpx.AsyncClient, house: House, changed: dict[str, Any], status: int, code: str
) -> None:
    body = await word(client, WAITS, "approve", **changed)
    response = await post(client, f"/{WAITS}/approve", body)
    assert response.json()["code"] == code
    assert response.status_code == status
    assert house.governance.asks[WAITS]["state"] == "pending"
    assert house.refusals.recorded[-1][:3] == ("key:approver", code, f"ask {WAITS}")


async def test_a_proof_of_another_decision_or_key_is_not_taken(
    client: httpx.AsyncClient,
) -> None:
    reject = await word(client, WAITS, "reject")
    approve = await word(client, WAITS, "approve", proof=reject["proof"])
    assert (await post(client, f"/{WAITS}/approve", approve)).status_code == 428
    theirs = await word(client, WAITS, "approve", OPERATOR_KEY)
    assert (await post(client, f"/{WAITS}/approve", theirs)).status_code == 428


async def test_a_decision_cannot_be_sent_twice(client: httpx.AsyncClient) -> None:
    body = await word(client, WAITS, "approve")
    assert (await post(client, f"/{WAITS}/approve", body)).status_code == 200
    assert (await post(client, f"/{WAITS}/approve", body)).json()["code"] == "ask_not_open"


async def test_an_auditor_reads_and_neither_decides_nor_executes(
    client: httpx.AsyncClient, house: House
) -> None:
    body = await word(client, WAITS, "approve")
    assert (await post(client, f"/{WAITS}/approve", body, AUDITOR_KEY)).status_code == 403
    assert (await post(client, f"/{YES}/execute", {}, AUDITOR_KEY)).status_code == 403
    assert house.governance.done == []


async def test_what_was_approved_is_executed_once(client: httpx.AsyncClient, house: House) -> None:
    first = await post(client, f"/{YES}/execute", {})
    assert first.json()["effect"]["outcome"] == "done"
    second = await post(client, f"/{YES}/execute", {})
    assert second.json()["code"] == "ask_not_open"
    assert house.governance.done == [YES]


async def test_an_ask_is_withdrawn_or_asked_again(client: httpx.AsyncClient) -> None:
    assert (await post(client, f"/{WAITS}/withdraw", {}, OPERATOR_KEY)).json()["state"] == (
        "withdrawn"
    )
    again = await post(client, f"/{OVER}/again", {}, OPERATOR_KEY)
    assert (again.status_code, again.json()["state"]) == (201, "pending")


async def test_the_kinds_of_acts_are_listed(client: httpx.AsyncClient) -> None:
    assert (await get(client, "/acts"))["acts"][0]["phrase"] == "yes, delete NAME"


@pytest.mark.parametrize(
    ("method", "path", "body", "param"),
    [
        ("POST", "", {"act": "model_delete", "approved": True}, "approved"),
        ("POST", "", {"params": {}}, "act"),
        ("POST", "", {"act": "model_delete", "reason": "r" * 501}, "reason"),
        ("POST", "", {"act": "no_such_act"}, "act"),
        ("POST", f"/{WAITS}/approve", {}, "plan_hash"),
        ("POST", f"/{WAITS}/approve", {"yes": True}, "plan_hash"),
        ("POST", f"/{YES}/execute", {"force": True}, "force"),
        ("POST", f"/{WAITS}/withdraw", {"yes": True}, "yes"),
        ("GET", "?state=nowhere", None, "state"),
        ("GET", "?limit=0", None, "limit"),
        ("GET", f"/{WAITS}?width=7", None, "width"),
    ],
)
async def test_what_is_unknown_or_wrong_is_refused_by_name(
    client: httpx.AsyncClient, method: str, path: str, body: Any, param: str
) -> None:
    response = await client.request(
        method, f"{PATH}{path}", json=body, headers=bearer(OPERATOR_KEY)
    )
    assert (response.status_code, response.json()["code"]) == (400, "invalid_request")
    assert response.json()["param"] == param


async def test_an_ask_that_does_not_exist_is_not_found(client: httpx.AsyncClient) -> None:
    for path in ("/ffffffff", "/0a", "/nowhere"):
        response = await client.get(f"{PATH}{path}", headers=bearer(OPERATOR_KEY))
        assert (response.status_code, response.json()["code"]) == (404, "ask_not_found")
