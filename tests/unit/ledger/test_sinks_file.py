"""One sink's file: what it holds, and what somebody did to it while the server ran."""

import json
import os
from pathlib import Path

import pytest

from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.values import Delivery, Known, SinkContradicts, SinkFailed
from app.evidence.checkpoints import SignedCheckpoint
from app.evidence.sink_lines import Line, LineKind, read
from tests.fakes.log import MemoryLog


def known(log: MemoryLog) -> Known:
    return Known(log.size, log.root_at, (log.key,))


def delivery(log: MemoryLog) -> Delivery:
    return Delivery(log.size, log.note(), log.bodies)


def opened(path: Path, log: MemoryLog) -> FileSink:
    sink = FileSink(path)
    sink.open(known(log))
    return sink


def contents(path: Path) -> list[Line]:
    with path.open("rb") as file:
        return list(read(file))


def check_holds(path: Path, log: MemoryLog, *, unharmed: bool = False) -> None:
    """Every event once and in order, every checkpoint true, and the newest one over all."""
    lines = contents(path)
    events = [line.content for line in lines if line.kind is LineKind.EVENT]
    assert events == log.all_bodies
    notes = [line.content for line in lines if line.kind is LineKind.CHECKPOINT]
    for note in notes:
        checkpoint = SignedCheckpoint.parse(note, log.key).checkpoint
        assert checkpoint.root == log.root_at(checkpoint.size)
    assert SignedCheckpoint.parse(notes[-1], log.key).checkpoint.size == log.size
    assert lines[-1].kind is LineKind.CHECKPOINT
    for line in lines:
        assert line.kind is not LineKind.DAMAGED
        if line.kind is LineKind.REPEATED:
            assert line.content == log.all_bodies[line.number - 1]
    if unharmed:
        assert {line.kind for line in lines} <= {LineKind.EVENT, LineKind.CHECKPOINT}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "events.jsonl"


def test_bodies_stand_there_as_they_are_and_a_checkpoint_follows_each_group(path: Path) -> None:
    log = MemoryLog()
    sink = opened(path, log)
    sink.deliver(delivery(log.grow(3)))
    sink.deliver(delivery(log.grow(1, "\n\u2028\x00 é")))
    lines = path.read_bytes().split(b"\n")
    assert [*lines[:3], lines[4]] == log.all_bodies
    assert json.loads(lines[5]) == {"checkpoint": str(log.note())}
    assert lines[6:] == [b""]
    assert sink.size == 4
    check_holds(path, log, unharmed=True)
    sink.close()


def test_the_file_is_private_and_a_wider_one_is_closed(path: Path) -> None:
    log = MemoryLog().grow(1)
    sink = opened(path, log)
    assert path.stat().st_mode & 0o777 == 0o600
    sink.deliver(delivery(log))
    sink.close()
    path.chmod(0o644)
    opened(path, log).close()
    assert path.stat().st_mode & 0o777 == 0o600


def test_the_same_note_again_writes_nothing_and_a_new_note_is_kept(path: Path) -> None:
    log = MemoryLog().grow(2)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    before = path.read_bytes()
    sink.deliver(delivery(log))
    assert path.read_bytes() == before
    sink.close()
    sink = opened(path, log)
    sink.deliver(delivery(log))
    assert path.read_bytes() == before
    witness = log.note().signatures[0]
    sink.deliver(Delivery(log.size, log.note().add(witness), log.bodies))
    assert path.read_bytes().count(b'{"checkpoint"') == 2
    sink.close()


def test_only_what_is_missing_is_asked_of_the_database(path: Path) -> None:
    log = MemoryLog().grow(5)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    sink.deliver(delivery(log.grow(2)))
    sink.close()
    sink = opened(path, log)
    sink.deliver(delivery(log.grow(1)))
    assert log.asked == [(1, 5), (6, 7), (8, 8)]
    check_holds(path, log, unharmed=True)
    sink.close()


def test_ten_thousand_events_that_a_new_file_lacks_are_copied_in_one_delivery(path: Path) -> None:
    log = MemoryLog().grow(10_000)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    check_holds(path, log, unharmed=True)
    sink.close()
    sink = opened(path, log)
    assert sink.size == 10_000
    sink.deliver(delivery(log.grow(1)))
    check_holds(path, log, unharmed=True)
    sink.close()


def unlink(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.write_bytes(path.with_name("away").read_bytes())


def link_away(path: Path) -> None:
    path.rename(path.with_name("away"))
    path.symlink_to(path.with_name("away"))


def hard_link(path: Path) -> None:
    os.link(path, path.with_name("second"))


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def empty(path: Path) -> None:
    os.truncate(path, 0)


def write_to(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"\n")


def directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def move_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("attack", "named"),
    [
        (unlink, "was deleted"),
        (replace, "was replaced by another file"),
        (link_away, "was replaced by a symbolic link"),
        (hard_link, r"has 2 names \(hard links\)"),
        (truncate, "was shortened from"),
        (empty, "to 0 bytes by somebody else"),
        (write_to, "was written to by somebody else.* 1 more"),
        (directory, "was replaced by a directory"),
        (pipe, "was replaced by a device, pipe or socket"),
        (move_directory, "was deleted or moved away"),
    ],
)
def test_what_somebody_did_to_the_file_is_named_at_the_next_append(
    tmp_path: Path, attack: object, named: str
) -> None:
    (tmp_path / "home").mkdir()
    path = tmp_path / "home" / "events.jsonl"
    log = MemoryLog().grow(2)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    attack(path)  # type: ignore[operator]
    for _ in range(2):
        with pytest.raises(SinkFailed, match=named):
            sink.deliver(delivery(log.grow(1)))
    with pytest.raises(SinkFailed, match=named):
        sink.deliver(delivery(log))
    assert sink.size == 2
    sink.close()


def test_the_file_put_back_is_good_again(path: Path) -> None:
    log = MemoryLog().grow(2)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    path.rename(path.with_name("away"))
    with pytest.raises(SinkFailed, match="moved away"):
        sink.deliver(delivery(log.grow(1)))
    path.with_name("away").rename(path)
    sink.deliver(delivery(log.grow(1)))
    check_holds(path, log, unharmed=True)
    sink.close()


@pytest.mark.parametrize(
    ("attack", "named"),
    [
        (link_away, "symbolic link is in its place"),
        (hard_link, r"has 2 names"),
        (directory, "directory is in its place"),
        (pipe, "not a file is in its place"),
    ],
)
def test_what_is_not_a_file_of_its_own_is_not_opened(
    path: Path, attack: object, named: str
) -> None:
    log = MemoryLog().grow(2)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    sink.close()
    attack(path)  # type: ignore[operator]
    with pytest.raises(SinkFailed, match=named):
        FileSink(path).open(known(log))


def test_a_pipe_that_somebody_reads_is_not_opened_either(path: Path) -> None:
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(SinkFailed, match="not a file"):
            FileSink(path).open(known(MemoryLog()))
    finally:
        os.close(reader)


def test_a_directory_that_is_not_there_is_never_made(tmp_path: Path) -> None:
    absent = tmp_path / "volume" / "events.jsonl"
    with pytest.raises(SinkFailed, match="mount its volume"):
        FileSink(absent).open(known(MemoryLog()))
    assert not absent.parent.exists()


def test_a_database_rolled_back_behind_the_sink_is_refused_with_both_sizes(path: Path) -> None:
    log = MemoryLog().grow(9)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    sink.close()
    yesterday = MemoryLog(log.all_bodies[:4], log.private)
    with pytest.raises(SinkContradicts, match="holds 9 events, the database 4"):
        FileSink(path).open(known(yesterday))


def test_events_behind_the_last_checkpoint_count_in_a_rollback_too(path: Path) -> None:
    log = MemoryLog().grow(4)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    sink.close()
    path.write_bytes(path.read_bytes() + MemoryLog().grow(6).all_bodies[4] + b"\n")
    with pytest.raises(SinkContradicts, match="holds 5 events, the database 4"):
        FileSink(path).open(known(log))


def test_a_database_rewritten_with_fresh_hashes_is_refused(path: Path) -> None:
    log = MemoryLog().grow(5)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    sink.close()
    other = MemoryLog([], log.private).grow(8, "another history")
    with pytest.raises(SinkContradicts, match="over 5 events.* 8 have another root"):
        FileSink(path).open(known(other))


def test_a_sink_of_another_key_is_refused(path: Path) -> None:
    log = MemoryLog().grow(5)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    sink.close()
    forged = MemoryLog(list(log.all_bodies))
    with pytest.raises(SinkContradicts, match="not this log's"):
        FileSink(path).open(known(forged))


def test_other_events_behind_the_last_checkpoint_are_not_adopted(path: Path) -> None:
    log = MemoryLog().grow(4)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    sink.close()
    forged = MemoryLog().grow(5, "forged").all_bodies[4]
    path.write_bytes(path.read_bytes() + forged + b"\n")
    sink = opened(path, log.grow(1))
    for _ in range(2):
        with pytest.raises(SinkContradicts, match="other events than the database after event 4"):
            sink.deliver(delivery(log))
    sink.close()


def test_a_database_that_goes_back_while_the_server_runs_is_refused(path: Path) -> None:
    log = MemoryLog().grow(4)
    sink = opened(path, log)
    sink.deliver(delivery(log))
    with pytest.raises(SinkContradicts, match="holds 4 events and is given 3"):
        sink.deliver(Delivery(3, log.note(3), log.bodies))
    with pytest.raises(SinkFailed, match="was given 0 of the events 5 to 6"):
        sink.deliver(Delivery(6, log.note(), log.bodies))
    sink.close()
