"""Every refusal has its place in the table, and every error its surface's shape."""

import json
import logging

import httpx
import pytest

from app.domain import refusals as no
from app.domain.refusals import Refusal
from app.routers.errors import WIRE, error_response, error_table, fault_of
from tests.fakes.house import House, assert_openai_error, chat
from tests.fakes.inference import Script

CHAT = "/v1/chat/completions"


def every_refusal(kind: type[Refusal] = Refusal) -> set[type[Refusal]]:
    below = kind.__subclasses__()
    return set(below).union(*(every_refusal(k) for k in below)) - {no.RecordedRefusal}


def test_every_refusal_is_in_the_table() -> None:
    ours = {kind for kind in every_refusal() if kind.__module__.startswith("app.")}
    assert ours - WIRE.keys() == set()


def test_the_page_names_every_code_once() -> None:
    lines = error_table().splitlines()[2:]
    codes = [line.split("`")[1] for line in lines]
    assert sorted(codes) == sorted({*codes})
    assert {kind.code for kind in WIRE} | {"internal_error", "unknown_url"} <= {*codes}


def test_an_unlisted_refusal_is_a_defect_and_not_a_success() -> None:
    class Unlisted(Refusal):
        code = "unlisted"

    assert fault_of(Unlisted("No.")).wire.status == 500
    del Unlisted


@pytest.mark.parametrize(
    ("refusal", "status", "code", "kind"),
    [
        (no.ContextLengthExceeded("Long.", param="messages"), 400, "context_length_exceeded", "in"),
        (no.KeyMissing("Key."), 401, "key_missing", "in"),
        (no.KeyInvalid("Key."), 401, "invalid_api_key", "in"),
        (no.Forbidden("No."), 403, "forbidden", "permission"),
        (no.ModelNotFound("None."), 404, "model_not_found", "in"),
        (no.RequestTimeout("Request timeout"), 408, "request_timeout", "timeout"),
        (no.QueueFull("Full.", retry_after_s=7), 429, "queue_full", "rate_limit"),
        (no.ModelTooLarge("Big."), 503, "does_not_fit", "server"),
        (no.AuditUnavailable("No ledger."), 503, "audit_unavailable", "server"),
        (no.WorkerLost("Lost."), 503, "worker_lost", "server"),
        (no.DiskFull("Full."), 507, "disk_full", "server"),
    ],
)
async def test_a_refusal_leaves_in_openai_shape(  # noqa: PLR0917
    refusal: Refusal, status: int, code: str, kind: str, client: httpx.AsyncClient, house: House
) -> None:
    house.inference.scripts["lab/echo"] = Script(opening=[refusal])
    for stream in (False, True):
        response = await client.post(CHAT, json=chat(stream=stream))
        error = assert_openai_error(response, status)
        assert error["code"] == code
        assert error["message"] == refusal.message
        assert error["type"].startswith("invalid_request" if kind == "in" else kind)
    recorded = 2 if refusal.recorded else 0
    assert [entry[1:3] for entry in house.refusals.recorded] == [(code, "lab/echo")] * recorded


@pytest.mark.parametrize("kind", sorted(WIRE, key=lambda kind: kind.code), ids=lambda k: k.code)
@pytest.mark.parametrize("retry_after_s", [None, 0, 3])
def test_a_client_that_retries_by_itself_is_told_when_or_not_at_all(
    kind: type[Refusal], retry_after_s: int | None
) -> None:
    response = error_response(
        fault_of(kind("No.", retry_after_s=retry_after_s)), path="/v1", request_id="r"
    )
    status = response.status_code
    if "retry-after" in response.headers:
        assert int(response.headers["retry-after"]) >= 1
        assert "x-should-retry" not in response.headers
    elif status in (408, 409, 429) or status >= 500:
        assert response.headers["x-should-retry"] == "false"
    if retry_after_s == 3:
        assert response.headers["retry-after"] == "3"


def test_problem_documents_carry_the_details_and_never_lose_a_member_to_them() -> None:
    details = {"need_bytes": 5, "status": "forged", "code": "forged"}
    refusal = no.ModelTooLarge("Big.", details=details)
    response = error_response(fault_of(refusal), path="/authority/x", request_id="r1")
    assert response.headers["content-type"] == "application/problem+json"
    assert json.loads(response.body) == {
        "type": "urn:lmx:error:does_not_fit",
        "title": "The model does not fit in memory now",
        "status": 503,
        "detail": "Big.",
        "code": "does_not_fit",
        "param": None,
        "request_id": "r1",
        "need_bytes": 5,
    }


@pytest.mark.parametrize(
    "path", ["/nope", "/v1/nope", "/v1/", "/v1/chat/completions/", "/docs", "/redoc", "/v2/models"]
)
async def test_an_unknown_route_is_404_in_openai_shape(
    path: str, client: httpx.AsyncClient
) -> None:
    for method in ("GET", "POST", "DELETE"):
        error = assert_openai_error(await client.request(method, path), 404)
        assert error["code"] == "unknown_url"


async def test_a_wrong_method_is_405_and_names_the_right_one(client: httpx.AsyncClient) -> None:
    response = await client.get(CHAT)
    assert_openai_error(response, 405)
    assert response.headers["allow"] == "POST"


async def test_unknown_authority_routes_are_problem_documents(client: httpx.AsyncClient) -> None:
    for method, path, status in (
        ("GET", "/authority/nope", 404),
        ("DELETE", "/authority/status", 405),
    ):
        response = await client.request(method, path)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("stream", [False, True])
async def test_a_defect_is_a_bare_500_logged_once(
    stream: bool,
    client: httpx.AsyncClient,
    house: House,
    caplog: pytest.LogCaptureFixture,
) -> None:
    house.inference.scripts["lab/echo"] = Script(steps=[RuntimeError("secret sauce")])
    with caplog.at_level(logging.ERROR):
        response = await client.post(CHAT, json=chat(stream=stream))
    error = assert_openai_error(response, 500)
    assert error["code"] == "internal_error"
    assert "secret" not in response.text
    assert response.headers["x-should-retry"] == "false"
    ours = [record for record in caplog.records if record.name.startswith("app.")]
    assert len(ours) == 1
    assert response.headers["x-request-id"] in ours[0].getMessage()


async def test_a_refusal_is_still_answered_when_the_ledger_cannot_keep_it(
    client: httpx.AsyncClient, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.refusals.broken = True
    assert_openai_error(await client.post(CHAT, json=chat() | {"model": "no/such"}), 404)
    assert "was not recorded" in caplog.text
