"""A restore that really dies: SIGKILL in the middle of the renames, in a process of its own."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.backups import Made
from app.backups.restoring import finish
from tests.fakes.home import Home

ROOT = Path(__file__).parents[3]
PROGRAM = """
import os, signal, sys
from pathlib import Path
from app.backups import verify
from app.backups.replaced import losses
from app.backups.restoring import restore

home, backup, at = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
found = verify(backup)

def step(name):
    if name == at:
        os.kill(os.getpid(), signal.SIGKILL)

restore(home, backup, found.manifest, found.digest, losses(home, backup), step=step)
"""


@pytest.mark.parametrize("at", ["journal", "place lmx.db"])
def test_what_a_killed_restore_leaves_is_opened_by_the_next_start(
    home: Home, made: Made, at: str
) -> None:
    home.stop()
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(home.path), str(made.path), at],
        env={"PYTHONPATH": str(ROOT / "services/api")},
        check=False,
        timeout=120,
    )
    assert ended.returncode == -signal.SIGKILL
    assert finish(home.path) is (at != "journal")
    ledger = home.start("boot-2")
    assert ledger.size() > made.manifest.events
