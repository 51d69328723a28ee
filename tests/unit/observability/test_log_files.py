"""Logs persist, rotate, and belong to their owner alone."""

import errno
import logging
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog

from app.observability import configure_logging, lines_lost, logs


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    root.handlers.clear()
    yield
    for handler in root.handlers:
        handler.close()
    root.handlers[:], root.level = before
    structlog.reset_defaults()


def test_a_log_rotates_by_size_and_keeps_a_few(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 2_000)
    monkeypatch.setattr(logs, "KEPT_LOGS", 2)
    path = tmp_path / "logs" / "server.log"
    configure_logging(path)
    for number in range(200):
        structlog.get_logger("app").info("line", number=number)
    files = sorted(path.parent.iterdir())
    assert [file.name for file in files] == ["server.log", "server.log.1", "server.log.2"]
    assert all(file.stat().st_size <= 2_000 for file in files)
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    assert '"number": 199' in path.read_text()


def test_a_later_start_appends(tmp_path: Path) -> None:
    path = tmp_path / "server.log"
    for word in ("first", "second"):
        configure_logging(path)
        structlog.get_logger("app").info(word)
    assert len(path.read_text().splitlines()) == 2


def test_a_log_is_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "server.log").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic link"):
        configure_logging(tmp_path / "server.log")
    assert not (tmp_path / "elsewhere").exists()


def test_without_a_file_it_goes_to_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(None, "warning")
    structlog.get_logger("app").info("quiet")
    structlog.get_logger("app").warning("loud", key="lmx_0badcafe_" + "a" * 43)
    shown = capsys.readouterr().err
    assert "loud" in shown
    assert "quiet" not in shown
    assert "a" * 43 not in shown


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_on_a_full_disk_lines_are_lost_and_the_terminal_stays_quiet(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging(Path("/dev/full"))
    structlog.get_logger("app").info("line")
    assert capsys.readouterr().err == ""
    (handler,) = logging.getLogger().handlers
    assert isinstance(handler, logging.FileHandler)
    with Path(os.devnull).open("wb") as room:  # the disk has room again, to close it
        os.dup2(room.fileno(), handler.stream.fileno())


def test_a_log_that_cannot_rotate_grows_to_twice_its_size_and_then_loses_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logs, "MAX_LOG_BYTES", 1_000)
    path = tmp_path / "server.log"
    configure_logging(path)
    log = structlog.get_logger("app")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "rename", full)
        for number in range(40):
            log.info("line", number=number)
    lost = lines_lost()
    assert 0 < lost < 40
    log.info("room again")
    assert lines_lost() == lost
    assert "room again" in path.read_text()
    assert capsys.readouterr().err == ""
