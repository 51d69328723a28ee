"""What people set for one model, on a real server: what it is loaded on, how long it stays, and who
answers under its name when it is gone."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.asking import complete, problem, until
from tests.e2e.conversation import governed
from tests.e2e.server import RunningServer, running_server
from tests.models import tiny_model

OWN, OTHER = "me/own", "me/other"

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """Models that nobody uses are unloaded at the next look."""
    place = tmp_path_factory.mktemp("terms")
    with running_server(place / "home", default_context=256, slots=2, idle_ttl_s=0.1) as running:
        for seed, name in enumerate((OWN, OTHER)):
            running.import_model(tiny_model(place / str(seed), seed=seed), name)
        yield running


def said(server: RunningServer, *command: str) -> str:
    done = server.lmx("models", *command)
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def state(server: RunningServer, model: str) -> Any:
    return server.residency(model).get("state", "absent")


def need(server: RunningServer, *terms: str) -> int:
    total: int = json.loads(said(server, "fit", OWN, *terms, "--json"))["need"]["total_bytes"]
    return total


def test_a_model_is_loaded_on_the_terms_that_are_set_for_it_and_stays_as_long_as_they_say(
    server: RunningServer,
) -> None:
    assert "context 256 (default), slots 2 (default), idle 1 s (default)" in said(
        server, "show", OWN
    )
    usual, small = need(server), need(server, "--context", "64", "--slots", "1")
    set_ = said(server, "set", OWN, "--context", "64", "--slots", "1", "--idle", "never")
    assert "context 64, slots 1, idle never" in set_
    assert (small < usual, need(server)) == (True, small)

    assert complete(server, "a", model=OWN, max_tokens=2)["usage"]["completion_tokens"] == 2
    assert complete(server, "a", model=OTHER, max_tokens=2)
    loads = {e["subject"]: e["body"]["data"] for e in server.events(kind="load_intent")}
    assert (loads[OWN]["context"], loads[OWN]["slots"]) == (64, 1)
    assert (loads[OTHER]["context"], loads[OTHER]["slots"]) == (256, 2)
    until(lambda: state(server, OTHER) == "absent")  # used last, so that the other one's time came
    assert state(server, OWN) == "ready"

    assert "idle 1 s" in said(server, "set", OWN, "--idle", "1")
    until(lambda: state(server, OWN) == "absent")
    said(server, "load", OWN)
    assert server.events(kind="load_intent")[0]["body"]["data"]["context"] == 64

    assert "context 256 (default)" in said(server, "set", OWN, "--default")
    changes = [e["body"]["data"] for e in server.events(kind="model_changed", subject=OWN)]
    assert {change["change"] for change in changes} == {"terms"}
    assert changes[0]["before"] == "context 64, slots 1, idle 1 s"
    assert changes[0]["after"] == "context default, slots default, idle default"


def test_terms_that_no_load_can_have_are_refused_over_http(server: RunningServer) -> None:
    with server.authority() as authority:
        for body, param in (
            ({"context": 10**6}, "context"),
            ({"slots": 65}, "slots"),
            ({"idle_s": 31_536_001}, "idle_s"),
            ({}, "context"),
        ):
            told = problem(authority.put(f"/models/{OWN}/terms", json=body), 400, "invalid_request")
            assert told["param"] == param
        told = authority.get(f"/models/{OWN}").json()
    assert told["terms"] == {"context": None, "slots": None, "idle_s": None}


def test_an_alias_leads_on_when_its_model_is_deleted_and_back_when_it_is_restored(
    server: RunningServer,
) -> None:
    said(server, "set", OWN, "--context", "64")
    named = said(server, "alias", OWN, "mine", "--then", OTHER)
    assert f"mine: {OWN}, then {OTHER}" in named
    assert f"mine: {OWN}, then {OTHER}" in said(server, "show", OTHER)
    code, screen = governed(
        *("models", "rm", OWN, "--drain"),
        phrase=f"yes, delete {OWN}",
        environment=server.environment,
    )
    assert code == 0, screen
    before = len(server.events(kind="load_intent", subject=OTHER))
    assert complete(server, "a", model="mine", max_tokens=2)
    assert len(server.events(kind="load_intent", subject=OTHER)) == before + 1
    restored = server.lmx("store", "restore", OWN)
    assert restored.returncode == 0, restored.stderr
    shown = said(server, "show", OWN)
    assert f"mine: {OWN}, then {OTHER}" in shown
    assert "context 64," in shown
    assert complete(server, "a", model="mine", max_tokens=2)
    assert server.events(kind="load_intent")[0]["subject"] == OWN
