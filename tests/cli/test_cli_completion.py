"""What a shell offers when Tab is pressed: commands, options and names; never a sentence."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.completing import next_words
from app.cli.completing_names import FIXED, SOURCES
from app.cli.completion import SCRIPTS
from app.cli.tree import COMMANDS, app
from tests.cli.runs import Run, environment, seen_loaded
from tests.fakes.authority_http import MODEL, FakeAuthority

HEAVY = {"httpx", "pydantic", "app.cli.status", "app.cli.ledger"}


def offered(lmx: Run, *words: str) -> list[str]:
    ended = lmx("__complete", *words)
    assert ended.err == ""
    return [line.partition("\t")[0] for line in ended.out.splitlines()]


def test_commands_options_and_choices_are_offered(lmx: Run, authority: FakeAuthority) -> None:
    assert offered(lmx, "") == offered(lmx) == list(COMMANDS)
    assert offered(lmx, "mo") == ["models"]
    assert offered(lmx, "models", "l") == ["ls", "load"]
    assert offered(lmx, "models", "ls", "--j") == ["--json"]
    assert set(offered(lmx, "models", "--server", "x", "ls", "--")) >= {"--json", "--help"}
    assert offered(lmx, "keys", "create", "bot", "--role", "op") == ["operator"]
    assert offered(lmx, "completion", "") == ["bash", "zsh", "fish"]
    assert not authority.asked


def test_names_come_from_the_server_and_only_those_that_are_one_plain_word(
    lmx: Run, authority: FakeAuthority
) -> None:
    authority.models += [MODEL | {"id": name} for name in ("a b", "x;rm", "$(x)", "é", "\x1b[2J")]
    assert offered(lmx, "models", "show", "lm") == ["lmx/starter"]
    assert offered(lmx, "models", "show", "") == ["lmx/starter"]
    assert offered(lmx, "models", "load", "--slots", "2", "l") == ["lmx/starter"]
    assert offered(lmx, "chat", "") == ["lmx/starter"]
    authority.scripted["/authority/approvals"] = {"asks": [{"id": "0badcafe"}, 7, {}]}
    assert offered(lmx, "approvals", "approve", "0") == ["0badcafe"]
    assert offered(lmx, "models", "show", "lmx/starter", "") == []


@pytest.mark.parametrize("raw", [b"", b"not JSON", b"[]", b'{"models": 7}', b'{"models": [1]}'])
def test_whatever_a_server_says_nothing_is_printed_but_names(
    lmx: Run, authority: FakeAuthority, raw: bytes
) -> None:
    authority.raw = raw
    assert offered(lmx, "models", "show", "") == []


def test_without_a_server_or_a_key_nothing_is_said(
    lmx: Run, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMX_KEY", "not a key")
    assert offered(lmx, "models", "show", "") == []
    monkeypatch.setenv("LMX_URL", "http://127.0.0.1:1")
    assert offered(lmx, "models", "show", "") == []
    assert offered(lmx, "nothing", "like", "this", "") == []


def test_what_names_complete_are_commands_that_there_are() -> None:
    for path in (*SOURCES, *FIXED):
        command = app
        for name in path:
            command = command.commands[name]


def test_completing_a_command_loads_none_of_the_others() -> None:
    assert seen_loaded(["__complete", "models", "l"], HEAVY) == "set()"


def test_what_is_said_of_each_comes_without_loading_it() -> None:
    assert dict(next_words(app, ["st"])) == {
        name: entry.said for name, entry in COMMANDS.items() if name.startswith("st")
    }


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_script_is_one_that_its_shell_reads(lmx: Run, shell: str) -> None:
    script = lmx("completion", shell).out
    assert f"{shell}: " in script
    program = shutil.which(shell)
    if program is not None:
        no_run = ["--no-execute"] if shell == "fish" else ["-n"]
        subprocess.run([program, *no_run], input=script.encode(), check=True, timeout=30)


def test_an_unknown_shell_is_told_which_there_are(lmx: Run) -> None:
    ended = lmx("completion", "tcsh")
    assert ended.code == 2
    assert "bash, zsh, fish" in ended.err


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("lmx mo", ["models"]),
        ("lmx models l", ["ls", "load"]),
        ("lmx models show lm", ["lmx/starter"]),
        ("lmx models show 'a", []),
        ("lmx nothing ", []),
    ],
)
def test_bash_offers_the_same(
    tmp_path: Path, authority: FakeAuthority, line: str, found: list[str]
) -> None:
    """In a real bash, as its completion calls the function."""
    program = tmp_path / "lmx"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m app.cli.main "$@"\n')
    program.chmod(0o755)
    words = line.split(" ")
    script = (
        f"{SCRIPTS['bash']}\ncomplete -p lmx >/dev/null || exit 9\n"
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lmx_complete; '
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    ended = subprocess.run(
        ["bash", "-c", script, "bash", *words],
        env=environment(authority, PATH=f"{tmp_path}:/usr/bin:/bin"),
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (ended.stdout.split(), ended.stderr) == (found, "")
