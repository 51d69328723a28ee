"""From one person to two, with the real command line against a real server."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.asking import command_refused, problem
from tests.e2e.conversation import Conversation
from tests.e2e.server import RunningServer, running_server

SECRET = re.compile(r"lmx_[0-9a-f]{8}_[\w-]{43}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    with running_server(tmp_path_factory.mktemp("two") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def ann(server: RunningServer) -> str:
    """The secret of the second person's key, after `lmx setup`."""
    lmx = Conversation("setup", environment=server.environment)
    lmx.expect("nobody else")
    lmx.type("Ann Lee")
    lmx.type("yes, add this person")
    person = lmx.expect(r"Ann Lee \((p-[0-9a-f]{8})\)")[1]
    lmx.type_phrase(f"yes, create key approver {person}")
    secret = lmx.expect(SECRET.pattern)[0]
    lmx.expect("nobody else")
    lmx.type("")
    lmx.expect("How many others")
    lmx.type("1")
    lmx.expect("yes, require 1 other person")
    lmx.type("yes, require 1 other person")
    assert lmx.ended() == 0, lmx.screen
    lines = [line for line in lmx.screen.splitlines() if not SECRET.search(line)]
    assert max(map(len, lines)) <= 60, lmx.screen
    return secret


def test_after_setup_the_profile_asks_for_another_person(server: RunningServer, ann: str) -> None:
    shown = server.lmx("approvals", "profile").stdout
    assert "dual" in shown
    assert "met: who asks cannot approve it" in shown
    assert "dual" in server.lmx("status").stdout
    report = server.lmx("ledger", "report", "duties").stdout
    assert "dual" in report
    assert "Ann Lee" not in "".join(str(event) for event in server.events())
    assert ann not in "".join(str(event) for event in server.events())


def test_who_asks_cannot_approve_and_another_person_can(server: RunningServer, ann: str) -> None:
    asked = server.lmx("keys", "create", "bot", "--role", "client")
    command_refused(asked, 4, "waiting for approval", "another person has to approve it")
    ask = re.findall(r"lmx approvals approve ([0-9a-f]{8})", asked.stderr)[0]
    own = Conversation("approvals", "approve", ask, environment=server.environment)
    assert own.ended() == 3
    theirs = Conversation(
        "approvals", "approve", ask, "--only", environment=server.environment | {"LMX_KEY": ann}
    )
    theirs.type_phrase("yes, create key bot")
    assert theirs.ended() == 0, theirs.screen
    with server.authority(ann) as authority:
        problem(authority.post(f"/approvals/{ask}/execute", json={}), 403, "forbidden")
    done = server.lmx("approvals", "execute", ask)
    assert done.returncode == 0, done.stderr
    assert SECRET.fullmatch(done.stdout.strip())
    decided = server.events(kind="ask_decided")[0]["body"]["data"]
    assert (decided["ask"], decided["self_approved"]) == (ask, False)


def test_the_rule_does_not_get_looser_by_the_operators_word(
    server: RunningServer, ann: str
) -> None:
    del ann
    with server.authority() as authority:
        body = {"kind": "solo", "confirmation": "yes, keep one person"}
        answer = authority.post("/approvals/profile", json=body)
        document = problem(answer, 403, "approval_required")
        assert authority.get(f"/approvals/{document['ask']}").json()["act"] == "profile_loosen"
        assert authority.get("/approvals/profile").json()["kind"] == "dual"


def test_without_a_terminal_nothing_is_set_up(server: RunningServer) -> None:
    size = len(server.events())
    for command in (("setup",), ("people", "add", "Bob")):
        command_refused(server.lmx(*command), 3, "no terminal")
    assert len(server.events()) == size


def test_the_profile_outlives_a_restart(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_server(home) as first, first.authority() as authority:
        before = authority.get("/approvals/profile").json()
        first.stop()
    with running_server(home) as second, second.authority() as authority:
        assert authority.get("/approvals/profile").json() == before
