"""`lmx backup`: what it shows, what it refuses, and that a person types the phrase of a restore."""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.backups import create
from app.backups.replaced import losses
from app.backups.restoring import JOURNAL
from app.backups.verifying import manifest_of
from app.cli.backup_restore import _consequences, _copies
from app.home import hold_home
from tests.cli.runs import Run, Terminal, squeezed
from tests.fakes.authority_http import FakeAuthority
from tests.fakes.home import Home, new_home
from tests.fakes.openings import filled


@pytest.fixture
def state(authority: FakeAuthority, tmp_path: Path) -> Iterator[Home]:
    """LMX_HOME, whose server has ended."""
    authority.scripted = {"/authority/backups": {"name": "b", "event": 7}}
    made = new_home(tmp_path / "home")
    filled(made)
    made.stop()
    (made.path / "operator.key").write_text("lmx_secret\n")
    yield made
    made.stop()


@pytest.fixture
def backup(state: Home) -> Path:
    made = create(state.path).path
    filled(state)
    state.stop()
    return made


def test_a_backup_is_made_and_holds(lmx: Run, state: Home) -> None:
    ended = lmx("backup", "create")
    assert ended.code == 0
    assert "on record  no: no server was running" in ended.out
    assert "keep it on another disk" in ended.err
    (made,) = (state.path / "backups").iterdir()
    found = lmx("backup", "verify", str(made))
    assert found.code == 0
    assert "The backup holds." in found.out


def test_a_running_server_puts_it_on_record(
    lmx: Run, state: Home, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    gentle: list[int] = []
    monkeypatch.setattr(os, "nice", gentle.append)
    with hold_home(state.path):
        ended = lmx("backup", "create", str(tmp_path / "elsewhere"), "--json")
    said = json.loads(ended.out)
    assert said["on_record"] == "yes, event 7"
    assert gentle == [19]
    assert Path(said["path"]).parent == tmp_path / "elsewhere"


def test_what_is_damaged_is_named_and_the_command_fails(lmx: Run, backup: Path) -> None:
    with (backup / "lmx.db").open("r+b") as file:
        file.seek(9000)
        file.write(b"damage")
    ended = lmx("backup", "verify", str(backup))
    assert ended.code == 1
    assert "WRONG: lmx.db was changed" in ended.out
    assert "DOES NOT HOLD" in ended.out
    said = json.loads(lmx("backup", "verify", str(backup), "--json").out)
    assert said["holds"] is False


def test_without_state_or_without_a_backup_there_is_a_sentence(
    lmx: Run, authority: FakeAuthority, tmp_path: Path
) -> None:
    assert "holds no state of LMX" in lmx("backup", "create").err
    assert "is no backup" in lmx("backup", "verify", str(tmp_path)).out
    assert lmx("backup", "restore", "--continue").code == 1
    assert lmx("backup", "restore").code == 2


def test_without_a_terminal_nothing_is_restored(lmx: Run, state: Home, backup: Path) -> None:
    before = state.files()
    ended = lmx("backup", "restore", str(backup))
    assert ended.code == 3
    assert "there is no terminal here" in ended.err
    assert state.files() == before


def test_a_restore_shows_what_is_lost_and_takes_its_phrase(
    terminal: Callable[..., Terminal], state: Home, backup: Path
) -> None:
    size = state.size()
    shown = terminal("backup", "restore", str(backup), LMX_HOME=str(state.path))
    shown.wait_for("To go on, type: ")
    assert "of the ledger here came later" in squeezed(shown.screen)
    shown.type(f"yes, restore {backup.name}\n")
    assert shown.ended() == 0, shown.screen
    assert "Start the server" in squeezed(shown.screen)
    assert state.size() < size


def test_another_phrase_restores_nothing(
    terminal: Callable[..., Terminal], state: Home, backup: Path
) -> None:
    before = state.files()
    shown = terminal("backup", "restore", str(backup), LMX_HOME=str(state.path))
    shown.wait_for("To go on, type: ")
    shown.type("yes\n")
    assert shown.ended() == 3
    after = state.files()
    assert {name: after[name] for name in before} == before


def test_a_running_server_is_named_before_anything_is_asked(
    terminal: Callable[..., Terminal], state: Home, backup: Path
) -> None:
    with hold_home(state.path):
        shown = terminal("backup", "restore", str(backup), LMX_HOME=str(state.path))
        assert shown.ended() == 3
    assert f"process {os.getpid()}" in squeezed(shown.screen)


def test_one_that_is_not_whole_is_not_restored(
    terminal: Callable[..., Terminal], state: Home, backup: Path
) -> None:
    (backup / "operator.key").unlink()
    shown = terminal("backup", "restore", str(backup), LMX_HOME=str(state.path))
    assert shown.ended() == 1
    assert "operator.key is missing." in squeezed(shown.screen)
    assert not (state.path / JOURNAL).exists()


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ("ledger:\n  sinks: []\n", False),
        ("ledger:\n  sinks:\n    - directory: /a\n", True),
        ("ledger:\n  sinks: [{directory: /a}]\n", True),
        ("ledger: {sinks: [{directory: /a}]}\n", True),
        ("# sinks: []\n", False),
        ("", False),
    ],
)
def test_further_copies_of_the_ledger_are_named(tmp_path: Path, settings: str, named: bool) -> None:
    (tmp_path / "config.yaml").write_text(settings)
    assert bool(_copies(tmp_path)) is named


def test_a_backup_of_another_installation_is_named_as_one(backup: Path, state: Home) -> None:
    found, _ = manifest_of(backup)
    lost = losses(state.path, backup)
    assert "ANOTHER" not in " ".join(_consequences(found, lost))
    said = " ".join(_consequences(replace(found, origin="lmx-authority/other"), lost))
    assert "IT IS OF ANOTHER INSTALLATION, lmx-authority/other; this one is lmx-auth" in said
    assert f"None of the {lost.size:,} events" in said
    assert "came later" not in said
