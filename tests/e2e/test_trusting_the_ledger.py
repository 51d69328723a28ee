"""What docs/ledger.md shows works as shown, and what is done to a real record is found."""

import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.server import ROOT, RunningServer, run_lmx, running_server, with_checkout
from tests.e2e.test_readme import as_here, commands

PAGE = (ROOT / "docs/ledger.md").read_text("utf-8")
SHOWN = [
    command
    for block in re.findall(r"^```sh\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
    for command in commands(block)
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """A server whose record these tests add to and never spoil."""
    with running_server(tmp_path_factory.mktemp("kept") / "home") as running:
        yield running


def as_here_too(shown: str, server: RunningServer) -> str:
    shown = shown.replace(".venv/bin/python", sys.executable)
    return as_here(shown.replace("ledger-export", str(server.home / "exported")), server, Path())


def test_every_command_of_the_page_works_in_its_order(kept: RunningServer) -> None:
    assert len(SHOWN) >= 8
    for shown in SHOWN:
        done = subprocess.run(
            ["bash", "-c", as_here_too(shown, kept)],
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env=with_checkout(kept.environment),
        )
        assert done.returncode == 0, shown + done.stdout + done.stderr


def test_an_export_is_checked_on_a_machine_that_has_nothing_of_this_project(
    kept: RunningServer, tmp_path: Path
) -> None:
    out = tmp_path / "export"
    assert kept.lmx("ledger", "export", "--out", str(out)).returncode == 0
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(out, elsewhere)
    shutil.rmtree(out)
    command = [sys.executable, "-I", "verify.py"]
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    bundle = next(path for path in (elsewhere / "tile/entries").rglob("*") if path.is_file())
    spoilt = bytearray(bundle.read_bytes())
    spoilt[100] ^= 1
    bundle.write_bytes(spoilt)
    done = subprocess.run(command, cwd=elsewhere, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "event 1" in done.stdout + done.stderr


def test_a_witness_cosigns_what_is_carried_to_it_and_the_server_shows_it(tmp_path: Path) -> None:
    witness = {"LMX_WITNESS_HOME": str(tmp_path / "witness"), "PATH": "/usr/bin:/bin"}
    made = run_lmx("witness", "init", "alice.example/w1", environment=witness)
    assert made.returncode == 0, made.stderr
    vkey = run_lmx("witness", "key", environment=witness).stdout.strip()
    home = tmp_path / "home"
    with running_server(home, ledger={"witnesses": [vkey]}) as server:
        assert "nothing" in server.lmx("status").stdout
        log_key = server.lmx("ledger", "key").stdout.strip()
        assert run_lmx("witness", "trust", log_key, environment=witness).returncode == 0
        bundle, cosigned = tmp_path / "bundle.txt", tmp_path / "cosigned.txt"
        seen = "0"
        for _ in range(2):
            args = ("ledger", "checkpoint", "--since", seen, "--out", str(bundle))
            assert server.lmx(*args).returncode == 0
            given = ("witness", "cosign", str(bundle), "--out", str(cosigned))
            assert run_lmx(*given, environment=witness).returncode == 0
            assert server.lmx("ledger", "cosigned", str(cosigned)).returncode == 0
            seen = cosigned.read_text("utf-8").split("\n")[1]
            for file in (bundle, cosigned):
                file.unlink()
        assert f"{seen} events, cosigned" in server.lmx("status").stdout
    held = run_lmx("ledger", "verify", environment={**server.environment, **witness})
    assert held.returncode == 0, held.stdout


def test_yesterdays_database_does_not_start_and_verify_says_why(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_server(home) as server:
        server.stop()
    kept_aside = tmp_path / "lmx.db"
    shutil.copy(home / "lmx.db", kept_aside)
    with running_server(home) as server:
        server.stop()
        environment = server.environment
    for file in home.glob("lmx.db*"):
        file.unlink()
    shutil.copy(kept_aside, home / "lmx.db")
    refused = run_lmx("serve", environment=environment)
    assert refused.returncode != 0
    assert "The database is older than what this server has signed" in refused.stderr
    found = run_lmx("ledger", "verify", environment=environment)
    assert found.returncode == 1
    assert "an older database was put back" in found.stdout


def test_one_changed_letter_in_a_running_servers_past_is_found_and_named(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with running_server(home) as server:
        server.stop()
        environment = server.environment
    other = sqlite3.connect(home / "lmx.db")
    other.execute("DROP TRIGGER ledger_event_no_update")
    other.execute(
        "UPDATE ledger_event SET body ="
        " CAST(replace(CAST(body AS TEXT), 'system', 'sYstem') AS BLOB) WHERE seq = 2"
    )
    other.commit()
    other.close()
    found = run_lmx("ledger", "verify", environment=environment)
    assert found.returncode == 1
    assert re.search(r"event 2\b", found.stdout, re.IGNORECASE)
    assert "ledger_event_no_update" in found.stdout
    refused = run_lmx("serve", environment=environment)
    assert refused.returncode != 0
    assert "does not guard the ledger any more" in refused.stderr
