"""Copies of the ledger that are large, on volumes full or limited, or of a killed server."""

import errno
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.authority.ledger.sinks import file as file_module
from app.authority.ledger.sinks import tail as tail_module
from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.values import SinkFailed
from tests.fakes.log import MemoryLog
from tests.unit.ledger.test_sinks_file import check_holds, delivery, known, opened


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    old = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, old[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)


def test_a_file_at_its_limit_fails_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(2)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    with largest_file(path.stat().st_size + 100):
        for _ in range(3):
            with pytest.raises(SinkFailed, match="largest size a file may have"):
                sink.deliver(delivery(log.grow(1)))
    assert sink.size == 2
    sink.deliver(delivery(log))
    check_holds(path, log)
    sink.close()


_ON_A_SMALL_VOLUME = """
import os, subprocess, sys
from pathlib import Path
volume = Path(sys.argv[1])
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", volume], check=True)
from tests.fakes.log import MemoryLog
from tests.unit.ledger.test_sinks_file import check_holds, delivery, known, opened
from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.values import SinkFailed
log = MemoryLog().grow(2)
sink = opened(volume / "events.jsonl", log)
sink.deliver(delivery(log))
(volume / "filler").write_bytes(bytes(40960))
failures = 0
for _ in range(200):
    try:
        sink.deliver(delivery(log.grow(1)))
    except SinkFailed as error:
        assert "its volume is full" in str(error), error
        failures += 1
assert failures > 100, failures
(volume / "filler").unlink()
sink.close()
log = MemoryLog(log.all_bodies[:60], log.private)
sink = opened(volume / "events.jsonl", log)
sink.deliver(delivery(log))
check_holds(volume / "events.jsonl", log)
sink.close()
subprocess.run(["mount", "-o", "remount,ro", volume], check=True)
try:
    FileSink(volume / "events.jsonl").open(known(log))
except SinkFailed as error:
    assert "read-only" in str(error), error
else:
    raise AssertionError("a read-only volume was opened")
print("done")
"""


def unshared() -> bool:
    try:
        return subprocess.run(["unshare", "-rm", "true"], check=False).returncode == 0
    except OSError:
        return False


@pytest.mark.skipif(not unshared(), reason="needs a mount namespace of its own")
def test_a_full_volume_and_a_read_only_one(tmp_path: Path) -> None:
    command = ["unshare", "-rm", sys.executable, "-c", _ON_A_SMALL_VOLUME, str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    assert done.stdout == "done\n", done.stderr


_DELIVERS_UNTIL_KILLED = """
import sys
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.fakes.log import MemoryLog
from tests.unit.ledger.test_sinks_file import delivery, opened
private = Ed25519PrivateKey.from_private_bytes(bytes(32))
log = MemoryLog([], private).grow(int(sys.argv[2]))
sink = opened(Path(sys.argv[1]), log)
while True:
    sink.deliver(delivery(log.grow(3)))
    print(log.size, flush=True)
"""


def test_a_killed_server_leaves_a_file_that_holds_all_it_acknowledged(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "events.jsonl", 1
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for lines in (5, 40):
        command = [sys.executable, "-c", _DELIVERS_UNTIL_KILLED, str(path), str(acknowledged + 3)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as child:
            assert child.stdout is not None
            acknowledged = [int(child.stdout.readline()) for _ in range(lines)][-1]
            child.kill()
            acknowledged = max([acknowledged, *map(int, child.stdout.read().split())])
    log = MemoryLog([], Ed25519PrivateKey.from_private_bytes(bytes(32))).grow(acknowledged + 3)
    sink = opened(path, log)
    assert acknowledged <= sink.size
    sink.deliver(delivery(log))
    check_holds(path, log)
    sink.close()


def test_where_there_is_a_full_sync_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on macOS, where fsync leaves bytes in the disk's own cache."""
    asked: list[str] = []
    supported = True

    def fcntl(_descriptor: int, command: int) -> None:
        assert command == 51
        asked.append("full")
        if not supported:
            raise OSError(errno.ENOTSUP, "not on this volume")

    monkeypatch.setattr(file_module, "_FULL_SYNC", 51)
    monkeypatch.setattr(file_module.fcntl, "fcntl", fcntl)
    monkeypatch.setattr(file_module.os, "fsync", lambda _: asked.append("fsync"))
    with (tmp_path / "x").open("wb") as file:
        file_module.sync_data(file.fileno())
        supported = False
        file_module.sync_data(file.fileno())
    assert asked == ["full", "full", "fsync"]


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is read-only for root")
def test_a_read_only_directory_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(SinkFailed, match="may not write there"):
        FileSink(tmp_path / "events.jsonl").open(known(MemoryLog()))
    tmp_path.chmod(0o700)


def test_a_group_larger_than_the_window_is_checked_at_its_end_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail_module, "WINDOW_BYTES", 2000)
    monkeypatch.setattr(tail_module, "_BLOCK", 100)
    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(50)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    sink.close()
    sink = opened(path, log)
    assert sink.size == 50
    sink.deliver(delivery(log.grow(1)))
    sink.deliver(delivery(log.grow(1)))
    sink.close()
    sink = opened(path, log)
    assert sink.size == 52
    sink.close()
    check_holds(path, log, unharmed=True)
