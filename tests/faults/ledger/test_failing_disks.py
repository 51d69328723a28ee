"""A disk that really refuses to write: the kernel's file size limit stands in for a full one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fakes.database import fresh_database

ROOT = Path(__file__).resolve().parents[3]

PROGRAM = """
import resource, signal, sys
from pathlib import Path
from app.clock import SystemClock
from app.database import open_engine
from app.domain.refusals import AuditUnavailable
from tests.fakes.events import saying
from tests.fakes.ledger import new_ledger

path, room = Path(sys.argv[1]), int(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write past the limit fails instead of killing
ledger = new_ledger(open_engine(path), SystemClock(), "limited")
event = saying("x" * 1500)
ledger.append(event)
wal = path.with_name(path.name + "-wal").stat().st_size
_, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (wal + room, hard))
refused = None
for _ in range(1000):
    try:
        ledger.append(event)
    except AuditUnavailable as refusal:
        refused = refusal
        break
assert refused is not None, "the limit was never met"
assert not ledger.available
size = ledger.size()
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
assert ledger.append(event).seq == size + 1, "no recovery"
assert ledger.available
assert all(stored.intact for stored in ledger.events(limit=10_000))
assert [stored.seq for stored in ledger.events(limit=10_000)] == list(range(1, size + 2))
print(refused.message)
"""


def run_limited(path: Path, room: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path), str(room)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, "PYTHONPATH": f"{ROOT / 'services' / 'api'}:{ROOT}"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_disk_that_takes_no_more_refuses_and_recovers(tmp_path: Path) -> None:
    assert "The ledger is not available" in run_limited(fresh_database(tmp_path), 50_000)


@pytest.mark.faults
@pytest.mark.parametrize("room", [0, 1, 24, 25, 4_095, 4_096, 4_120, 10_000, 37_080, 200_001])
def test_wherever_in_a_page_the_disk_ends(tmp_path: Path, room: int) -> None:
    assert "The ledger is not available" in run_limited(fresh_database(tmp_path), room)
