"""Every route of the real authority, tried by whoever may never act: nothing is let through."""

import re

import pytest

from tests.e2e.asking import problem
from tests.e2e.conversation import create_key
from tests.e2e.server import RunningServer
from tests.web.test_keys_on_every_route import ALL
from tools.contract_page import endpoints
from tools.http_access import roles_of

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


def test_readers_and_deciders_may_what_the_page_of_routes_says_and_nothing_else(
    tiny: RunningServer,
) -> None:
    """docs/http.md is made from the table that is held here against the server."""
    asked = [(method, path, body, roles_of(method, template(method, path)))
             for method, path, body in ALL]  # fmt: skip
    for role in ("auditor", "approver"):
        with tiny.authority(create_key(tiny, f"one {role}", role)) as authority:
            for method, path, body, roles in asked:
                answer = authority.request(method, path.removeprefix("/authority"), json=body)
                if answer.status_code == 400:  # it was read before anybody was judged
                    continue
                forbidden = answer.status_code == 403 and '"forbidden"' in answer.text
                assert forbidden == (role not in roles), f"{role}: {method} {path}: {answer.text}"


TEMPLATES = [(method, path) for method, path, _, _ in endpoints()]
"""Every route, with names in braces for what an address says there."""


def template(method: str, asked: str) -> str:
    """The route of an address: of those that fit, the one that says most."""
    path = asked.partition("?")[0]
    known = (path for its_method, path in TEMPLATES if its_method == method)
    return max((one for one in known if fits(one, path)), key=said)


def said(route: str) -> int:
    return len(re.sub(r"\{\w+\}", "", route))


def fits(route: str, path: str) -> bool:
    """An id of a model and a path go over slashes; other names do not."""
    anything = re.sub(r"\\\{(model_id|path)\\\}", ".+", re.escape(route))
    return re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", anything), path) is not None
