"""The real server, its real authority and a real model, fuzzed with the server's own document."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests

from tests.e2e.conversation import create_key
from tests.e2e.server import RunningServer, running_server
from tests.fuzzing import BASE, Fuzz
from tests.models import tiny_model
from tests.web.test_fuzz import good_request

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1200)]

EXAMPLES = 4
LEFT_OUT = {"/authority/models/import", "/authority/ledger/rotate"}
"""One reads whatever directory is named, the other makes the rest slow."""
SURFACES = ("/advisory", "/v1", "/api", "/tokenize", "/detokenize", "/authority")
"""That of keys last: what it makes up may revoke one."""


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server of its own: its keys, asks and models are not what they were, afterwards."""
    directory: Path = tmp_path_factory.mktemp("fuzzed")
    model = tiny_model(directory / "tiny", context=256, ends=True)
    with running_server(directory / "home", default_context=256) as running:
        running.import_model(model, "lab/echo")
        yield running


@pytest.fixture(scope="module")
def bot(fuzzed: RunningServer) -> str:
    return create_key(fuzzed, "fuzzing-bot", "advisor")


@pytest.mark.parametrize("surface", SURFACES)
def test_the_real_server_answers_nothing_badly(
    surface: str, fuzzed: RunningServer, bot: str
) -> None:
    key = bot if surface == "/advisory" else fuzzed.operator_key
    found = []
    with httpx.Client(base_url=fuzzed.url, timeout=120) as client:

        def send(asked: requests.PreparedRequest) -> Any:
            headers = {k: v for k, v in asked.headers.items() if k.lower() != "authorization"}
            headers["authorization"] = f"Bearer {key}"
            path = str(asked.url).removeprefix(BASE)
            return client.request(
                str(asked.method), path, content=asked.body or b"", headers=headers
            )

        fuzz = Fuzz(client.get("/openapi.json").json(), send, EXAMPLES)
        for operation in fuzz.operations():
            if operation.path in LEFT_OUT or not operation.path.startswith(surface):
                continue
            try:
                fuzz.good_and_bad(operation)
                if good := good_request(operation):
                    fuzz.grafted(operation, *good)
            except AssertionError as wrong:
                found.append(str(wrong))
    assert not found, "\n\n".join(found)
    health = httpx.get(f"{fuzzed.url}/readyz", timeout=30)
    assert health.status_code == 200, health.text
