"""SIGKILL at every step of an upgrade: the next start does it again, or finds it done."""

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from app.database import current_revision
from app.domain.revisions import REVISIONS
from app.evidence.verification import of_home, verify_database
from app.upgrading import STEPS
from tests.fakes.states import unpacked
from tests.unit.upgrading.starting import kinds, started

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[3]
OLDER = ["0002", "0006"]
"""The oldest, which had no signer yet, and one whose signer has signed."""


@pytest.mark.parametrize("schema", OLDER)
@pytest.mark.parametrize("at", STEPS)
def test_a_process_that_is_killed_at_a_step_loses_nothing(
    tmp_path: Path, schema: str, at: str
) -> None:
    home = unpacked(schema, tmp_path / "home")
    before = events(home)
    killed(home, at)
    assert current_revision(home / "lmx.db") in {schema, REVISIONS[-1]}
    assert events(home) == before
    with started(home) as authority:
        said = kinds(authority)
    assert said.count("schema_upgraded") == 1
    assert verify_database(of_home(home)).findings == ()
    assert events(home)[: len(before)] == before
    assert sorted(path.name for path in home.glob("lmx.db?*")) == []


def test_a_process_that_is_killed_at_each_step_in_turn_ends_well(tmp_path: Path) -> None:
    home = unpacked(OLDER[0], tmp_path / "home")
    before = events(home)
    for at in STEPS:
        killed(home, at)
    with started(home) as authority:
        assert kinds(authority).count("schema_upgraded") == 1
    assert events(home)[: len(before)] == before


def killed(home: Path, at: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.upgrading.dying", str(home), at],
        cwd=ROOT,
        check=False,
        capture_output=True,
        timeout=120,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


def events(home: Path) -> list[tuple[int, bytes]]:
    connection = sqlite3.connect(home / "lmx.db")
    try:
        return connection.execute("SELECT seq, body FROM ledger_event ORDER BY seq").fetchall()
    finally:
        connection.close()
