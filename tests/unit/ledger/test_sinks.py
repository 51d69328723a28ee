"""Several sinks: a blocked or absent volume holds up nobody but itself, unless it is required."""

import errno
import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.authority.ledger.sinks import further_sink, own_sink
from app.authority.ledger.sinks.apart import Apart
from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.inline import Inline
from app.authority.ledger.sinks.values import Delivery, Known, Sink
from app.domain.refusals import AuditUnavailable, StartRefused
from tests.fakes.log import MemoryLog
from tests.fakes.sinks import (
    PATIENCE_S,
    TIMEOUT_S,
    BlockedFile,
    House,
    Houses,
    apart,
    until,
    waits,
)
from tests.unit.ledger.test_sinks_file import check_holds


@pytest.fixture
def houses() -> Iterator[Callable[..., House]]:
    made: list[House] = []

    def make(*sinks: Sink, log: MemoryLog | None = None) -> House:
        made.append(House(log or MemoryLog(), *sinks))
        return made[-1]

    yield make
    for house in made:
        house.sinks.close()
        further = [sink for sink in house.sinks._sinks if isinstance(sink, Apart)]
        assert not any(sink._thread.is_alive() for sink in further)


def test_no_sinks_take_everything(houses: Houses) -> None:
    house = houses()
    assert house.open() == []
    house.deliver()
    assert house.sinks.states() == []


def test_every_sink_holds_every_group(tmp_path: Path, houses: Houses) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    house = houses(
        own_sink(tmp_path),
        further_sink(tmp_path / "a", install_id="i1", required=True, timeout_s=PATIENCE_S),
        further_sink(tmp_path / "b", install_id="i1", required=False, timeout_s=PATIENCE_S),
    )
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    assert house.open() == [("own", "new"), (a, "new"), (b, "new")]
    for _ in range(3):
        house.deliver(2)
    paths = [tmp_path / "events.jsonl"]
    paths += [tmp_path / name / "lmx-ledger-i1.jsonl" for name in "ab"]
    for path in paths:
        check_holds(path, house.log, unharmed=True)
    states = house.sinks.states()
    assert [state.path for state in states] == paths
    assert [(state.name, state.required) for state in states] == [
        ("own", True),
        (a, True),
        (b, False),
    ]
    assert all((state.size, state.lag, state.ok, state.why) == (6, 0, True, "") for state in states)


def test_the_own_sink_fails_closed_and_says_what_to_do(tmp_path: Path, houses: Houses) -> None:
    house = houses(own_sink(tmp_path))
    house.open()
    house.deliver()
    (tmp_path / "events.jsonl").unlink()
    house.refused(r"copy own \(.*events.jsonl\) was deleted .*restart the server")
    (state,) = house.sinks.states()
    assert (state.ok, state.size, state.lag) == (False, 1, 1)
    assert "was deleted" in state.why
    house.sinks.close()
    again = houses(own_sink(tmp_path), log=house.log)
    assert again.open() == [("own", "missing")]
    again.deliver()
    check_holds(tmp_path / "events.jsonl", house.log)


@pytest.mark.parametrize("required", [True, False])
def test_a_sink_that_contradicts_the_database_is_a_start_refused(
    tmp_path: Path, houses: Houses, *, required: bool
) -> None:
    house = houses(apart(FileSink(tmp_path / "x"), required=required))
    house.open()
    house.deliver(5)
    house.sinks.close()
    log = MemoryLog(house.log.all_bodies[:3], house.log.private)
    rolled_back = houses(apart(FileSink(tmp_path / "x"), required=required), log=log)
    with pytest.raises(StartRefused, match="holds 5 events, the database 3"):
        rolled_back.open()


def test_an_optional_sink_that_blocks_is_waited_for_once_and_catches_up(
    tmp_path: Path, houses: Houses
) -> None:
    file = BlockedFile(tmp_path / "second")
    sink = apart(file)
    house = houses(own_sink(tmp_path), sink)
    house.open()
    house.deliver()
    file.gate.clear()
    waits(sink, TIMEOUT_S)
    assert house.deliver() >= TIMEOUT_S
    waits(sink, PATIENCE_S)
    assert sum(house.deliver() for _ in range(20)) < PATIENCE_S  # not one of them waited
    own, second = house.sinks.states()
    assert (own.ok, own.lag) == (True, 0)
    assert (second.ok, second.lag) == (False, 21)
    assert "has not answered for 30 s" in second.why
    file.gate.set()
    until(lambda: house.sinks.states()[1].ok and house.sinks.states()[1].lag == 0)
    check_holds(tmp_path / "second", house.log, unharmed=True)
    house.deliver()
    assert house.sinks.states()[1].lag == 0


def test_a_required_sink_that_blocks_fails_closed_at_once(tmp_path: Path, houses: Houses) -> None:
    file = BlockedFile(tmp_path / "second")
    sink = apart(file, required=True)
    house = houses(own_sink(tmp_path), sink)
    house.open()
    house.deliver()
    file.gate.clear()
    waits(sink, TIMEOUT_S)
    assert house.refused(r"has not answered for 0\.2 s") >= TIMEOUT_S
    waits(sink, PATIENCE_S)
    assert sum(house.refused("has not answered") for _ in range(20)) < PATIENCE_S
    file.gate.set()
    until(lambda: house.sinks.states()[1].lag == 0)
    house.deliver()
    check_holds(tmp_path / "second", house.log, unharmed=True)


def test_a_volume_that_blocks_while_opening_does_not_hold_up_the_start(
    tmp_path: Path, houses: Houses
) -> None:
    file = BlockedFile(tmp_path / "second")
    file.gate.clear()
    sink = apart(file, timeout_s=TIMEOUT_S)
    house = houses(sink)
    started = time.monotonic()
    assert house.open() == []
    assert TIMEOUT_S <= time.monotonic() - started < PATIENCE_S
    until(lambda: file.tried == 1)  # before there is an event
    waits(sink, PATIENCE_S)
    assert house.deliver() < PATIENCE_S
    file.gate.set()
    until(lambda: house.sinks.states()[0].size == 1)
    assert [change.reason for change in house.sinks.changes()] == ["new"]
    assert house.sinks.changes() == []


def test_a_required_volume_that_blocks_while_opening_refuses_the_start(
    tmp_path: Path, houses: Houses
) -> None:
    file = BlockedFile(tmp_path / "second")
    file.gate.clear()
    sink = apart(file, required=True, timeout_s=TIMEOUT_S)
    house = houses(sink)
    with pytest.raises(StartRefused, match="has not answered .* Check its volume"):
        house.open()
    waits(sink, PATIENCE_S)
    file.gate.set()


def test_a_required_directory_that_is_missing_refuses_the_start(
    tmp_path: Path, houses: Houses
) -> None:
    house = houses(apart(FileSink(tmp_path / "volume" / "x"), required=True))
    with pytest.raises(StartRefused, match="Make it, or mount its volume"):
        house.open()
    assert not (tmp_path / "volume").exists()


def test_an_optional_volume_that_is_mounted_later_is_filled_without_being_asked(
    tmp_path: Path, houses: Houses
) -> None:
    house = houses(apart(FileSink(tmp_path / "volume" / "x")))
    assert house.open() == []
    assert house.deliver(3) < PATIENCE_S
    assert "mount its volume" in house.sinks.states()[0].why
    (tmp_path / "volume").mkdir()
    until(lambda: house.sinks.states()[0].ok)
    check_holds(tmp_path / "volume" / "x", house.log, unharmed=True)
    assert [change.reason for change in house.sinks.changes()] == ["missing"]


def test_an_absent_volume_is_tried_at_most_once_in_a_while(tmp_path: Path, houses: Houses) -> None:
    file = BlockedFile(tmp_path / "volume" / "x")
    sink = Apart("second", file, required=False, timeout_s=PATIENCE_S, retry_s=600)
    house = houses(sink)
    house.open()
    assert sum(house.deliver() for _ in range(100)) < PATIENCE_S
    assert file.tried == 1


def test_an_unmounted_volume_that_comes_back_is_checked_and_caught_up(
    tmp_path: Path, houses: Houses
) -> None:
    (tmp_path / "volume").mkdir()
    house = houses(apart(FileSink(tmp_path / "volume" / "x"), required=True))
    house.open()
    house.deliver()
    (tmp_path / "volume").rename(tmp_path / "away")
    house.refused("was deleted or moved away")
    house.refused("moved away|mount its volume")
    shutil.copytree(tmp_path / "away", tmp_path / "copied")
    (tmp_path / "copied").rename(tmp_path / "volume")  # at once, as a volume is mounted
    until(lambda: house.sinks.states()[0].lag == 0)
    house.deliver()
    check_holds(tmp_path / "volume" / "x", house.log, unharmed=True)
    assert house.sinks.changes() == []


def test_a_deleted_second_copy_is_told_made_again_and_recorded(
    tmp_path: Path, houses: Houses
) -> None:
    house = houses(apart(FileSink(tmp_path / "x"), required=True))
    house.open()
    house.deliver(2)
    (tmp_path / "x").unlink()
    house.refused("was deleted")
    until(lambda: house.sinks.states()[0].ok)
    assert [(change.reason, change.had) for change in house.sinks.changes()] == [("missing", 0)]
    check_holds(tmp_path / "x", house.log, unharmed=True)


def test_keys_that_came_later_are_trusted_when_a_sink_is_opened_anew(
    tmp_path: Path, houses: Houses
) -> None:
    file = BlockedFile(tmp_path / "x")
    house = houses(apart(file, required=True))
    house.open()
    house.deliver()
    rotated = MemoryLog(house.log.all_bodies)
    house.sinks.trust([house.log.key, rotated.key])
    house.log = rotated
    house.deliver()
    (tmp_path / "x").rename(tmp_path / "y")
    file.gate.clear()  # it is not opened anew before it is back
    house.refused("moved away")
    (tmp_path / "y").rename(tmp_path / "x")
    file.gate.set()
    until(lambda: house.sinks.states()[0].lag == 0)
    house.deliver()


class FullFile(FileSink):
    def _write(self, data: memoryview) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_only_the_servers_own_full_volume_is_named_so_that_its_reserve_helps(
    tmp_path: Path, houses: Houses
) -> None:
    reasons = []
    for sink in (
        Inline("own", FullFile(tmp_path / "own")),
        apart(FullFile(tmp_path / "second"), required=True),
    ):
        house = houses(sink)
        house.open()
        with pytest.raises(AuditUnavailable, match="its volume is full") as refused:
            house.deliver()
        assert refused.value.details["sink"] == sink.name
        reasons.append(refused.value.details["reason"])
    assert reasons == ["ENOSPC", ""]


def test_a_database_that_cannot_be_read_is_the_sinks_failure_not_its_end(
    tmp_path: Path, houses: Houses
) -> None:
    house = houses(apart(FileSink(tmp_path / "x"), required=True))
    house.open()
    log = house.log.grow(1)

    def broken(first: int, last: int) -> list[bytes]:
        raise RuntimeError("no database")

    with pytest.raises(AuditUnavailable, match=r"could not be given the events \(RuntimeError\)"):
        house.sinks.deliver(size=1, note=log.note(), bodies=broken)
    until(lambda: "RuntimeError" in house.sinks.states()[0].why)
    until(lambda: _delivers(house))
    check_holds(tmp_path / "x", house.log, unharmed=True)


def _delivers(house: House) -> bool:
    try:
        house.deliver()
    except AuditUnavailable:
        return False
    return True


def test_a_thread_that_is_stuck_does_not_keep_the_server_from_stopping(tmp_path: Path) -> None:
    file = BlockedFile(tmp_path / "x")
    sink = apart(file)
    log = MemoryLog().grow(1)
    sink.open(Known(log.size, log.root_at, (log.key,)))
    file.gate.clear()
    sink.begin(Delivery(log.size, log.note(), log.bodies))
    waits(sink, TIMEOUT_S)
    started = time.monotonic()
    sink.close()
    assert time.monotonic() - started < PATIENCE_S  # its volume does not answer for twice as long
    file.gate.set()
    until(lambda: not sink._thread.is_alive())
