"""Every command that docs/approving.md shows works as shown, each on an ask in the right state."""

import re
import shlex
from collections.abc import Iterator

import pytest

from tests.e2e.conversation import Conversation
from tests.e2e.server import ROOT, RunningServer, running_server

PAGE = (ROOT / "docs" / "approving.md").read_text("utf-8")
FENCED = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
COMMANDS = [line for block in FENCED.findall(PAGE) for line in block.splitlines()]
STARTER = "lmx/starter"
APPROVED_FIRST = ("veto", "execute")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    settings = {"approvals": {"asks_per_minute": 60}}
    with running_server(tmp_path_factory.mktemp("approving") / "home", **settings) as running:
        yield running


def asked(server: RunningServer) -> str:
    """A fresh ask, by its id."""
    waits = server.lmx("models", "rm", STARTER)
    assert waits.returncode == 4, waits.stderr
    return re.findall(r"lmx approvals approve ([0-9a-f]{8})", waits.stderr)[0]


def approve(server: RunningServer, ask: str, *more: str) -> str:
    person = Conversation("approvals", "approve", ask, *more, environment=server.environment)
    person.type_phrase(f"yes, delete {STARTER}")
    assert person.ended() == 0, person.screen
    return person.screen


def test_the_page_shows_every_command_about_asks() -> None:
    shown = {line.removeprefix("ssh -t HOST ").split()[2] for line in COMMANDS}
    assert shown == {
        *("ls", "show", "acts", "approve", "reject", "veto", "execute", "withdraw", "again"),
        "profile",
    }


@pytest.mark.parametrize("shown", COMMANDS)
def test_a_command_of_the_page_works(server: RunningServer, shown: str) -> None:
    words = shlex.split(shown.removeprefix("ssh -t HOST "))[1:]
    ask = asked(server) if "ID" in words else ""
    words = [ask[:6] if word == "ID" else word for word in words]
    if words[1] == "approve":
        assert max(map(len, approve(server, *words[2:]).splitlines())) <= 60
        if "--only" not in words:
            assert server.lmx("store", "restore", STARTER).returncode == 0
        return
    if words[1] in APPROVED_FIRST:
        approve(server, ask, "--only")
    if words[1] == "again":
        assert server.lmx("approvals", "withdraw", ask).returncode == 0
    done = server.lmx(*words)
    assert done.returncode == (4 if words[1] == "again" else 0), done.stdout + done.stderr
    assert done.stdout + done.stderr
    if words[1] == "execute":
        assert server.lmx("store", "restore", STARTER).returncode == 0
