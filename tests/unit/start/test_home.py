"""The state directory is private and has one server."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from app.domain.refusals import StartRefused
from app.home import FOLDERS, hold_home, prepare_home
from app.main import bind
from app.settings import Settings


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_first_start_makes_a_private_directory_with_a_config_to_edit(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    prepare_home(home)
    assert mode_of(home) == 0o700
    assert all(mode_of(home / name) == 0o700 for name in FOLDERS)
    assert "port: 1234" in (home / "config.yaml").read_text("utf-8")


def test_a_later_start_leaves_the_edited_config_alone(tmp_path: Path) -> None:
    prepare_home(tmp_path)
    (tmp_path / "config.yaml").write_text("port: 4000\n", "utf-8")
    prepare_home(tmp_path)
    assert (tmp_path / "config.yaml").read_text("utf-8") == "port: 4000\n"


def test_a_place_that_cannot_be_made_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    with pytest.raises(StartRefused, match="LMX_HOME"):
        prepare_home(tmp_path / "file" / "home")


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to make a directory of another account")
def test_a_directory_of_another_account_is_refused(tmp_path: Path) -> None:
    home = tmp_path / "theirs"
    home.mkdir(mode=0o700)
    os.chown(home, 12345, 12345)
    with pytest.raises(StartRefused, match="another account"):
        prepare_home(home)


def test_two_servers_on_one_directory_are_refused_and_the_holder_is_named(tmp_path: Path) -> None:
    with hold_home(tmp_path):
        code = (
            "import sys; from pathlib import Path; from app.home import hold_home\n"
            "from app.domain.refusals import StartRefused\n"
            "try: hold_home(Path(sys.argv[1]))\n"
            "except StartRefused as refusal: print(refusal.message)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        )
    assert f"process {os.getpid()}" in done.stdout
    with hold_home(tmp_path):
        pass  # free again once the first one has gone


def test_a_taken_port_is_a_sentence_that_says_what_to_do() -> None:
    with bind(Settings(port=0)) as first:
        taken = first.getsockname()[1]
        with pytest.raises(StartRefused, match=f"Port {taken} is taken.*--port {taken + 1}"):
            bind(Settings(port=taken))
