"""A process killed at any moment leaves each ask where the table allows, and nothing half done."""

import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from app.authority.approvals.transitions import State
from tests.fakes.offices import Begun, Shelf, asks_of, recovered, verified, whole

ROOT = Path(__file__).resolve().parents[3]
WORKER = Path(__file__).with_name("worker.py")


def killed(begun: Begun, home: Path, lines: int, after_s: float) -> list[list[str]]:
    """Run a worker, kill it with SIGKILL a moment after it said `lines` lines; what it said."""
    environment = {**os.environ, "PYTHONPATH": f"{ROOT / 'services' / 'api'}:{ROOT}"}
    with subprocess.Popen(
        [sys.executable, str(WORKER), str(home)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        worker.stdin.write(json.dumps(begun.secrets).encode() + b"\n")
        worker.stdin.flush()
        said = [worker.stdout.readline() for _ in range(lines)]
        time.sleep(after_s)
        worker.kill()
        said += worker.stdout.readlines()
    assert all(said[:lines]), "the worker ended by itself"
    return [line.decode().split() for line in said if line.endswith(b"\n")]


def settled(begun: Begun, home: Path, said: list[list[str]]) -> None:
    office = begun.open(home)
    recovered(office)
    whole(office)
    shelf = office.toy
    assert isinstance(shelf, Shelf)
    assert len(shelf.performed) <= 1
    asks = {ask.id: ask for ask in asks_of(office)}
    for ask in asks.values():
        assert ask.state is not State.PARTIAL
        assert shelf.left(ask.subject) == (set() if ask.state is State.DONE else {"a", "b"})
    for ask_id, _, state in said:
        if ask_id in asks and state in {"done", "revoked"}:
            assert asks[ask_id].state == state
    office.close()
    verified(home)


@pytest.mark.timeout(1_800)
@pytest.mark.parametrize("times", [2, pytest.param(40, marks=pytest.mark.faults)])
def test_a_server_killed_at_any_moment_is_settled_by_the_next(
    begun: Begun, tmp_path: Path, times: int
) -> None:
    chance = random.Random(times)
    home = begun.copy(tmp_path / "home")
    for _ in range(times):
        said = killed(begun, home, chance.randint(1, 12), chance.random() / 20)
        settled(begun, home, said)
