"""What needs an approval leaves as 403 with the ask's id, and no client retries it by itself."""

from typing import Any

import httpx
import pytest

from app.domain.refusals import ApprovalRequired, PolicyDenied
from tests.fakes.authority import OPERATOR_KEY
from tests.fakes.house import House, assert_openai_error, chat
from tests.fakes.inference import Script

ASK = "1a2b3c4d"
REFUSAL = ApprovalRequired(
    f"lab/echo waits for a person's approval: ask {ASK} is pending.",
    details={"ask": ASK, "act": "model_load"},
)


class Refusing:
    """An execution in which policy wants a person for every load."""

    def __init__(self, refusal: Exception) -> None:
        self.refusal = refusal

    async def load(self, *_: Any, **__: Any) -> None:
        raise self.refusal


@pytest.mark.parametrize("stream", [False, True])
async def test_a_load_on_demand_is_refused_with_the_ask_in_openai_shape(
    client: httpx.AsyncClient, house: House, stream: bool
) -> None:
    house.inference.scripts["lab/echo"] = Script(opening=[REFUSAL])
    response = await client.post("/v1/chat/completions", json=chat(stream=stream))
    error = assert_openai_error(response, 403)
    assert (error["code"], error["type"]) == ("approval_required", "permission_error")
    assert ASK in error["message"]
    assert response.headers["x-should-retry"] == "false"
    assert "retry-after" not in response.headers


async def test_a_load_by_command_is_refused_with_the_ask_as_a_member(
    client: httpx.AsyncClient, house: House
) -> None:
    house.changes["execution"] = Refusing(REFUSAL)
    transport = httpx.ASGITransport(house.app())
    async with httpx.AsyncClient(transport=transport, base_url=str(client.base_url)) as asked:
        response = await asked.post(
            "/authority/models/lab/echo/load",
            headers={"authorization": f"Bearer {OPERATOR_KEY}"},
        )
    body = response.json()
    assert (response.status_code, body["code"], body["ask"]) == (403, "approval_required", ASK)
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["x-should-retry"] == "false"
    assert [entry[1] for entry in house.refusals.recorded] == ["approval_required"]


async def test_what_policy_denies_names_the_rules(client: httpx.AsyncClient, house: House) -> None:
    policy = {"outcome": "deny", "rules": [{"id": "unknown-act"}]}
    house.changes["execution"] = Refusing(PolicyDenied("No.", details={"policy": policy}))
    transport = httpx.ASGITransport(house.app())
    async with httpx.AsyncClient(transport=transport, base_url=str(client.base_url)) as asked:
        response = await asked.post(
            "/authority/models/lab/echo/load",
            headers={"authorization": f"Bearer {OPERATOR_KEY}"},
        )
    assert (response.status_code, response.json()["policy"]) == (403, policy)
