"""Guardrails on a real server: what ships decides, and a change of it is seen, approved, undone."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.asking import problem
from tests.e2e.conversation import create_key, governed
from tests.e2e.server import RunningServer, running_server
from tests.fakes.hub import REPO, FakeHub, serving_hub
from tests.gguf_models import tiny_gguf
from tests.models import tiny_model

SHIPPED = {"verified-formats", "large-models", "blocked-attempts", "known-sources"}
GGUF = "me/gguf"
BIG = "Ask for approval before loading a model whose size is above 40 GB"

Json = dict[str, Any]

pytestmark = pytest.mark.timeout(600)  # a dozen commands in a test, each a process of its own


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def hub(place: Path) -> Iterator[FakeHub]:
    with serving_hub(FakeHub().holds(tiny_model(place / "pulled"))) as serving:
        yield serving


@pytest.fixture(scope="module")
def server(place: Path, hub: FakeHub) -> Iterator[RunningServer]:
    with running_server(place / "home", hub={"endpoint": hub.url, "hosts": []}) as running:
        running.import_model(tiny_gguf(place / "gguf", seed=5), GGUF)
        yield running


def told(server: RunningServer, *command: str) -> Json:
    done = server.lmx("guardrails", *command, "--json")
    assert done.returncode == 0, done.stderr
    found: Json = json.loads(done.stdout)
    return found


def tasks(server: RunningServer) -> dict[str, Json]:
    return {task["id"]: task for task in told(server, "tasks")["tasks"]}


def approved(server: RunningServer, *command: str, phrase: str) -> str:
    """Ask, look, type the phrase, execute: as a person does. What was on the screen."""
    code, screen = governed("guardrails", *command, phrase=phrase, environment=server.environment)
    assert code == 0, screen
    return " ".join(screen.split())


def load(server: RunningServer, model: str) -> Any:
    with server.authority() as authority:
        return authority.post(f"/models/{model}/load")


def unload(server: RunningServer, model: str) -> None:
    with server.authority() as authority:
        authority.post(f"/models/{model}/unload")


def explained(server: RunningServer, detail: str) -> str:
    """What `explain` says of the decision that a refusal names."""
    named = re.search(r"lmx guardrails explain ([0-9a-f]+)", detail)
    assert named, detail
    done = server.lmx("guardrails", "explain", named[1])
    assert done.returncode == 0, done.stderr
    return " ".join(done.stdout.split())


def another(server: RunningServer, place: Path, name: str, *changes: tuple[str, str]) -> Path:
    """The active document with other words in it, as a file."""
    text = server.lmx("guardrails", "show").stdout
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    file = place / name
    file.write_text(text, "utf-8")
    return file


def test_what_ships_is_on_from_the_first_start(server: RunningServer) -> None:
    found = tasks(server)
    assert found.keys() == SHIPPED
    assert {task["state"] for task in found.values()} == {"bound"}
    (version,) = told(server, "versions")["versions"]
    assert (version["version"], version["active"], version["tasks"]) == (1, True, 4)
    assert server.lmx("guardrails", "check", "config/guardrails.yaml").returncode == 0


def test_a_pull_from_an_unknown_source_is_refused_and_explained_and_the_hub_hears_nothing(
    server: RunningServer, hub: FakeHub
) -> None:
    with server.authority() as authority:
        answer = authority.post("/models/pull/plan", json={"repo": REPO})
    document = problem(answer, 403, "policy_denied")
    assert "known-sources" in json.dumps(document)
    said = explained(server, document["detail"])
    assert said.startswith("Blocked by known-sources (version 1): model publisher")
    assert "acme" in said
    done = server.lmx("models", "pull", REPO, "--yes")
    assert done.returncode == 3
    assert "known-sources" in " ".join(done.stderr.split())
    key = {"authorization": f"Bearer {server.operator_key}"}
    for body in ({"model": REPO}, {"model": REPO, "quantization": "Q4_K_M"}):
        answer = httpx.post(
            f"{server.url}/api/v1/models/download", json=body, headers=key, timeout=60
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "policy_denied")
    assert hub.heard == []


def test_a_changed_document_changes_what_decides_once_it_is_approved_and_can_be_taken_back(
    server: RunningServer, place: Path
) -> None:
    assert load(server, GGUF).status_code == 200
    unload(server, GGUF)
    formats = ("verified_formats: [safetensors, gguf]", "verified_formats: [safetensors]")
    file = another(server, place, "tighter.yaml", formats)
    assert told(server, "check", str(file))["changed"] == ["domain/sets/verified_formats"]
    loaded = told(server, "load", str(file), "--note", "GGUF is out.")
    assert (loaded["version"], loaded["loaded"]) == (2, True)
    assert loaded["affected"] == ["verified-formats"]
    assert told(server, "load", str(file))["loaded"] is False
    assert load(server, GGUF).status_code == 200, "loading a document changes nothing"
    unload(server, GGUF)

    delta = told(server, "recompile", "--version", "2")
    (task,) = delta["tasks"]
    assert (task["id"], task["result"]) == ("verified-formats", "changed")
    assert task["delta"] == [
        {"what": "when.values", "before": ["gguf", "safetensors"], "after": ["safetensors"]}
    ]
    assert task["impact"]["after"] > task["impact"]["before"]

    done = server.lmx("guardrails", "rebind", "--version", "2")
    assert done.returncode == 3, "it was never active"
    shown = approved(server, "activate", "2", phrase="yes, activate guardrails 2")
    assert "What is bound stays bound." in shown
    assert load(server, GGUF).status_code == 200, "activating changes nothing that is bound"
    unload(server, GGUF)
    assert tasks(server)["verified-formats"]["affected"] is True

    shown = approved(server, "rebind", "--version", "2", phrase="yes, rebind guardrails")
    assert "when.values: [gguf, safetensors] -> [safetensors]" in shown
    document = problem(load(server, GGUF), 403, "policy_denied")
    said = explained(server, document["detail"])
    assert said.startswith("Blocked by verified-formats (version 2): model format")
    assert load(server, "lmx/starter").status_code == 200

    approved(server, "rebind", "--version", "1", phrase="yes, rebind guardrails")
    bound = tasks(server)["verified-formats"]
    assert bound["version"] == 1, "the very definition of before"
    assert load(server, GGUF).status_code == 200
    unload(server, GGUF)


def test_a_task_is_added_for_a_person_who_typed_its_phrase_and_retired_the_same_way(
    server: RunningServer,
) -> None:
    asked = server.lmx("guardrails", "add", "big-models", BIG)
    assert asked.returncode == 4
    assert "size is above 40" in " ".join(asked.stderr.split())
    assert "big-models" not in tasks(server)
    with server.authority() as authority:
        ask = re.findall(r"lmx approvals approve ([0-9a-f]{8})", asked.stderr)[0]
        assert authority.post(f"/approvals/{ask}/withdraw", json={}).status_code == 200
    approved(server, "add", "big-models", BIG, phrase="yes, add guardrail big-models")
    assert tasks(server)["big-models"]["intent"] == BIG
    again = server.lmx("guardrails", "add", "big-models", BIG)
    assert (again.returncode, "bound already" in again.stdout) == (0, True)
    approved(server, "retire", "big-models", phrase="yes, retire guardrail big-models")
    assert tasks(server).keys() == SHIPPED


def test_an_advisor_asks_for_nothing_here(server: RunningServer) -> None:
    advisor = create_key(server, "a-model", "advisor")
    asked_before = len(server.events(kind="ask_made"))
    for refused in (
        ("add", "proposed", BIG),
        ("tasks",),
        ("rebind", "--version", "1"),
        ("retire", "known-sources"),
    ):
        assert server.lmx("guardrails", *refused, LMX_KEY=advisor).returncode == 3
    assert len(server.events(kind="ask_made")) == asked_before
    assert "proposed" not in tasks(server)


def test_what_leaves_something_open_is_asked_about_and_what_is_wrong_is_listed_whole(
    server: RunningServer, place: Path
) -> None:
    open_ended = server.lmx("guardrails", "compile", "Block loading when latency is at least 3 s")
    assert open_ended.returncode == 2
    assert "  - above 3 s" in open_ended.stderr.splitlines()
    mistakes = [("name: shipped", "nmae: shipped"), ("worse: below", "worse: sideways")]
    file = another(server, place, "wrong.yaml", *mistakes)
    wrong = server.lmx("guardrails", "check", str(file))
    assert wrong.returncode == 2
    assert all(re.match(rf"{file}:\d+:\d+: ", line) for line in wrong.stdout.splitlines())
    assert "nmae" in wrong.stdout
    assert "primitives/memory_headroom/worse" in wrong.stdout
    assert server.lmx("guardrails", "load", str(file)).returncode == 2


def test_decisions_are_on_record_and_come_out_the_same_again(server: RunningServer) -> None:
    assert load(server, GGUF).status_code == 200
    unload(server, GGUF)
    with server.authority() as authority:
        problem(authority.post("/models/pull/plan", json={"repo": REPO}), 403, "policy_denied")
    found = told(server, "decisions", "--limit", "500")["decisions"]
    decided = {(decision["point"], decision["outcome"]) for decision in found}
    assert {("load", "allow"), ("pull", "block")} <= decided
    loads = told(server, "decisions", "--point", "load", "--limit", "500")["decisions"]
    assert {decision["point"] for decision in loads} == {"load"}
    replayed = told(server, "replay")
    assert replayed["checked"] == replayed["identical"] >= len(found)
    assert (replayed["different"], replayed["missing"]) == ([], [])
