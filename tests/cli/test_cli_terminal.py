"""What only a terminal shows: typed confirmation, Ctrl-C, sixty columns."""

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from signal import SIGINT
from threading import Event
from typing import Any

import pytest

from tests.cli.runs import PROGRAM, Terminal, environment
from tests.fakes.authority_http import Asked, FakeAuthority
from tests.fakes.governance import KIND
from tests.fakes.governance_http import ServedGovernance

Start = Callable[..., Terminal]
CREATE = ("keys", "create", "bot", "--role", "client")
REVOKE = ("keys", "revoke", "0123abcd")
SECRET = "lmx_89abcdef_" + "s" * 43


@pytest.fixture
def asks(authority: FakeAuthority) -> list[dict[str, Any]]:
    """What was asked for; each ask is shown, decided on and executed as another act's would be."""
    made: list[dict[str, Any]] = []
    served = ServedGovernance(answer={"id": "89abcdef", "secret": SECRET})

    def answer(asked: Asked) -> Any:
        if (asked.method, asked.path) == ("POST", "/authority/approvals"):
            made.append(asked.body)
            asked = replace(asked, body={**asked.body, "act": KIND, "params": {}})
        return served(asked)

    authority.approvals = answer
    return made


def approve(lmx: Terminal) -> int:
    """Type what the plan says is to be typed; how the command ends."""
    lmx.wait_for("\n> ")
    lmx.type(lmx.screen.splitlines()[-2].strip() + "\n")
    return lmx.ended()


def test_a_key_is_asked_for_and_its_secret_shown_once_it_is_approved(
    terminal: Start, asks: list[dict[str, Any]]
) -> None:
    lmx = terminal(*CREATE, "--role", "auditor", "--person", "p-00000001", "--reason", "a bot")
    assert approve(lmx) == 0
    params = {"name": "bot", "roles": ["auditor", "client"], "person": "p-00000001"}
    assert asks == [{"act": "key_create", "params": params, "reason": "a bot"}]
    assert lmx.screen.count(SECRET) == 1
    assert "only time" in lmx.screen


def test_a_key_is_revoked_once_that_is_approved(
    terminal: Start, asks: list[dict[str, Any]]
) -> None:
    lmx = terminal(*REVOKE)
    assert approve(lmx) == 0
    assert asks == [{"act": "key_revoke", "params": {"key": "0123abcd"}, "reason": ""}]
    assert "Key 0123abcd is revoked." in lmx.screen


def test_an_interrupted_question_leaves_the_ask_waiting(
    terminal: Start, authority: FakeAuthority, asks: list[dict[str, Any]]
) -> None:
    lmx = terminal(*CREATE)
    lmx.wait_for("> ")
    lmx.process.send_signal(SIGINT)
    assert lmx.ended() == 3
    assert "still waits" in lmx.screen
    assert len(asks) == 1
    assert SECRET not in lmx.screen
    assert not any(one.path.endswith(("/approve", "/execute")) for one in authority.asked)


@pytest.mark.parametrize("command", [CREATE, REVOKE])
def test_without_a_terminal_it_waits_for_an_approver_whatever_is_piped_in(
    authority: FakeAuthority, asks: list[dict[str, Any]], command: tuple[str, ...]
) -> None:
    ended = subprocess.run(
        [*PROGRAM, *command],
        input=b"yes, create key bot\nyes, revoke key 0123abcd\n",
        capture_output=True,
        env=environment(authority),
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (4, b"")
    assert b"waiting for approval" in ended.stderr
    assert len(asks) == 1
    assert not any(one.path.endswith(("/approve", "/execute")) for one in authority.asked)


@pytest.mark.parametrize("flag", ["--yes", "-y", "--force", "--confirm", "--confirmation=yes"])
def test_no_flag_skips_the_phrase(terminal: Start, authority: FakeAuthority, flag: str) -> None:
    lmx = terminal(*CREATE, flag)
    assert lmx.ended() == 2
    assert authority.asked == []


@pytest.mark.parametrize("name", ["", " bot", "b\u200bot", "b\x1bot"])
def test_a_name_with_hidden_characters_is_not_asked_for(
    terminal: Start, authority: FakeAuthority, name: str
) -> None:
    assert terminal("keys", "create", name, "--role", "client").ended() == 2
    assert authority.asked == []


def test_ctrl_c_cancels_an_import_by_hanging_up(
    terminal: Start, authority: FakeAuthority, tmp_path: Path
) -> None:
    authority.hold_import = Event()
    lmx = terminal("models", "import", str(tmp_path))
    assert authority.hold_import.wait(timeout=30)
    lmx.wait_for("hashing")
    lmx.process.send_signal(SIGINT)
    assert lmx.ended() == 1
    assert authority.import_hung_up.wait(timeout=30)
    assert "Cancelled." in lmx.screen
    assert "Traceback" not in lmx.screen


def test_progress_has_no_colour_with_no_color(
    terminal: Start, authority: FakeAuthority, tmp_path: Path
) -> None:
    lmx = terminal("models", "import", str(tmp_path))
    assert lmx.ended() == 0
    assert "\x1b[3" not in lmx.screen


@pytest.mark.parametrize(
    "command",
    ["status", "models ls", "models show lmx/starter", "models fit lmx/starter", "ledger ls",
     "rules", "keys ls"],
)  # fmt: skip
def test_sixty_columns_are_enough(terminal: Start, authority: FakeAuthority, command: str) -> None:
    authority.record(3)
    authority.keys = [{"id": "0123abcd", "name": "n" * 30, "roles": ["approver", "operator"]}]
    authority.resident = [{"id": "some-publisher/some-model-4bit", "state": "ready", "slots": 4}]
    lmx = terminal(*command.split())
    assert lmx.ended() == 0
    # A digest is one word of 64 and may stand on a line of its own.
    lines = [line for line in lmx.screen.splitlines() if len(line.split()) > 1]
    assert max(map(len, lines)) <= 60


def test_a_conversation_remembers_what_was_said(terminal: Start, authority: FakeAuthority) -> None:
    lmx = terminal("chat")
    lmx.wait_for("> ")
    lmx.type("one\n")
    lmx.wait_for(" s)\n> ")  # typed earlier, the echo would stand before the prompt
    lmx.type("two\n")
    lmx.wait_for("two\nHello there.\n(")
    lmx.type("/exit\n")
    assert lmx.ended() == 0
    roles = [m["role"] for m in authority.last("/v1/chat/completions").body["messages"]]
    assert roles == ["user", "assistant", "user"]
