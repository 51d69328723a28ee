"""What stops a start is one sentence that says what to do, and nothing else was touched."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.e2e.asking import command_refused
from tests.e2e.server import LMX, ROOT, RunningServer, Text, run_lmx, with_checkout

DROP_ROOT = ("/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


def serve(home: Path, *more: str) -> Text:
    return run_lmx("serve", *more, environment={**os.environ, "LMX_HOME": str(home)})


def test_a_taken_port_says_how_to_use_another(tiny: RunningServer, tmp_path: Path) -> None:
    port = int(tiny.url.rsplit(":", 1)[1])
    done = serve(tmp_path / "other", "--port", str(port))
    command_refused(done, 1, f"Port {port} is taken", f"lmx serve --port {port + 1}")
    # It had not begun: a start that did not happen leaves no ledger.
    assert not (tmp_path / "other" / "lmx.db").exists()


def test_a_second_server_on_a_state_directory_is_told_who_holds_it(tiny: RunningServer) -> None:
    size = tiny.events()[0]["seq"]
    done = run_lmx("serve", environment=tiny.environment)
    command_refused(done, 1, f"process {tiny.pid}", str(tiny.home))
    assert tiny.events()[0]["seq"] == size


def test_a_state_directory_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    command_refused(serve(tmp_path / "file" / "home"), 1, "cannot be used", "LMX_HOME")


def test_a_state_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o777)
    command_refused(serve(home), 1, f"chmod 700 {home}")


@pytest.mark.skipif(not Path(DROP_ROOT[0]).exists(), reason="needs setpriv to drop root")
@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another account")
def test_a_state_directory_that_is_not_writable_is_one_sentence(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    os.chown(home, 65534, 65534)
    home.chmod(0o500)
    for directory in home.parents[:3]:
        directory.chmod(0o755)
    done = subprocess.run(
        [*DROP_ROOT, *LMX, "serve"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd="/",
        env=with_checkout({"PATH": os.environ["PATH"], "LMX_HOME": str(home)}),
    )
    if os.access(ROOT, os.R_OK) and ("No module named" in done.stderr or done.returncode == 126):
        pytest.skip("another account cannot read this interpreter or this checkout")
    command_refused(done, 1, "cannot be used", "Make it yours and writable")


def test_settings_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    """Here for the exit and the words; what else is refused: tests/unit/start."""
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / "config.yaml").write_text("host: 0.0.0.0\nprot: 1234\n", "utf-8")
    command_refused(serve(home), 1, "config.yaml", "loopback only", "prot")


def test_a_command_without_a_server_says_how_to_start_one(tmp_path: Path) -> None:
    environment = {**os.environ, "LMX_HOME": str(tmp_path), "LMX_URL": "http://127.0.0.1:9"}
    command_refused(run_lmx("status", environment=environment), 1, "127.0.0.1:9", "lmx serve")
