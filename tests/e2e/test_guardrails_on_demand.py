"""A guardrail over loads on demand: who asks a model waits for a person, and then is answered."""

import json
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conversation import governed
from tests.e2e.server import RunningServer, running_server
from tests.e2e.test_loads_as_asks import ask_a_model, asks

SHARE = "threshold: {low: 0.35, medium: 0.5, high: 0.7}\n    bounds:\n      threshold: {min: 0.01,"
TINY = "threshold: {low: 0, medium: 0, high: 0}\n    bounds:\n      threshold: {min: 0,"

_SOCKETS = shutil.ignore_patterns("*.sock")


def tightened(server: RunningServer, place: Path) -> None:
    """Whatever takes memory at all is an unusual share of it."""
    text = server.lmx("guardrails", "show").stdout
    assert SHARE in text
    file = place / "tight.yaml"
    file.write_text(text.replace(SHARE, TINY, 1), "utf-8")
    done = server.lmx("guardrails", "load", str(file))
    assert done.returncode == 0, done.stderr
    for command, phrase in (
        (("activate", "2"), "yes, activate guardrails 2"),
        (("rebind", "--version", "2"), "yes, rebind guardrails"),
    ):
        code, screen = governed(
            "guardrails", *command, phrase=phrase, environment=server.environment
        )
        assert code == 0, screen


def told(server: RunningServer, *command: str) -> Any:
    done = server.lmx("guardrails", *command, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.timeout(600)  # two servers, and a dozen commands, each a process of its own
def test_a_chat_without_a_key_waits_for_an_approval_that_a_guardrail_wants(tmp_path: Path) -> None:
    with running_server(tmp_path / "home") as server:
        tightened(server, tmp_path)
        refusals = [ask_a_model(server) for _ in range(2)]
        (ask,) = [one for one in asks(server) if one["act"] == "model_load"]
        for refusal in refusals:
            assert refusal.status_code == 403, refusal.text
            error = refusal.json()["error"]
            assert (error["code"], ask["id"] in error["message"]) == ("approval_required", True)
        assert server.workers() == []

        shown = server.lmx("approvals", "show", ask["id"])
        assert "large-models" in shown.stdout
        code, screen = governed(
            "approvals", "approve", ask["id"], phrase=ask["phrase"], environment=server.environment
        )
        assert code == 0, screen
        assert ask_a_model(server).status_code == 200
        (intent,) = server.events(kind="load_intent")
        policy = intent["body"]["data"]["policy"]
        assert policy["ask"] == ask["id"]

        done = server.lmx("guardrails", "decisions", "--task", "large-models", "--json")
        (decision, *_) = json.loads(done.stdout)["decisions"]
        assert decision["outcome"] == "require_approval"
        said = server.lmx("guardrails", "explain", decision["id"]).stdout
        assert re.search(r"large-models \(version 2\): model\s+memory share", said), said
        replayed = told(server, "replay")
        assert replayed["checked"] == replayed["identical"] >= 3
        assert (replayed["different"], replayed["missing"]) == ([], [])
        bound = told(server, "tasks")["tasks"]
        assert server.stop(signal.SIGKILL) == -signal.SIGKILL
    shutil.copytree(tmp_path / "home", tmp_path / "copy", ignore=_SOCKETS)
    with running_server(tmp_path / "copy") as elsewhere:
        again = told(elsewhere, "replay")
        assert again["checked"] == again["identical"] >= replayed["checked"]
        assert (again["different"], again["missing"]) == ([], [])
        assert told(elsewhere, "tasks")["tasks"] == bound
