"""The signer's memory survives a torn write, and whatever else was done to its file shows."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.ledger.signing.memory import MemoryFile, create
from app.authority.ledger.signing.slots import (
    MEMORY_BYTES,
    SLOT_BYTES,
    MemoryInvalid,
    Remembered,
    decode,
    encode,
    newest,
)
from app.domain.refusals import AuditUnavailable, StartRefused
from app.evidence.merkle import Frontier, leaf_hash

ORIGIN = "lmx-authority/3f0c"
KEY = "0a1b2c3d"


def grown(size: int) -> Frontier:
    return Frontier().append(leaf_hash(b"%d" % number) for number in range(size))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "signer"
    create(path, origin=ORIGIN, key_id=KEY)
    return path


@pytest.fixture
def memory(path: Path) -> Iterator[MemoryFile]:
    memory = MemoryFile.open(path)
    for size in (2, 5, 9):  # counters 2, 3, 4: the newest is in the first slot
        memory.remember(grown(size), KEY)
    yield memory
    memory.close()


def flip(path: Path, at: int, bit: int = 0) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1 << bit
    path.write_bytes(content)


def reopened(path: Path) -> Remembered:
    memory = MemoryFile.open(path)
    memory.close()
    return memory.head


# --- bytes ------------------------------------------------------------------------------------


@given(st.integers(0, 300), st.integers(0, 2**40), st.integers(0, 2**31))
def test_a_slot_says_what_was_written(size: int, counter: int, index: int) -> None:
    head = Remembered(counter, ORIGIN, KEY, grown(size), minimum_index=index, epoch=1)
    assert len(encode(head)) == SLOT_BYTES
    assert decode(encode(head)) == head


def test_a_tree_of_2_to_the_48_events_fits() -> None:
    size = 2**48 - 1
    head = Remembered(2**62, ORIGIN * 4, KEY, Frontier(size, (bytes(32),) * 48))
    assert decode(encode(head)) == head


def test_what_does_not_fit_is_an_error() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        encode(Remembered(0, "x" * SLOT_BYTES, KEY, Frontier()))


@given(st.integers(0, SLOT_BYTES * 8 - 1))
def test_no_bit_of_a_slot_can_be_flipped_unseen(bit: int) -> None:
    slot = bytearray(encode(Remembered(7, ORIGIN, KEY, grown(3))))
    slot[bit // 8] ^= 1 << bit % 8
    assert decode(bytes(slot)) is None


# --- the file ---------------------------------------------------------------------------------


def test_it_is_private_and_never_changes_its_size(path: Path, memory: MemoryFile) -> None:
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_size == MEMORY_BYTES
    assert reopened(path).frontier == grown(9)


def test_writes_go_to_the_slots_in_turn(path: Path, memory: MemoryFile) -> None:
    before = path.read_bytes()
    memory.remember(grown(10), KEY)
    after = path.read_bytes()
    assert before[:SLOT_BYTES] == after[:SLOT_BYTES]
    assert before[SLOT_BYTES:] != after[SLOT_BYTES:]


@pytest.mark.parametrize("at", [0, 63, 64, 70, 200, SLOT_BYTES - 1])
def test_a_flipped_bit_in_the_newest_slot_leaves_the_one_before(
    path: Path, memory: MemoryFile, at: int, caplog: pytest.LogCaptureFixture
) -> None:
    flip(path, at)
    opened = MemoryFile.open(path)
    assert opened.damaged
    assert opened.head.frontier == grown(5)
    opened.remember(grown(9), KEY)  # goes over the damaged slot
    opened.close()
    assert newest(path.read_bytes()) == (opened.head, False)


@pytest.mark.parametrize("at", [0, 64, 200, SLOT_BYTES - 1])
def test_a_flipped_bit_in_the_older_slot_costs_nothing(
    path: Path, memory: MemoryFile, at: int
) -> None:
    flip(path, SLOT_BYTES + at)
    assert newest(path.read_bytes()) == (memory.head, True)


def test_with_both_slots_damaged_the_start_is_refused(path: Path, memory: MemoryFile) -> None:
    flip(path, 100)
    flip(path, SLOT_BYTES + 100)
    with pytest.raises(StartRefused, match="both of its slots are damaged.*lmx backup restore"):
        MemoryFile.open(path)


@pytest.mark.parametrize("size", [0, 1, SLOT_BYTES, MEMORY_BYTES - 1, MEMORY_BYTES + 1])
def test_a_cut_or_extended_file_is_refused(path: Path, memory: MemoryFile, size: int) -> None:
    os.truncate(path, size)
    with pytest.raises(StartRefused, match="bytes instead of 8192"):
        MemoryFile.open(path)


def test_slots_of_two_times_are_refused(path: Path, memory: MemoryFile) -> None:
    old = path.read_bytes()
    for size in (10, 11, 12):
        memory.remember(grown(size), KEY)
    new = path.read_bytes()
    path.write_bytes(old[:SLOT_BYTES] + new[SLOT_BYTES:])
    with pytest.raises(StartRefused, match="not of one time"):
        MemoryFile.open(path)


def test_exchanged_slots_are_damaged_ones(path: Path, memory: MemoryFile) -> None:
    content = path.read_bytes()
    with pytest.raises(MemoryInvalid, match="both of its slots"):
        newest(content[SLOT_BYTES:] + content[:SLOT_BYTES])


# --- what stands under its name at a start ----------------------------------------------------


def test_a_symbolic_link_is_refused(path: Path, memory: MemoryFile) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    with pytest.raises(StartRefused, match="a symbolic link"):
        MemoryFile.open(path)


def test_a_hard_link_is_refused(path: Path, memory: MemoryFile) -> None:
    path.with_name("second").hardlink_to(path)
    with pytest.raises(StartRefused, match="a second name"):
        MemoryFile.open(path)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_others_may_open_is_refused(path: Path, memory: MemoryFile, mode: int) -> None:
    path.chmod(mode)
    with pytest.raises(StartRefused, match="chmod 600"):
        MemoryFile.open(path)


def test_a_pipe_is_refused_and_does_not_hang(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(StartRefused, match="not a regular file"):
        MemoryFile.open(path)


def test_a_file_of_another_account_is_refused(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: path.stat().st_uid + 1)
    with pytest.raises(StartRefused, match="another account"):
        MemoryFile.open(path)


# --- what becomes of it while it is open ------------------------------------------------------


def deleted(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    shutil.copy2(path, path.with_name("copy"))
    path.with_name("copy").replace(path)


def linked_away(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def linked_twice(path: Path) -> None:
    path.with_name("second").hardlink_to(path)


def cut(path: Path) -> None:
    os.truncate(path, SLOT_BYTES)


def opened_to_others(path: Path) -> None:
    path.chmod(0o644)


def put_back(path: Path) -> None:
    """Yesterday's bytes into the same file."""
    yesterday = encode(Remembered(2, ORIGIN, KEY, grown(2)))
    path.write_bytes(yesterday + encode(Remembered(3, ORIGIN, KEY, grown(5))))


def advanced(path: Path) -> None:
    """A second server with the same memory."""
    other = MemoryFile.open(path)
    other.remember(grown(20), KEY)
    other.remember(grown(21), KEY)
    other.close()


@pytest.mark.parametrize(
    ("act", "what"),
    [
        (deleted, "was deleted while the server ran"),
        (replaced, "was replaced by another one"),
        (linked_away, "was replaced by another one"),
        (linked_twice, "has a second name"),
        (cut, "was cut or extended"),
        (opened_to_others, "was opened to others"),
        (put_back, "was written by somebody else"),
        (advanced, "was written by somebody else"),
    ],
)
def test_what_is_done_to_the_open_file_is_noticed_before_the_next_write(
    path: Path, memory: MemoryFile, act: Callable[[Path], None], what: str
) -> None:
    head = memory.head
    act(path)
    content = path.read_bytes() if path.exists() else None
    for _ in range(2):
        with pytest.raises(AuditUnavailable, match=what) as refused:
            memory.remember(grown(10), KEY)
        assert "nothing was signed" in refused.value.message
        assert "restart the server" in refused.value.message
        assert memory.head == head
    assert (path.read_bytes() if path.exists() else None) == content


def test_a_file_that_is_put_back_under_its_name_goes_on(path: Path, memory: MemoryFile) -> None:
    path.rename(path.with_name("aside"))
    with pytest.raises(AuditUnavailable, match="was deleted"):
        memory.remember(grown(10), KEY)
    path.with_name("aside").rename(path)
    memory.remember(grown(10), KEY)
    assert reopened(path).frontier == grown(10)
