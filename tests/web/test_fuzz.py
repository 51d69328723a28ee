"""The server's own OpenAPI document, sent back to it: good requests and bad ones, on every route.

No answer is a 500; each has a status and a media type that the document names, errors in the shape
of their surface, and bodies that fit their schema. A longer run is among the faults.
"""

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
import requests
from schemathesis.specs.openapi.definitions import OPENAPI_31

from app.routers.dependencies import ClientRoute, KeyedRoute
from tests.fakes.authority import ADVISOR_KEY, OPERATOR_KEY
from tests.fakes.house import BASE, House
from tests.fakes.inference import Script
from tests.fakes.routes import flat, path_of
from tests.fuzzing import Fuzz
from tests.web.test_keys_on_client_routes import ACTS, OPEN
from tests.web.test_keys_on_every_route import ALL

SURFACES = ("/v1", "/api", "/tokenize", "/detokenize", "/authority", "/advisory", "/")
"""The first that fits is a route's."""
FEW, MANY = 3, 60


class AnyModel(dict[str, Script]):
    """Every name is a model's but those that end in a digit, so that requests get far."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, Script()) if name in self else default

    def __contains__(self, name: object) -> bool:
        return not str(name)[-1:].isdigit()


class Sender:
    """Sends to the application in this process, with a key or without."""

    def __init__(self, app: Any) -> None:
        self._runner = asyncio.Runner()
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        self._client = httpx.AsyncClient(transport=transport, base_url=BASE)

    def __call__(self, asked: requests.PreparedRequest, key: str | None = OPERATOR_KEY) -> Any:
        headers = {k: v for k, v in asked.headers.items() if k.lower() != "authorization"}
        if key is not None:
            proposing = key == OPERATOR_KEY and "/advisory/proposals" in str(asked.url)
            headers["authorization"] = f"Bearer {ADVISOR_KEY if proposing else key}"
        return self._runner.run(
            self._client.request(
                str(asked.method), str(asked.url), content=asked.body or b"", headers=headers
            )
        )

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture(scope="module")
def app() -> Any:
    house = House()
    house.inference.scripts = AnyModel()
    return house.app()


@pytest.fixture(scope="module")
def send(app: Any) -> Iterator[Sender]:
    sender = Sender(app)
    yield sender
    sender.close()


def surface_of(path: str) -> str:
    return next(prefix for prefix in SURFACES if path.startswith(prefix))


def good_request(operation: Any) -> tuple[str, dict[str, Any]] | None:
    """A row of the tables of requests that are answered: its path and its body."""
    template = operation.path.replace("{model_id}", "lab/echo")
    like = re.compile(re.sub("{[^}]*}", "[^/]+", template))
    for method, path, body in (*ALL, *OPEN, *ACTS):
        if method == operation.method.upper() and like.fullmatch(path) and body is not None:
            return path, body
    return None


def fuzz_surface(surface: str, app: Any, send: Sender, examples: int) -> None:
    fuzz = Fuzz(app.openapi(), send, examples)
    found = []
    for operation in fuzz.operations():
        if surface_of(operation.path) != surface:
            continue
        try:
            fuzz.good_and_bad(operation)
            if good := good_request(operation):
                fuzz.grafted(operation, *good)
        except AssertionError as wrong:
            found.append(str(wrong))
        except BaseExceptionGroup as several:
            found += [str(wrong) for wrong in several.exceptions]
    assert not found, "\n\n".join(found)


@pytest.mark.timeout(600)  # hundreds of requests are made up, on a busy machine
@pytest.mark.parametrize("surface", SURFACES)
def test_nothing_that_the_document_allows_or_forbids_is_answered_badly(
    surface: str, app: Any, send: Sender
) -> None:
    fuzz_surface(surface, app, send, FEW)


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("surface", SURFACES)
def test_nor_is_any_of_many_requests(surface: str, app: Any, send: Sender) -> None:
    fuzz_surface(surface, app, send, MANY)


def test_without_a_key_every_route_that_needs_one_says_so_and_looks_at_nothing(
    app: Any, send: Sender
) -> None:
    asked = 0

    def send_without(request: requests.PreparedRequest) -> Any:
        nonlocal asked
        asked += 1
        answer = send(request, key=None)
        needed = answer.status_code == 401
        assert needed or answer.status_code in {404, 405}, f"{request.url}: {answer.text}"
        return answer

    fuzz = Fuzz(app.openapi(), send_without, 1)
    keyed = [one for one in fuzz.operations() if one.path.startswith("/authority")]
    for operation in keyed:
        fuzz.good_and_bad(operation)
    assert asked >= len(keyed) > 50


def test_the_document_is_openapi_3_1(app: Any) -> None:
    document = app.openapi()
    assert document["openapi"].startswith("3.1.")
    assert [e.message for e in jsonschema_rs.validator_for(OPENAPI_31).iter_errors(document)] == []
    assert all(map(jsonschema_rs.meta.is_valid, schemas_of(document)))
    assert not [name for name in document["components"]["schemas"] if "__" in name]


def test_the_document_has_every_route_with_its_body_and_its_errors(app: Any) -> None:
    paths = app.openapi()["paths"]
    hidden = {"/v1", "/openapi.json"}
    routes = [route for route in flat(app.routes) if path_of(route) not in hidden]
    assert len(routes) > 80
    for route in routes:
        path = path_of(route).replace(":path}", "}")
        for method in getattr(route, "methods", ()):
            told = paths[path][method.lower()]
            if isinstance(route, ClientRoute | KeyedRoute):
                assert {"400", "401", "404", "503", "default"} <= set(told["responses"]), path
            answers = told["responses"].get("200", {}).get("content", {})
            body = told.get("requestBody", {}).get("content", {}).get("application/json", {})
            streams = "text/event-stream" in answers
            assert streams == ("stream" in body.get("schema", {}).get("properties", {})), path


def schemas_of(node: Any) -> Iterator[dict[str, Any]]:
    """Every schema of the document, wherever it stands."""
    if isinstance(node, list):
        for below in node:
            yield from schemas_of(below)
    if isinstance(node, dict):
        yield from (one for name, one in node.items() if name == "schema")
        yield from node.get("schemas", {}).values()
        for below in node.values():
            yield from schemas_of(below)
