"""`lmx serve` on states that it cannot open: the reason, what to do, and nothing changed."""

import os
import socket
import subprocess
import sys
from pathlib import Path

from app.domain.revisions import REVISIONS
from tests.fakes.database import foreign_connection
from tests.fakes.states import unpacked

ROOT = Path(__file__).resolve().parents[2]


def test_a_newer_state_is_refused_with_the_reason_and_what_to_do(tmp_path: Path) -> None:
    home = unpacked("0007", tmp_path / "home")
    other = foreign_connection(home / "lmx.db")
    other.execute("UPDATE alembic_version SET version_num = '0999'")
    other.close()
    before = (home / "lmx.db").read_bytes()
    done = serve(home)
    assert done.returncode == 1
    assert "newer release (0.1.0, schema 0999" in done.stderr
    assert "lmx backup restore DIR" in done.stderr
    assert "Traceback" not in done.stderr
    assert (home / "lmx.db").read_bytes() == before


def test_an_upgrade_that_cannot_be_made_leaves_the_state_and_says_so(tmp_path: Path) -> None:
    home = unpacked("0003", tmp_path / "home")
    (home / "backups").write_text("in the way of the backup")
    before = (home / "lmx.db").read_bytes()
    done = serve(home)
    assert done.returncode == 1
    assert f"from schema 0003 to {REVISIONS[-1]}" in done.stderr
    assert "Nothing was changed" in done.stderr
    assert (home / "lmx.db").read_bytes() == before


def serve(home: Path) -> subprocess.CompletedProcess[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    command = [sys.executable, "-m", "app.cli.main", "serve", "--port", port, "--home", str(home)]
    return subprocess.run(
        command,
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT / "services" / "api")},
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
