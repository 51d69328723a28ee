"""The only place that says how a sink's file reads: events, checkpoints, and what a failure left.

One line is one event, its canonical bytes as they are (RFC 8785 has no raw newline), or one
checkpoint, `{"checkpoint":"<note>"}`, over all events before it. A sink is never shortened: a line
that a failed write cut off is ended with CUT_OFF, and what it would have said is written again.

So a reader takes events by their number. The next one counts, one that it has had already is
repeated, and any other line is damaged. A checkpoint counts when it covers exactly the events that
were read. None of this trusts the file: whoever verifies hashes the events and checks the notes.
"""

import json
from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple, Protocol

CUT_OFF: Final = b" (cut off)\n"
CHECKPOINT_START: Final = b'{"checkpoint":"'
MAX_LINE_BYTES: Final = 256 * 1024
"""More than any event, and more than the largest note with its newlines escaped."""

_EVENT_START: Final = b'{"actor":'
_SEQ: Final = b',"seq":'
_AFTER_SEQ: Final = b',"subject":'


class LineKind(StrEnum):
    EVENT = "event"
    CHECKPOINT = "checkpoint"
    REPEATED = "repeated"
    """An event that was read before: written again after a failure. The first one counts."""
    CUT_OFF = "cut off"
    """A failed write's remainder, marked by the writer. Harmless."""
    UNFINISHED = "unfinished"
    """The last line, without its newline: being written, or cut off and not yet continued."""
    DAMAGED = "damaged"


class Line(NamedTuple):
    """One line: `number` is an event's seq or a checkpoint's size, else 0."""

    kind: LineKind
    offset: int
    content: bytes = b""
    """An event's body, or a checkpoint's note."""
    number: int = 0
    why: str = ""


_EVENT: Final = LineKind.EVENT
_COUNTED: Final = (LineKind.EVENT, LineKind.CHECKPOINT)


class Lines(Protocol):
    """A binary file, as far as it is read here."""

    def readline(self, size: int, /) -> bytes: ...


def event_line(body: bytes) -> bytes:
    return body + b"\n"


def checkpoint_line(note: str) -> bytes:
    encoded = json.dumps({"checkpoint": note}, ensure_ascii=False, separators=(",", ":"))
    return encoded.encode() + b"\n"


def note_of(line: bytes) -> str | None:
    """Return the note of a whole checkpoint line, None for any other line."""
    if not line.startswith(CHECKPOINT_START) or not line.endswith(b'"}\n'):
        return None
    parsed = _json(line)
    note = parsed.get("checkpoint") if isinstance(parsed, dict) and len(parsed) == 1 else None
    return note if isinstance(note, str) else None


def read(file: Lines, *, first: int | None = 1, at: int = 0) -> Iterator[Line]:
    """Read on from offset `at`, where event `first` is next; None takes the first event's number.

    Streams, and holds one line. Every event comes once and in order, whatever else is in the file.
    """
    offset, expected = at, first
    while line := file.readline(MAX_LINE_BYTES):
        length = len(line)
        if expected is not None and _is_event(line, expected):
            yield Line(_EVENT, offset, line[:-1], expected)
            expected += 1
            offset += length
            continue
        if line.endswith(b"\n"):
            found = _found(line, offset, expected)
        elif length < MAX_LINE_BYTES:
            yield Line(LineKind.UNFINISHED, offset, why="it ends inside a line")
            return
        else:
            length += _skip(file)
            found = Line(LineKind.DAMAGED, offset, why="a line is longer than any event")
        if found.kind in _COUNTED:
            expected = found.number + 1
        yield found
        offset += length


def _is_event(line: bytes, seq: int) -> bool:
    """Whether a line is this very event. Nearly all are, and it takes a third of the time.

    Only the subject, the time and the version follow a canonical body's number, and no string holds
    an unescaped quote: so the last `,"seq":` is the event's own.
    """
    at = line.rfind(_SEQ)
    return (
        at > 0
        and line.startswith(b"%d%b" % (seq, _AFTER_SEQ), at + len(_SEQ))
        and line.endswith(b"}\n")
        and line.startswith(_EVENT_START)
        and line.find(0) < 0
    )


def _found(line: bytes, offset: int, expected: int | None) -> Line:
    if line.endswith(CUT_OFF):
        return Line(LineKind.CUT_OFF, offset)
    if line.startswith(CHECKPOINT_START):
        return _checkpoint(line, offset, expected)
    return _event(line, offset, expected)


def _event(line: bytes, offset: int, expected: int | None) -> Line:
    body = line[:-1]
    seq = _seq(body)
    if seq is None:
        return Line(LineKind.DAMAGED, offset, why="a line is neither an event nor a checkpoint")
    if expected is None or seq == expected:
        return Line(LineKind.EVENT, offset, body, seq)
    if seq < expected:
        return Line(LineKind.REPEATED, offset, body, seq)
    return Line(LineKind.DAMAGED, offset, why=f"event {seq} stands where event {expected} belongs")


def _checkpoint(line: bytes, offset: int, expected: int | None) -> Line:
    note = note_of(line)
    size = _size(note or "")
    if note is None or size is None:
        return Line(LineKind.DAMAGED, offset, why="a checkpoint is not whole")
    if expected is not None and size != expected - 1:
        why = f"a checkpoint over {size} events stands after event {expected - 1}"
        return Line(LineKind.DAMAGED, offset, why=why)
    return Line(LineKind.CHECKPOINT, offset, note.encode(), size)


def _seq(body: bytes) -> int | None:
    """Return a whole event's number, None for anything else."""
    parsed = _json(body)
    seq = parsed.get("seq") if isinstance(parsed, dict) else None
    return seq if isinstance(seq, int) and not isinstance(seq, bool) else None


def _size(note: str) -> int | None:
    lines = note.split("\n", 2)
    digits = lines[1] if len(lines) == 3 else ""
    return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 20 else None


def _json(encoded: bytes) -> object:
    try:
        return json.loads(encoded)
    except (ValueError, RecursionError):
        return None


def _skip(file: Lines) -> int:
    """Read to the end of a line; return how many bytes that were."""
    skipped = 0
    while part := file.readline(MAX_LINE_BYTES):
        skipped += len(part)
        if part.endswith(b"\n"):
            break
    return skipped
