"""The line format: what a reader takes for an event, and what it says about the rest."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.evidence.sink_lines import (
    CUT_OFF,
    MAX_LINE_BYTES,
    Line,
    LineKind,
    checkpoint_line,
    event_line,
    note_of,
    read,
)
from tests.fakes.log import MemoryLog, event_body

_FIVE = [event_body(seq) for seq in range(1, 6)]
_NOTE = str(MemoryLog(_FIVE[:3]).note())


def lines(*parts: bytes, first: int | None = 1) -> list[Line]:
    return list(read(io.BytesIO(b"".join(parts)), first=first))


def kinds(*parts: bytes, first: int | None = 1) -> list[str]:
    return [line.kind.value for line in lines(*parts, first=first)]


def test_events_and_checkpoints_come_with_their_bytes_numbers_and_offsets() -> None:
    first, second, checkpoint = lines(
        event_line(_FIVE[0]),
        event_line(_FIVE[1]),
        checkpoint_line(str(MemoryLog(_FIVE[:2]).note())),
    )
    assert first == Line(LineKind.EVENT, 0, _FIVE[0], 1)
    assert second == Line(LineKind.EVENT, len(_FIVE[0]) + 1, _FIVE[1], 2)
    assert (checkpoint.kind, checkpoint.number) == (LineKind.CHECKPOINT, 2)
    assert checkpoint.content.decode().startswith("lmx-authority/0000\n2\n")


@given(st.text())
def test_any_note_is_one_line_and_comes_back(note: str) -> None:
    encoded = note.encode("utf-8", "ignore").decode()
    line = checkpoint_line(encoded)
    assert line.count(b"\n") == 1
    assert note_of(line) == encoded
    assert json.loads(line) == {"checkpoint": encoded}


@given(st.integers(1, 2**50), st.text())
def test_an_events_number_is_its_own_whatever_its_strings_and_data_say(seq: int, text: str) -> None:
    body = event_body(seq, text.encode("utf-8", "ignore").decode() + '","seq":9,"subject":"')
    (line,) = lines(event_line(body), first=None)
    assert line == Line(LineKind.EVENT, 0, body, seq)


def test_an_event_that_came_before_is_repeated_and_one_too_early_is_damage() -> None:
    found = [event_line(body) for body in _FIVE]
    assert kinds(found[0], found[1], found[0], found[1], found[2]) == [
        "event",
        "event",
        "repeated",
        "repeated",
        "event",
    ]
    assert kinds(found[0], found[2], found[1]) == ["event", "damaged", "event"]
    assert "event 3 stands where event 2 belongs" in lines(found[0], found[2])[1].why


@pytest.mark.parametrize("cut", [1, 50, len(_FIVE[0]) - 1, len(_FIVE[0])])
def test_a_line_that_was_cut_off_and_marked_is_harmless_at_any_length(cut: int) -> None:
    body = _FIVE[0]
    assert kinds(body[:cut], CUT_OFF, event_line(body)) == ["cut off", "event"]
    assert kinds(body[:cut], b" (cut", CUT_OFF, event_line(body)) == ["cut off", "event"]


def test_a_checkpoint_that_was_cut_off_is_harmless() -> None:
    line = checkpoint_line(_NOTE)
    for cut in range(len(line)):
        before = [event_line(body) for body in _FIVE[:3]]
        assert kinds(*before, line[:cut], CUT_OFF, line)[3:] == ["cut off", "checkpoint"]


def test_the_last_line_without_its_end_is_unfinished() -> None:
    assert kinds(event_line(_FIVE[0]), _FIVE[1]) == ["event", "unfinished"]


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"hello\n",
        b"{}\n",
        b"[1]\n",
        b'{"seq":"1"}\n',
        b'{"seq":true}\n',
        bytes(40) + b"\n",
        _FIVE[0][:20] + bytes(4) + _FIVE[0][24:] + b"\n",
        _FIVE[0][:-10] + b"\n",
        b'{"checkpoint":"x"}\n',
        b'{"checkpoint":"x\\n-1\\n"}\n',
        b'{"checkpoint":"x\\n0\\n","more":1}\n',
        b'{"checkpoint":"x\\n0\\n\n',
        b"[" * 100_000 + b"\n",
        b"x" * (MAX_LINE_BYTES * 3) + b"\n",
    ],
)
def test_anything_else_is_damage_and_reading_goes_on(line: bytes) -> None:
    first, second, third = lines(event_line(_FIVE[0]), line, event_line(_FIVE[1]))
    assert (first.kind, second.kind, third.kind) == (
        LineKind.EVENT,
        LineKind.DAMAGED,
        LineKind.EVENT,
    )
    assert second.why
    assert third.offset == len(_FIVE[0]) + 1 + len(line)


def test_a_checkpoint_over_other_than_the_events_before_it_does_not_count() -> None:
    line = checkpoint_line(_NOTE)
    found = lines(event_line(_FIVE[0]), line)
    assert found[1].kind is LineKind.DAMAGED
    assert "over 3 events stands after event 1" in found[1].why
    assert kinds(line, event_line(_FIVE[3]), first=None) == ["checkpoint", "event"]


@given(st.lists(st.binary(max_size=40) | st.sampled_from([*_FIVE, b"\n", CUT_OFF])))
def test_no_bytes_break_the_reader(parts: list[bytes]) -> None:
    found = lines(*parts)
    events = [line.number for line in found if line.kind is LineKind.EVENT]
    assert events == list(range(1, len(events) + 1))
    assert [line.offset for line in found] == sorted({line.offset for line in found})
