"""Writes that fail, power that fails, and what the file says afterwards."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.ledger.sinks import file as file_module
from app.authority.ledger.sinks import tail as tail_module
from app.authority.ledger.sinks.comparing import change_of
from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.values import Delivery, SinkFailed
from app.evidence.sink_lines import LineKind
from tests.fakes.log import MemoryLog
from tests.unit.ledger.test_sinks_file import check_holds, contents, delivery, known, opened


class FailingSink(FileSink):
    """Fails as told: after so many bytes of a write, or when it syncs."""

    after: int | None = None
    sync_fails = False
    error = errno.EIO

    def _write(self, data: memoryview) -> int:
        if self.after is None:
            return super()._write(data)
        if self.after == 0:
            raise OSError(self.error, os.strerror(self.error))
        written = super()._write(data[: self.after])
        self.after -= written
        return written

    def _sync(self) -> None:
        if self.sync_fails:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        super()._sync()


unsynced = patch.object(file_module, "sync_data", lambda _: None)
"""For tests that write thousands of files and cut the power to none."""


@unsynced
def test_a_cut_at_any_byte_of_a_group_is_mended_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(2)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    whole_before = path.stat().st_size
    sink.deliver(delivery(log.grow(2, "é" * 20)))
    sink.close()
    written = path.read_bytes()
    missing = delivery(log.grow(1))
    for end in range(whole_before, len(written)):
        path.unlink()
        path.write_bytes(written[:end])
        sink = opened(path, log)
        assert sink.size == 2, end
        sink.deliver(missing)
        sink.close()
        check_holds(path, log)


@unsynced
@given(
    groups=st.lists(st.integers(1, 3), min_size=1, max_size=4),
    fractions=st.lists(st.floats(0, 1), min_size=1, max_size=4),
)
def test_cuts_after_cuts_lose_nothing(
    tmp_path_factory: pytest.TempPathFactory, groups: list[int], fractions: list[float]
) -> None:
    path = tmp_path_factory.mktemp("sink") / "events.jsonl"
    log = MemoryLog()
    for count in groups:
        log.grow(count, "x" * count)
        sink = opened(path, log)
        before = path.stat().st_size
        for fraction in fractions:
            sink.deliver(delivery(log))
            sink.close()
            os.truncate(path, before + round((path.stat().st_size - before) * fraction))
            sink = opened(path, log)
        sink.deliver(delivery(log))
        sink.close()
        check_holds(path, log)


@unsynced
def test_a_write_that_fails_after_any_byte_is_repeated_by_the_next(tmp_path: Path) -> None:
    log = MemoryLog().grow(2)
    length = sum(map(len, log.all_bodies)) + 2
    for after in range(length + 300):
        path = tmp_path / f"{after}.jsonl"
        log = MemoryLog(log.all_bodies[:2], log.private)
        sink = FailingSink(path)
        sink.open(known(log))
        sink.after = after
        try:
            sink.deliver(delivery(log))
        except SinkFailed as error:
            assert "its volume reports errors" in str(error)  # noqa: PT017
            assert sink.size == 0
        sink.after = None
        sink.deliver(delivery(log.grow(1)))
        assert sink.size == 3
        check_holds(path, log)
        sink.close()


def test_no_query_is_open_while_the_file_is_written(tmp_path: Path) -> None:
    """A volume that blocks would otherwise hold a reader of the database for as long."""
    log = MemoryLog().grow(1000)
    reading = False

    def bodies(first: int, last: int) -> Iterator[bytes]:
        nonlocal reading
        reading = True
        yield from log.bodies(first, last)
        reading = False

    class WatchingSink(FileSink):
        def _write(self, data: memoryview) -> int:
            assert not reading
            return super()._write(data)

    sink = WatchingSink(tmp_path / "events.jsonl")
    sink.open(known(log))
    sink.deliver(Delivery(log.size, log.note(), bodies))
    check_holds(sink.path, log, unharmed=True)
    sink.close()


def test_writes_that_come_short_are_continued(tmp_path: Path) -> None:
    class ShortSink(FileSink):
        def _write(self, data: memoryview) -> int:
            return super()._write(data[:7])

    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(3)
    sink = ShortSink(path)
    sink.open(known(log))
    sink.deliver(delivery(log))
    check_holds(path, log, unharmed=True)
    sink.close()


def test_what_was_written_but_not_synced_is_written_again(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(2)
    sink = FailingSink(path)
    sink.open(known(log))
    sink.sync_fails = True
    for _ in range(2):
        with pytest.raises(SinkFailed, match="its volume reports errors"):
            sink.deliver(delivery(log))
    sink.sync_fails = False
    sink.deliver(delivery(log))
    check_holds(path, log)
    repeated = [line.number for line in contents(path) if line.kind is LineKind.REPEATED]
    assert repeated == [1, 2, 1, 2]
    sink.close()


def test_somebody_elses_bytes_show_even_after_a_write_of_ours_failed(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(1)
    sink = FailingSink(path)
    sink.open(known(log))
    sink.after = 10
    with pytest.raises(SinkFailed):
        sink.deliver(delivery(log))
    sink.after = None
    with path.open("ab") as file:
        file.write(b"!")
    with pytest.raises(SinkFailed, match="written to by somebody else.* 1 more"):
        sink.deliver(delivery(log))
    sink.close()


def test_a_long_copy_that_fails_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_module, "SYNCED_BYTES", 4096)
    monkeypatch.setattr(file_module, "_BATCH", 3)
    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(100)
    sink = FailingSink(path)
    sink.open(known(log))
    sink.after = 20_000
    with pytest.raises(SinkFailed):
        sink.deliver(delivery(log))
    sink.after = None
    sink.deliver(delivery(log))
    check_holds(path, log)
    repeated = sum(line.kind is LineKind.REPEATED for line in contents(path))
    assert repeated <= 4096 // len(log.all_bodies[0]) + 3
    sink.close()


def test_a_long_copy_that_was_killed_goes_on_after_a_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file_module, "SYNCED_BYTES", 4096)
    monkeypatch.setattr(file_module, "_BATCH", 3)
    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(100)
    sink = FailingSink(path)
    sink.open(known(log))
    sink.after = 20_000
    with pytest.raises(SinkFailed):
        sink.deliver(delivery(log))
    sink.close()
    log.asked.clear()
    sink = opened(path, log)
    sink.deliver(delivery(log))
    confirmed, rest, *_ = log.asked
    assert confirmed[0] == 1
    assert rest[0] == confirmed[1] + 1 > 30
    check_holds(path, log)
    sink.close()


@pytest.mark.parametrize("spoilt", ["first event", "last event", "checkpoint", "everything"])
def test_pages_that_a_power_failure_left_empty_are_written_again(
    tmp_path: Path, spoilt: str
) -> None:
    """The size reached the disk, and some of the newest group's pages did not."""
    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(2)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    before = path.stat().st_size
    sink.deliver(delivery(log.grow(3, "long" * 50)))
    sink.close()
    written = path.read_bytes()
    length = len(log.all_bodies[-1]) + 1
    start, end = {
        "first event": (before + 50, before + length - 50),
        "last event": (before + 2 * length + 10, before + 3 * length - 1),
        "checkpoint": (before + 3 * length - 5, before + 3 * length + 60),
        "everything": (before, len(written)),
    }[spoilt]
    path.write_bytes(written[:start] + bytes(end - start) + written[end:])
    sink = FileSink(path)
    found = sink.open(known(log))
    assert sink.size == 2
    change = change_of("own", path, found, known(log), required=True)
    assert change is not None
    sink.deliver(delivery(log))
    lines = contents(path)
    events = [line.content for line in lines if line.kind is LineKind.EVENT]
    assert events == log.all_bodies
    assert lines[-1].kind is LineKind.CHECKPOINT
    assert lines[-1].number == log.size
    sink.close()


def test_lines_that_were_added_while_the_server_was_away_are_told_and_skipped(
    tmp_path: Path,
) -> None:
    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(2)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    sink.close()
    with path.open("ab") as file:
        file.write(b"hello\n")
    sink = FileSink(path)
    change = change_of("own", path, sink.open(known(log)), known(log), required=True)
    assert change is not None
    assert (change.reason, change.had) == ("damaged", 2)
    sink.deliver(delivery(log.grow(1)))
    sink.close()
    kinds = [line.kind for line in contents(path)]
    event, checkpoint, damaged = LineKind.EVENT, LineKind.CHECKPOINT, LineKind.DAMAGED
    assert kinds == [event, event, checkpoint, damaged, event, checkpoint]


def test_what_opening_finds_is_told_for_the_ledger_to_record(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = MemoryLog()

    def found(*, required: bool = True) -> object:
        sink = FileSink(path)
        change = change_of("own", path, sink.open(known(log)), known(log), required=required)
        sink.close()
        return change and (change.reason, change.had)

    assert found() == ("new", 0)
    path.unlink()
    log.grow(5)
    assert found() == ("missing", 0)
    assert found() == ("missing", 0), "an empty file is no copy either"
    sink = opened(path, log)
    sink.deliver(delivery(log))
    sink.close()
    assert found() is None
    log.grow(1)
    assert found() == ("behind", 5)
    assert found(required=False) is None


def test_only_the_end_of_a_large_file_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "events.jsonl"
    log = MemoryLog().grow(2)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    log.grow(1, "y" * 1000)
    sink.deliver(delivery(log))
    sink.deliver(delivery(log.grow(1)))
    sink.close()
    small = path.read_bytes()
    read_from: list[int] = []

    def pread(descriptor: int, length: int, offset: int) -> bytes:
        read_from.append(offset)
        return os_pread(descriptor, length, offset)

    os_pread = os.pread
    monkeypatch.setattr(tail_module.os, "pread", pread)
    hole = 1 << 30  # sparse: a gigabyte of it costs nothing but to read
    with path.open("wb") as file:
        file.seek(hole)
        file.write(b"\n" + small)
    sink = opened(path, log)
    assert sink.size == 4
    assert min(read_from) > hole - (1 << 20)
    sink.close()
