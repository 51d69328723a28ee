"""`lmx keys recover`: by a person at the machine, who types the phrase, while no server runs."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from app.cli.main import main
from app.cli.outcomes import ExitCode
from app.evidence.verification import of_home, verify_database
from app.home import hold_home
from tests.cli.runs import Terminal
from tests.fakes.states import unpacked
from tests.unit.upgrading.starting import kinds, started

PHRASE = "yes, recover the operator key"
Start = Callable[..., Terminal]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state whose operator's key is lost."""
    home = unpacked("0007", tmp_path / "home")
    (home / "operator.key").rename(tmp_path / "lost")
    return home


def test_typing_the_phrase_makes_a_key_that_the_next_start_knows(
    terminal: Start, home: Path
) -> None:
    lmx = terminal("keys", "recover", LMX_HOME=str(home))
    lmx.wait_for(PHRASE)
    lmx.type(f"{PHRASE}\n")
    assert lmx.ended() == ExitCode.DONE, lmx.screen
    assert "approver, auditor, client, operator" in lmx.screen
    with started(home) as authority:
        actor = authority.keys.identify_strict((home / "operator.key").read_text().strip())
        assert actor.name == "operator"
        assert kinds(authority).count("key_recovered") == 1
    assert verify_database(of_home(home)).findings == ()


def test_any_other_words_do_nothing(terminal: Start, home: Path) -> None:
    lmx = terminal("keys", "recover", LMX_HOME=str(home))
    lmx.wait_for(PHRASE)
    lmx.type("yes\n")
    assert lmx.ended() == ExitCode.REFUSED
    assert not (home / "operator.key").exists()


def test_without_a_terminal_it_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LMX_HOME", str(home))
    assert main(["keys", "recover"]) == ExitCode.REFUSED
    assert "no terminal" in capsys.readouterr().err


@pytest.fixture
def at_a_terminal(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LMX_HOME", str(home))
    monkeypatch.setattr("app.cli.confirmation.has_terminal", lambda: True)
    monkeypatch.setattr("app.cli.confirmation.typed", lambda phrase, **_: phrase)


def test_while_a_server_runs_it_is_refused_with_its_number(
    at_a_terminal: None, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with hold_home(home):
        assert main(["keys", "recover"]) == ExitCode.REFUSED
    said = capsys.readouterr().err
    assert f"process {os.getpid()}" in " ".join(said.split())


def test_the_state_of_another_account_is_refused_with_the_command(
    at_a_terminal: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 4242)
    assert main(["keys", "recover"]) == ExitCode.REFUSED
    assert "sudo -u" in capsys.readouterr().err


def test_a_directory_without_a_state_is_a_sentence_before_anything_is_asked(
    at_a_terminal: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("LMX_HOME", str(tmp_path / "empty"))
    monkeypatch.setattr("app.cli.confirmation.typed", lambda *_, **__: pytest.fail("asked"))
    assert main(["keys", "recover"]) == ExitCode.REFUSED
    assert "holds no state" in capsys.readouterr().err


def test_a_state_of_an_older_release_is_brought_up_to_date_first(
    at_a_terminal: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("LMX_HOME", str(unpacked("0006", tmp_path / "old")))
    assert main(["keys", "recover"]) == ExitCode.REFUSED
    assert "Start the server once" in " ".join(capsys.readouterr().err.split())
