"""Every route of the real authority, tried by whoever may never act: nothing is let through."""

import pytest

from tests.e2e.asking import problem
from tests.e2e.conversation import create_key
from tests.e2e.server import RunningServer
from tests.web.test_keys_on_every_route import ALL

STATE = ("keys", "people", "models", "store/trash", "approvals/profile", "guardrails/tasks")

pytestmark = pytest.mark.timeout(600)  # a server and two keys are made before the first of them


def everything(server: RunningServer) -> dict[str, object]:
    with server.authority() as authority:
        return {path: authority.get(f"/{path}").json() for path in STATE}


@pytest.fixture(scope="module")
def advisor(tiny_server: RunningServer) -> str:
    return create_key(tiny_server, "an adviser", "advisor")


@pytest.fixture(scope="module")
def client(tiny_server: RunningServer) -> str:
    return create_key(tiny_server, "a client", "client")


def test_an_advisors_or_clients_key_changes_nothing_on_any_route(
    tiny: RunningServer, advisor: str, client: str
) -> None:
    before = everything(tiny)
    asks = len(tiny.events(kind="ask_made"))
    for who in (advisor, client):
        with tiny.authority(who) as authority:
            for method, path, body in ALL:
                answer = authority.request(method, path.removeprefix("/authority"), json=body)
                problem(answer, 403, "forbidden")
    assert everything(tiny) == before
    assert len(tiny.events(kind="ask_made")) == asks


def test_without_a_key_no_route_of_the_authority_answers(tiny: RunningServer) -> None:
    before = everything(tiny)
    with tiny.authority() as authority:
        del authority.headers["authorization"]
        for method, path, body in ALL:
            answer = authority.request(method, path.removeprefix("/authority"), json=body)
            problem(answer, 401, "key_missing")
    assert everything(tiny) == before
