"""A writer killed at any moment loses nothing it acknowledged and leaves no gap."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from app.database import migrate, open_engine
from tests.fakes.clock import FixedClock
from tests.fakes.database import fresh_database
from tests.fakes.ledger import new_ledger

ROOT = Path(__file__).resolve().parents[3]
WRITER = Path(__file__).with_name("writer.py")


def killed_after(path: Path, lines: int) -> list[tuple[int, str]]:
    """Run a writer, kill it with SIGKILL once it said `lines` lines, return all it acknowledged."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'services' / 'api'}:{ROOT}"}
    command = [sys.executable, str(WRITER), str(path), "60"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as writer:
        assert writer.stdout is not None
        said = [writer.stdout.readline() for _ in range(lines)]
        writer.kill()
        said += writer.stdout.readlines()
    assert all(said[:lines]), "the writer ended by itself"
    pairs = [line.decode().split() for line in said if line.endswith(b"\n")]
    return [(int(pair[0]), pair[1]) for pair in pairs if len(pair) == 2]


def assert_whole(path: Path, acknowledged: list[tuple[int, str]]) -> None:
    migrate(path)
    engine = open_engine(path)
    ledger = new_ledger(engine, FixedClock(), "after")
    ledger.check_guards()
    events = ledger.events(limit=1_000_000)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert all(event.intact for event in events)
    by_seq = {event.seq: event.event_id for event in events}
    assert all(by_seq[seq] == event_id for seq, event_id in acknowledged)
    with engine.connect() as connection:
        indexed = connection.exec_driver_sql("SELECT count(*) FROM ledger_index").scalar_one()
        rows = connection.exec_driver_sql("SELECT count(*) FROM receipt").scalar_one()
    assert indexed == len(events)
    # Every other event is one transaction with a row: neither stands without the other.
    assert sum(event.kind == "unload_intent" for event in events) == rows
    assert ledger.reconcile()
    assert ledger.open_intents() == []
    engine.dispose()


def test_a_killed_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    path = fresh_database(tmp_path)
    acknowledged: list[tuple[int, str]] = []
    for lines in (1, 30, 7):
        acknowledged += killed_after(path, lines)
        assert_whole(path, acknowledged)


@pytest.mark.faults
@pytest.mark.timeout(600)
def test_fifty_killed_writers_lose_nothing(tmp_path: Path) -> None:
    path = fresh_database(tmp_path)
    chance = random.Random(20)
    acknowledged: list[tuple[int, str]] = []
    for _ in range(50):
        acknowledged += killed_after(path, chance.randint(1, 120))
        assert_whole(path, acknowledged)
