"""What only a terminal shows: typed confirmation, Ctrl-C, sixty columns."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from signal import SIGINT
from threading import Event

import pytest

from tests.cli.runs import PROGRAM, Terminal, environment
from tests.fakes.authority_http import FakeAuthority

Start = Callable[..., Terminal]
CREATE = ("keys", "create", "bot", "--role", "client")
REVOKE = ("keys", "revoke", "0123abcd")
SECRET = "lmx_89abcdef_" + "s" * 43


def test_a_key_is_created_once_its_phrase_is_typed(
    terminal: Start, authority: FakeAuthority
) -> None:
    lmx = terminal(*CREATE)
    lmx.wait_for("To go on, type: yes, create key bot")
    assert authority.asked == []
    lmx.type("yes, create key bot\n")
    assert lmx.ended() == 0
    asked = authority.last("/authority/keys").body
    assert asked == {"name": "bot", "roles": ["client"], "confirmation": "yes, create key bot"}
    assert lmx.screen.count(SECRET) == 1
    assert "only time" in lmx.screen


def test_a_key_is_revoked_once_its_phrase_is_typed(
    terminal: Start, authority: FakeAuthority
) -> None:
    authority.keys = [{"id": "0123abcd", "name": "me\x1b[2J\u202e", "roles": ["operator"]}]
    lmx = terminal(*REVOKE)
    lmx.wait_for("Key 0123abcd is named me[2J.")
    lmx.type("yes, revoke key 0123abcd\n")
    assert lmx.ended() == 0
    asked = authority.last("/authority/keys/0123abcd/revoke").body
    assert asked == {"confirmation": "yes, revoke key 0123abcd"}


@pytest.mark.parametrize("typed", ["yes\n", "\n", "y\n", "yes, create key Bot\n", "\x04"])
def test_anything_else_that_is_typed_does_nothing(
    terminal: Start, authority: FakeAuthority, typed: str
) -> None:
    lmx = terminal(*CREATE)
    lmx.wait_for("> ")
    lmx.type(typed)
    assert lmx.ended() == 3
    assert "Nothing was done." in lmx.screen
    assert authority.asked == []


def test_ctrl_c_at_the_question_does_nothing(terminal: Start, authority: FakeAuthority) -> None:
    lmx = terminal(*CREATE)
    lmx.wait_for("> ")
    lmx.process.send_signal(SIGINT)
    assert lmx.ended() == 3
    assert "Nothing was done." in lmx.screen
    assert authority.asked == []


@pytest.mark.parametrize("command", [CREATE, REVOKE])
def test_without_a_terminal_it_refuses_even_when_the_phrase_is_piped_in(
    authority: FakeAuthority, command: tuple[str, ...]
) -> None:
    ended = subprocess.run(
        [*PROGRAM, *command],
        input=b"yes, create key bot\nyes, revoke key 0123abcd\n",
        capture_output=True,
        env=environment(authority),
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert b"no terminal" in ended.stderr
    assert authority.asked == []


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
    lmx.wait_for("Hello there.\n> ")  # typed earlier, the echo would stand before the prompt
    lmx.type("two\n")
    lmx.wait_for("two\nHello there.\n> ")
    lmx.type("/exit\n")
    assert lmx.ended() == 0
    roles = [m["role"] for m in authority.last("/v1/chat/completions").body["messages"]]
    assert roles == ["user", "assistant", "user"]
