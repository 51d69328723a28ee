"""Group commit: callers share a commit, each gets what is its own, and nobody waits for ever."""

import itertools
import signal
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

import pytest

from app.authority.ledger import InvalidEvent, Ledger
from app.authority.ledger.group import LARGEST, GroupCommit, Interrupted, Ticket
from app.domain.refusals import AuditUnavailable
from tests.fakes import events
from tests.fakes.database import foreign_connection, weakened_engine
from tests.fakes.ledger import new_ledger

SOON = 50.0
"""Seconds after which a hang is a failure."""

Result = TypeVar("Result")
Tickets = Sequence[Ticket[int, str]]

pytestmark = pytest.mark.timeout(110)


class Gate:
    """A commit that can be held up, fails when told to, and remembers its groups."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.open = threading.Event()
        self.open.set()
        self.entered = threading.Event()
        self.failing: dict[int, BaseException] = {}
        self.commits = GroupCommit(self._commit)

    def _commit(self, tickets: Tickets) -> None:
        number = len(self.groups)
        self.groups.append([ticket.asked for ticket in tickets])
        self.entered.set()
        assert self.open.wait(SOON)
        if number in self.failing:
            raise self.failing[number]
        for ticket in tickets:
            ticket.give(f"got {ticket.asked}")

    def hold(self) -> None:
        self.open.clear()
        self.entered.clear()


@pytest.fixture
def gate() -> Gate:
    return Gate()


class Callers:
    """Each call on a thread of its own, which no test and no interpreter waits for at its end."""

    def submit(self, act: Callable[..., Result], *asked: object) -> "Future[Result]":
        future: Future[Result] = Future()

        def call() -> None:
            try:
                future.set_result(act(*asked))
            except BaseException as error:
                future.set_exception(error)

        threading.Thread(target=call, daemon=True).start()
        return future


@pytest.fixture
def pool() -> Callers:
    return Callers()


def held_up(gate: Gate, pool: Callers, followers: int) -> list[Future[str]]:
    """One that leads and is held up in its commit, and callers that wait behind it, in order."""
    gate.hold()
    futures = [pool.submit(gate.commits.submit, 0)]
    assert gate.entered.wait(SOON)
    for number in range(1, followers + 1):
        futures.append(pool.submit(gate.commits.submit, number))
        until(lambda number=number: len(gate.commits._queue) == number)
    return futures


def until(true: Callable[[], bool]) -> None:
    ends = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < ends, "it never came about"
        time.sleep(0.0005)


def test_one_caller_alone_is_a_group_of_its_own(gate: Gate) -> None:
    assert [gate.commits.submit(number) for number in (1, 2)] == ["got 1", "got 2"]
    assert gate.groups == [[1], [2]]


def test_who_comes_while_one_commits_shares_the_next_commit(gate: Gate, pool: Callers) -> None:
    futures = held_up(gate, pool, 5)
    gate.open.set()
    assert [future.result(SOON) for future in futures] == [f"got {n}" for n in range(6)]
    assert gate.groups == [[0], [1, 2, 3, 4, 5]]  # nobody waited for a second group


def test_a_group_has_a_largest_size_and_the_rest_is_the_next_one(gate: Gate, pool: Callers) -> None:
    futures = held_up(gate, pool, LARGEST + 3)
    gate.open.set()
    assert [future.result(SOON) for future in futures] == [f"got {n}" for n in range(LARGEST + 4)]
    assert [len(group) for group in gate.groups] == [1, LARGEST, 3]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_commit_that_fails_is_the_failure_of_its_own_group(
    gate: Gate, pool: Callers, failing: int
) -> None:
    gate.failing[failing] = RuntimeError("the disk is gone")
    futures = held_up(gate, pool, 3)
    gate.open.set()
    first, *others = [future.exception(SOON) for future in futures]
    assert isinstance(first, RuntimeError) is (failing == 0)
    assert all(isinstance(error, RuntimeError) is (failing == 1) for error in others)
    assert gate.commits.submit(9) == "got 9"


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_a_leader_that_is_stopped_leaves_nobody_waiting(
    gate: Gate, pool: Callers, stop: BaseException
) -> None:
    gate.failing[1] = stop
    futures = held_up(gate, pool, 3)
    gate.open.set()
    until(lambda: all(future.done() for future in futures))
    assert futures[0].result() == "got 0"
    leader, *followers = [future.exception() for future in futures[1:]]
    assert leader is stop
    assert all(isinstance(error, Interrupted) for error in followers)
    assert gate.commits.submit(9) == "got 9"


def test_a_member_that_a_commit_forgot_is_told(pool: Callers) -> None:
    def forgetful(tickets: Tickets) -> None:
        for ticket in tickets[:-1]:
            ticket.give("something")

    with pytest.raises(RuntimeError, match="forgot one of its members"):
        pool.submit(GroupCommit(forgetful).submit, 1).result(SOON)


@pytest.mark.parametrize("place", [1, 2, 3])
def test_a_caller_that_is_interrupted_while_it_waits_holds_up_nobody(
    gate: Gate, pool: Callers, place: int
) -> None:
    """Ctrl-C reaches the main thread only: it is the one that waits, first or last in the queue."""
    futures = held_up(gate, pool, place - 1)
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        until(lambda: len(gate.commits._queue) == place)
        signal.pthread_kill(main, signal.SIGUSR1)

    def raised(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, raised)
    try:
        pool.submit(interrupt)
        with pytest.raises(KeyboardInterrupt):
            gate.commits.submit(99)
    finally:
        signal.signal(signal.SIGUSR1, before)
    futures += [pool.submit(gate.commits.submit, 7)]
    gate.open.set()
    assert [f.result(SOON) for f in futures] == [f"got {n}" for n in [*range(place), 7]]
    assert 99 not in itertools.chain.from_iterable(gate.groups)
    assert gate.commits.submit(8) == "got 8"


def test_many_callers_each_get_their_own(gate: Gate, pool: Callers) -> None:
    def caller(first: int) -> list[str]:
        return [gate.commits.submit(number) for number in range(first, first + 200)]

    done = [pool.submit(caller, thread * 1_000) for thread in range(32)]
    for thread, future in enumerate(done):
        first = thread * 1_000
        assert future.result(SOON) == [f"got {number}" for number in range(first, first + 200)]
    committed = sorted(itertools.chain.from_iterable(gate.groups))
    assert committed == sorted(t * 1_000 + n for t in range(32) for n in range(200))


# --- on a real ledger ----------------------------------------------------------------------------


def test_thirty_two_callers_leave_no_gap_and_each_has_its_own_receipt(
    ledger: Ledger, pool: Callers
) -> None:
    def caller(thread: int) -> list[tuple[int, str]]:
        texts = [f"{thread} says {number}" for number in range(20)]
        return [(ledger.append(events.saying(text)).seq, text) for text in texts]

    futures = [pool.submit(caller, thread) for thread in range(32)]
    said = dict(pair for future in futures for pair in future.result(SOON))
    stored = ledger.events(limit=1_000)
    assert [event.seq for event in stored] == list(range(1, 641))
    assert {event.seq: event.data["reason"] for event in stored} == said
    assert all(event.intact for event in stored)
    checkpoint = ledger.checkpoint()
    assert checkpoint is not None
    assert ledger.keeping.signer.size == 640


def test_an_event_that_cannot_be_written_hurts_only_its_own_caller(
    ledger: Ledger, pool: Callers
) -> None:
    bad, good = events.holding(0.5), events.saying("good")
    futures = [pool.submit(ledger.append, bad if n % 4 == 0 else good) for n in range(40)]
    errors = [future.exception(SOON) for future in futures]
    assert [isinstance(error, InvalidEvent) for error in errors] == [n % 4 == 0 for n in range(40)]
    assert sorted(f.result().seq for f in futures if f.exception() is None) == list(range(1, 31))


def test_a_database_that_refuses_refuses_every_member_and_the_next_group_works(
    path: Path, pool: Callers
) -> None:
    engine = weakened_engine(path, "PRAGMA busy_timeout = 20")
    ledger = new_ledger(engine)
    ledger.append(events.boot())
    other = foreign_connection(path)
    other.execute("BEGIN IMMEDIATE")
    futures = [pool.submit(ledger.append, events.saying(str(n))) for n in range(10)]
    refused = [future.exception(SOON) for future in futures]
    other.execute("ROLLBACK")
    assert all(isinstance(error, AuditUnavailable) for error in refused)
    assert len({id(error) for error in refused}) == 10  # each its own: tracebacks do not add up
    assert ledger.size() == 1
    assert ledger.append(events.saying("again")).seq == 2
    engine.dispose()
