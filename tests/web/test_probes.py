"""Probes, counters, the root and the schema: open to all, and silent about who and what."""

import httpx
import pytest

from tests.fakes.authority import CLIENT_KEY
from tests.fakes.house import House, chat


async def test_alive_says_nothing_about_models(client: httpx.AsyncClient) -> None:
    assert (await client.get("/healthz")).json() == {"status": "ok"}


async def test_ready_names_the_part_that_is_not(client: httpx.AsyncClient, house: House) -> None:
    assert (await client.get("/readyz")).json()["ready"] is True
    house.parts["ledger"] = False
    response = await client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"ready": False, "parts": {"ledger": False, "catalog": True}}


async def test_the_root_says_what_this_is(client: httpx.AsyncClient) -> None:
    for path in ("/", "/v1"):
        assert (await client.get(path)).json()["openai_base_url"] == "/v1"


@pytest.mark.parametrize("path", ["/", "/v1/models", "/healthz", "/nope", "/v1/chat/completions"])
async def test_a_head_is_answered_as_a_get_is(client: httpx.AsyncClient, path: str) -> None:
    head, get = await client.head(path), await client.get(path)
    assert head.status_code == get.status_code
    assert head.headers["content-length"] == get.headers["content-length"]
    assert head.headers["content-type"] == get.headers["content-type"]


async def test_requests_refusals_and_tokens_are_counted(client: httpx.AsyncClient) -> None:
    headers = {"authorization": f"Bearer {CLIENT_KEY}"}
    await client.post("/v1/chat/completions", json=chat(n=2), headers=headers)
    await client.post("/v1/chat/completions", json=chat() | {"model": "no/pe"})
    await client.get("/secret-path-nobody-has")
    text = (await client.get("/metrics")).text
    for line in (
        'lmx_requests_total{method="POST",route="/v1/chat/completions",status="200"} 1.0',
        'lmx_requests_total{method="POST",route="/v1/chat/completions",status="404"} 1.0',
        'lmx_requests_total{method="GET",route="unmatched",status="404"} 1.0',
        'lmx_refusals_total{code="model_not_found"} 1.0',
        'lmx_tokens_total{kind="completion",model="lab/echo"} 6.0',
        'lmx_tokens_total{kind="prompt",model="lab/echo"} 3.0',
        "lmx_first_token_seconds_count 1.0",
    ):
        assert line in text
    for secret in (CLIENT_KEY, "key:client", "secret-path", "no/pe"):
        assert secret not in text


async def test_the_document_is_made_once_however_often_it_is_asked_for(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await client.get("/openapi.json")
    assert first.json()["openapi"].startswith("3.1.")
    monkeypatch.setattr("app.routers.described.json.dumps", lambda *_, **__: "made again")
    assert (await client.get("/openapi.json")).content == first.content
    assert 'route="/openapi.json",status="200"} 2.0' in (await client.get("/metrics")).text


async def test_the_schema_describes_bodies_and_both_error_shapes(client: httpx.AsyncClient) -> None:
    schema = (await client.get("/openapi.json")).json()
    paths = schema["paths"]
    chat_route = paths["/v1/chat/completions"]["post"]
    body = chat_route["requestBody"]["content"]["application/json"]["schema"]
    assert {"model", "messages"} <= set(body["properties"])
    assert body["properties"]["messages"]["items"]["properties"]["role"]
    error = schema["components"]["schemas"]["ErrorDetail"]
    assert set(error["required"]) == {"message", "type", "param", "code"}
    problem = paths["/authority/status"]["get"]["responses"]["401"]["content"]
    assert "application/problem+json" in problem
    assert "HTTPValidationError" not in str(schema)


async def test_no_page_loads_anything_from_elsewhere(client: httpx.AsyncClient) -> None:
    for path in ("/docs", "/redoc", "/docs/oauth2-redirect"):
        assert (await client.get(path)).status_code == 404


async def test_no_environment_makes_the_framework_report_elsewhere(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:9")
    app = house.app()
    assert not app._native_telemetry.enabled()
    switches = {k: v for k, v in app._telemetry.items() if isinstance(v, bool)}
    assert len(switches) == 5
    assert not any(switches.values())
