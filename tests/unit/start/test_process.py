"""What the server's process does with its limits and with whoever started it."""

import json
import resource
import signal
import socket
from contextlib import nullcontext
from pathlib import Path

import pytest

from app import main
from app.domain.refusals import StartRefused
from app.main import raise_open_files, tell_supervisor
from app.settings import Settings


def test_as_many_files_as_ever_may_be_open() -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, hard), hard))
        assert raise_open_files() == hard
        assert raise_open_files() == hard
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_by_the_socket_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, abstract: bool
) -> None:
    name = f"@{tmp_path}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(name.replace("@", "\0", 1) if abstract else name)
        systemd.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", name)
        tell_supervisor("READY=1")
        assert systemd.recv(100) == b"READY=1"


@pytest.mark.parametrize("address", ["", "/nowhere/at/all", "vsock:2:1", "relative"])
def test_a_supervisor_that_cannot_be_told_stops_nothing(
    monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    tell_supervisor("READY=1")


def cut_off(home: Path) -> None:
    """A restore that ended between the old settings' way out and the new ones' way in."""
    for name in (".restoring", "run"):
        (home / name).mkdir(mode=0o700)
    (home / ".restoring/config.yaml").write_text("inference_requires_key: true\n")
    said = {"replaced": "replaced/then", "name": "lmx-then-1", "parts": ["config.yaml"]}
    (home / "run/restoring.json").write_text(json.dumps(said))


def test_a_restore_that_was_cut_off_is_ended_before_the_settings_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_off(tmp_path)
    seen: list[Settings] = []
    monkeypatch.setattr(main, "bind", nullcontext)
    monkeypatch.setattr(main, "_serve", lambda _home, settings, *_: seen.append(settings) or 0)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    tmp_path.chmod(0o700)
    assert main.serve(tmp_path) == 0
    assert [settings.inference_requires_key for settings in seen] == [True]


@pytest.mark.parametrize("left", ["run/restoring.json", "ledger/restored.json"])
def test_a_key_is_not_recovered_before_a_restore_is_on_record(tmp_path: Path, left: str) -> None:
    tmp_path.chmod(0o700)
    for path in (tmp_path / "lmx.db", tmp_path / left):
        path.parent.mkdir(mode=0o700, exist_ok=True)
        path.touch(mode=0o600)
    with pytest.raises(StartRefused, match="Start the server once"):
        main.recover(tmp_path)
