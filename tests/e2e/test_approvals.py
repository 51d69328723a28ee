"""Deleting a model: asked for, approved in a terminal, done, and on record from end to end."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.e2e.conversation import Conversation, governed
from tests.e2e.server import RunningServer, running_server

STARTER = "lmx/starter"
PHRASE = f"yes, delete {STARTER}"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("approvals") / "home") as running:
        yield running


@pytest.fixture
def server(started: RunningServer) -> RunningServer:
    """With the starter model, whatever an earlier test did to it."""
    if STARTER not in models(started):
        restored = started.lmx("store", "restore", STARTER)
        assert restored.returncode == 0, restored.stderr
    return started


def models(server: RunningServer) -> list[str]:
    return [m["id"] for m in json.loads(server.lmx("models", "ls", "--json").stdout)["models"]]


def waiting(server: RunningServer, *more: str) -> str:
    asked = server.lmx("models", "rm", STARTER, "--reason", "Not \u202eused.", *more)
    assert asked.returncode == 4, asked.stderr
    assert "HASH OF THIS PLAN" in asked.stderr
    assert "  | Not \\u202eused." in asked.stderr
    return re.findall(r"lmx approvals approve ([0-9a-f]{8})", asked.stderr)[0]


def test_a_model_is_deleted_once_a_person_approved_it_and_can_be_restored(
    server: RunningServer,
) -> None:
    ask = waiting(server)
    assert models(server) == [STARTER]
    lmx = Conversation("approvals", "approve", ask[:4], environment=server.environment)
    lmx.type_phrase(PHRASE)
    assert lmx.ended() == 0, lmx.screen
    assert re.search(r"Done", lmx.screen)
    assert models(server) == []
    story = ["ask_made", "ask_decided", "ask_claimed", "act_intent", "act_outcome"]
    events = server.events(subject=STARTER)[::-1]
    assert [e["kind"] for e in events if e["body"]["data"].get("ask") == ask] == story
    assert server.lmx("approvals", "execute", ask).returncode == 3
    restored = server.lmx("store", "restore", STARTER)
    assert restored.returncode == 0, restored.stderr
    assert models(server) == [STARTER]
    assert server.lmx("models", "verify", STARTER).returncode == 0


def test_one_command_at_a_terminal_asks_approves_and_deletes(server: RunningServer) -> None:
    code, screen = governed("models", "rm", STARTER, phrase=PHRASE, environment=server.environment)
    assert code == 0, screen
    assert models(server) == []


def test_what_changed_between_approval_and_execution_is_stale_and_stays(
    server: RunningServer,
) -> None:
    ask = waiting(server)
    lmx = Conversation("approvals", "approve", ask, "--only", environment=server.environment)
    lmx.type_phrase(PHRASE)
    assert lmx.ended() == 0, lmx.screen
    assert server.lmx("models", "alias", STARTER, "another").returncode == 0
    stopped = server.lmx("approvals", "execute", ask)
    assert stopped.returncode == 3
    assert "plan_stale" in stopped.stderr
    assert models(server) == [STARTER]
    assert "stale" in server.lmx("approvals", "show", ask).stdout
    assert server.lmx("approvals", "again", ask).returncode == 4


def test_without_a_terminal_and_with_the_wrong_words_nothing_is_decided(
    server: RunningServer,
) -> None:
    ask = waiting(server)
    assert server.lmx("approvals", "approve", ask).returncode == 3
    lmx = Conversation("approvals", "approve", ask, environment=server.environment)
    for wrong in ("yes", PHRASE, f"{PHRASE} 00000"):
        lmx.type(wrong)
    assert lmx.ended() == 3
    assert json.loads(server.lmx("approvals", "show", ask, "--json").stdout)["state"] == "pending"
    assert models(server) == [STARTER]
