"""Of all who race to execute one approved plan one wins, on threads and from another process."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.authority.approvals.executing import Executing
from app.authority.approvals.parts import Limits
from app.authority.approvals.values import Ask
from app.domain.refusals import AskNotOpen
from tests.fakes.asks import Office
from tests.fakes.offices import recovered, whole

ROOT = Path(__file__).resolve().parents[3]
RACERS = 32
SAMPLED = pytest.mark.parametrize("rounds", [50, pytest.param(10_000, marks=pytest.mark.faults)])
VETOES = pytest.mark.parametrize("rounds", [25, pytest.param(1_000, marks=pytest.mark.faults)])
AT_MOST = Limits(a_minute=10**6)

THIEF = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=10)
print("ready", flush=True)
for line in sys.stdin:
    ask, plan = line.split()
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO execution_claim VALUES (?, 1, ?, 'thief', 1)", (plan, ask))
        connection.execute("UPDATE ask SET state = 'claimed' WHERE id = ?", (ask,))
        connection.execute("COMMIT")
        print("won", flush=True)
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        print("lost", flush=True)
"""


@contextmanager
def thief(database: Path) -> Iterator["subprocess.Popen[str]"]:
    """A process that claims, through SQLite alone, each ask that it is told of."""
    with subprocess.Popen(
        [sys.executable, "-c", THIEF, str(database)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "services" / "api")},
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        try:
            yield process
        finally:
            assert process.stdin is not None
            process.stdin.close()


def toys_again(office: Office) -> Ask:
    office.toy.state.update(a=1, b=2)
    return office.approved()


async def raced(office: Office, racers: list[Executing], rounds: int) -> None:
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(len(racers)))
    for _ in range(rounds):
        office.toy.performed.clear()
        ask = await asyncio.to_thread(toys_again, office)
        results = await asyncio.gather(
            *(racer.execute(office.owner, ask.id) for racer in racers), return_exceptions=True
        )
        won = [result for result in results if not isinstance(result, BaseException)]
        assert (len(won), len(office.toy.performed)) == (1, 1)
        assert {type(result) for result in results if isinstance(result, BaseException)} == {
            AskNotOpen
        }


@SAMPLED
@pytest.mark.timeout(3_600)
def test_of_thirty_two_executors_on_threads_one_executes(office: Office, rounds: int) -> None:
    """Each with a queue of its own, as if every one were another server."""
    office.limits = AT_MOST
    parts, deciding = office.parts, office.governance.deciding
    asyncio.run(raced(office, [Executing(parts, deciding) for _ in range(RACERS)], rounds))
    office.ledger.settle()
    whole(office)


@SAMPLED
@pytest.mark.timeout(3_600)
def test_a_claim_through_the_database_alone_is_a_claim(office: Office, rounds: int) -> None:
    """Another process and four threads: one claims, and what the other claimed is not executed."""
    office.limits = AT_MOST
    executing, owner, stolen = office.governance.executing, office.owner, 0

    def claim(ask: Ask) -> bool:
        try:
            executing._claim(owner, ask)
        except AskNotOpen:
            return False
        return True

    with thief(office.home / "lmx.db") as process, ThreadPoolExecutor(4) as threads:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(rounds):
            ask = toys_again(office)
            process.stdin.write(f"{ask.id} {ask.plan}\n")
            process.stdin.flush()
            won = list(threads.map(claim, [ask] * 4)).count(True)
            theirs = process.stdout.readline() == "won\n"
            assert won + theirs == 1
            with pytest.raises(AskNotOpen):
                asyncio.run(office.execute(ask))
            stolen += theirs
    assert office.toy.performed == []
    if rounds > 1_000:
        assert 0 < stolen < rounds, "one side always won: nothing was raced"


@VETOES
@pytest.mark.timeout(1_200)
def test_a_veto_that_races_a_claim_stops_it_or_comes_too_late(office: Office, rounds: int) -> None:
    office.limits = AT_MOST
    seen = set()

    async def race() -> None:
        for number in range(rounds):
            office.toy.performed.clear()
            ask = toys_again(office)
            word = office.word("owner", ask, "veto")
            decide = office.governance.deciding.decide
            both = [
                asyncio.to_thread(decide, office.owner, ask.id, word),
                office.execute(ask),
            ]
            told = await asyncio.gather(*both[:: 1 - 2 * (number % 2)], return_exceptions=True)
            state, did = office.state(ask), len(office.toy.performed)
            assert (state, did) in {("revoked", 0), ("done", 1)}
            assert sum(isinstance(one, AskNotOpen) for one in told) == 1
            seen.add(state)

    asyncio.run(race())
    recovered(office)
    whole(office)
    if rounds > 100:
        assert seen == {"revoked", "done"}
