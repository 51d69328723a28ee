"""`lmx ledger verify`, as it is typed: exit codes, what is printed, and that it asks no server."""

import json
import os
import pty
import subprocess
from pathlib import Path

import pytest

from app.cli.outcomes import ExitCode
from tests.cli.runs import PROGRAM, Run, environment
from tests.fakes.tampering import ledger_home, unguarded
from tests.unit.evidence.test_verification_of_exports import exported
from tests.verify_export.exported import KEY


@pytest.fixture
def ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LMX_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("LMX_URL", "http://127.0.0.1:9")  # nobody listens there
    return ledger_home(tmp_path / "home", 3)


def spoil(home: Path) -> None:
    with unguarded(home) as connection:
        connection.execute("UPDATE ledger_index SET actor = 'nobody' WHERE seq = 2")


def test_this_machines_ledger_is_verified_without_a_server(ledger: Path, lmx: Run) -> None:
    ended = lmx("ledger", "verify")
    assert ended.code == ExitCode.DONE
    assert "3 events hold under the checkpoint of size 3 (root " in ended.out
    assert ended.err == ""


def test_a_ledger_that_does_not_hold_ends_with_1_and_says_which_event(
    ledger: Path, lmx: Run
) -> None:
    spoil(ledger)
    ended = lmx("ledger", "verify")
    assert ended.code == ExitCode.FAILED
    assert "index: The index was altered: of event 2 it has actor 'nobody'" in ended.out
    assert "DOES NOT HOLD: 1 finding in" in ended.out


def test_json_has_the_findings(ledger: Path, lmx: Run) -> None:
    spoil(ledger)
    ended = lmx("ledger", "verify", "--json")
    report = json.loads(ended.out)
    assert ended.code == ExitCode.FAILED
    assert report["holds"] is False
    assert [(found["part"], found["at"]) for found in report["findings"]] == [("index", 2)]


def test_a_copy_alone_says_what_it_could_not_be_compared_with(ledger: Path, lmx: Run) -> None:
    ended = lmx("ledger", "verify", "--db", str(ledger / "lmx.db"))
    assert ended.code == ExitCode.DONE
    assert "not checked: No sink was given" in ended.out
    assert "not checked: No signer's memory was given" in ended.out


def test_a_copy_with_all_that_belongs_to_it(ledger: Path, lmx: Run) -> None:
    folder = ledger / "ledger"
    key = (folder / "keys").read_text().strip()
    given = ("--sink", str(folder / "events.jsonl"), "--memory", str(folder / "signer"))
    ended = lmx("ledger", "verify", "--db", str(ledger / "lmx.db"), *given, "--key", key)
    assert ended.code == ExitCode.DONE
    assert "Signatures were checked with the keys given." in ended.out


def test_an_export_is_verified_by_itself(tmp_path: Path, lmx: Run) -> None:
    directory = exported(tmp_path / "export", 3)
    ended = lmx("ledger", "verify", "--export", str(directory), "--key", str(KEY))
    assert ended.code == ExitCode.DONE
    assert "3 events hold under the checkpoint of size 3" in ended.out


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (("--db", "/nowhere"), "is not a file"),
        (("--export", "/nowhere"), "is no export"),
        (("--export", "x", "--db", "y"), "--export is verified by itself"),
        (("--memory", "x"), "--memory goes with --db"),
        (("--key", "x"), "--key takes a verifier key"),
        (("--checkpoint", "/nowhere"), "cannot be read"),
    ],
)
def test_what_cannot_be_verified_ends_with_2(
    ledger: Path, lmx: Run, given: tuple[str, ...], why: str
) -> None:
    ended = lmx("ledger", "verify", *given)
    assert ended.code == ExitCode.USAGE
    assert why in ended.err


def test_sixty_columns_are_enough(ledger: Path) -> None:
    """On a terminal of that width, with its progress bar."""
    spoil(ledger)
    keyboard, theirs = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, "ledger", "verify"],
        stdin=theirs,
        stdout=theirs,
        stderr=subprocess.DEVNULL,
        env=environment(LMX_HOME=str(ledger), NO_COLOR="1"),
    ) as process:
        os.close(theirs)
        shown = b""
        while piece := _read(keyboard):
            shown += piece
    os.close(keyboard)
    assert process.returncode == ExitCode.FAILED
    lines = shown.decode().replace("\r", "").splitlines()
    assert any("DOES NOT HOLD" in line for line in lines)
    assert [line for line in lines if len(line) > 60] == []


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:
        return b""
