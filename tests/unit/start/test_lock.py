"""One server owns a state directory, and a crash leaves nothing that keeps the next one out."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from app.domain.refusals import StartRefused
from app.home import hold_home

HOLDS = """
import sys
from pathlib import Path
from app.domain.refusals import StartRefused
from app.home import hold_home
try:
    held = hold_home(Path(sys.argv[1]))
except StartRefused as refusal:
    print(refusal.message, flush=True)
else:
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(home: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_after_kill_9_the_next_one_starts_and_until_then_none(tmp_path: Path) -> None:
    with holder(tmp_path) as first:
        assert said(first) == "held"
        with pytest.raises(StartRefused, match=f"process {first.pid}"):
            hold_home(tmp_path)
        first.send_signal(signal.SIGKILL)
        first.wait(30)
    with hold_home(tmp_path):
        assert (tmp_path / "server.lock").read_text("ascii").strip() == str(os.getpid())


def test_the_number_of_a_process_that_is_gone_or_foreign_keeps_nobody_out(tmp_path: Path) -> None:
    for left in ("4194304\n", f"{os.getppid()}\n", "no number", "x" * 100):
        (tmp_path / "server.lock").write_text(left, "utf-8")
        with hold_home(tmp_path):
            assert (tmp_path / "server.lock").read_text("ascii").strip() == str(os.getpid())


def test_deleting_the_lock_file_lets_no_second_one_in(tmp_path: Path) -> None:
    with hold_home(tmp_path):
        (tmp_path / "server.lock").unlink()
        with holder(tmp_path) as second:
            assert "Another server (process unknown)" in said(second)


def test_of_starts_that_race_one_wins(tmp_path: Path) -> None:
    racers = [holder(tmp_path) for _ in range(4)]
    try:
        words = [said(racer) for racer in racers]
        assert words.count("held") == 1
        winner = racers[words.index("held")].pid
        assert sum(f"process {winner})" in word for word in words) == 3
    finally:
        for racer in racers:
            racer.communicate()
