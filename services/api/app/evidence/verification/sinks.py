"""Reads a sink's file beside the events of the database, line by line, from any event on.

A line that is the next event's body is all there is to see in a file that nobody touched; what else
a line can be, and how a file goes on after a failed write, says `app.evidence.sink_lines`.
"""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final

from app.evidence.sink_lines import CHECKPOINT_START, CUT_OFF, MAX_LINE_BYTES, LineKind, read
from app.evidence.verification.quick import EventRow

_NEAR: Final = 64 * 1024


class Odd(StrEnum):
    """How a sink's line is not what belongs there."""

    OTHER = "other"
    """It names this event and says something else."""
    ALTERED = "altered"
    """It stands in this event's place and is none."""
    MISSING = "missing"
    EXTRA = "extra"
    """It stands before this event and does not belong there."""


@dataclass(frozen=True, slots=True)
class SinkPart:
    """A sink's file up to the end of its last whole line. `last`: the last event's number there."""

    path: str
    length: int
    last: int
    unfinished: bool = False


@dataclass(slots=True)
class Seen:
    """What a range of a sink's lines came to."""

    odd: list[tuple[int, Odd]] = field(default_factory=list)
    notes: list[tuple[int, bytes]] = field(default_factory=list)
    """(events before it, the line)"""


def measured(path: Path) -> SinkPart:
    """Return how far the file reaches now; raises OSError."""
    with path.open("rb") as file:
        length = file.seek(0, os.SEEK_END)
        whole = _end_of_lines(file, length)
        return SinkPart(str(path), whole, _last_number(file, whole), unfinished=whole < length)


class SinkReader:
    """The lines from event `first` on. `body_at` gives the database's body of an earlier event."""

    def __init__(self, part: SinkPart, first: int, body_at: Callable[[int], bytes | None]) -> None:
        self._file = Path(part.path).open("rb", buffering=1 << 18)  # noqa: SIM115 - closed below
        self._length = part.length
        self._body_at = body_at
        self._cut = False
        self._waiting: bytes | None = None
        self._at = 0 if first == 1 else _found(self._file, part.length, first)
        self._file.seek(self._at)
        self._line = self._read()
        self.seen = Seen()

    def close(self) -> None:
        self._file.close()

    def expect(self, events: Sequence[EventRow]) -> list[int]:
        """Go past these events; return those that a checkpoint follows (in `seen.notes`)."""
        followed, notes, readline = [], self.seen.notes, self._file.readline
        for seq, _, body, _ in events:
            if self._line == body + b"\n":
                if self._waiting is None and self._at < self._length:  # as `_read` does
                    self._line = readline(MAX_LINE_BYTES)
                    self._at += len(self._line)
                else:
                    self._line = self._read()
            elif self._line or self._waiting:
                self._search(seq, body)
            if self._line.startswith(CHECKPOINT_START):
                before = len(notes)
                while self._line.startswith(CHECKPOINT_START):
                    self._checkpoint(seq)
                if len(notes) > before:
                    followed.append(seq)
        return followed

    def finish(self, last: int) -> None:
        """Look at what stands behind event `last`, up to an event of a higher number."""
        while self._line:
            number = _number(self._line)
            if number is not None and number > last:
                return
            if not self._harmless(last + 1):
                self.seen.odd.append((last, Odd.EXTRA))
            self._line = self._read()

    def _search(self, seq: int, body: bytes) -> None:
        wanted = body + b"\n"
        while self._line:
            if self._line == wanted:
                self._line = self._read()
                return
            if self._line.startswith(CHECKPOINT_START):
                self._checkpoint(seq - 1)
                continue
            if self._harmless(seq):
                self._line = self._read()
                continue
            odd = self._judged(seq)
            self.seen.odd.append((seq, odd))
            if odd is Odd.MISSING:
                return
            self._line = self._read()
            if odd is not Odd.EXTRA:
                return

    def _judged(self, seq: int) -> Odd:
        """The line behind this one tells whether a line was changed, put in or taken out."""
        number, behind = _number(self._line), _number(self._peek())
        if number == seq:
            return Odd.OTHER
        if behind == seq:
            return Odd.EXTRA
        if number is not None and number > seq and behind != seq + 1:
            return Odd.MISSING
        return Odd.ALTERED

    def _harmless(self, seq: int) -> bool:
        """What a failed write left: its mark, and the events that were then written again."""
        if self._line.endswith(CUT_OFF):
            self._cut = True
            return True
        number = _number(self._line)
        repeated = self._cut and number is not None and 0 < number < seq
        return repeated and self._body_at(number or 0) == self._line[:-1]

    def _checkpoint(self, after: int) -> None:
        if self._line.endswith(CUT_OFF):
            self._cut = True
        else:
            self.seen.notes.append((after, self._line))
        self._line = self._read()

    def _read(self) -> bytes:
        if self._waiting is not None:
            line, self._waiting = self._waiting, None
            return line
        if self._at >= self._length:
            return b""
        line = self._file.readline(MAX_LINE_BYTES)
        self._at += len(line)
        return line

    def _peek(self) -> bytes:
        if self._waiting is None:
            self._waiting = self._read()
        return self._waiting


def _number(line: bytes) -> int | None:
    """Return an event's number, or the number that follows a checkpoint; None for other lines."""
    found = next(read(io.BytesIO(line), first=None), None)
    if found is None or found.kind not in (LineKind.EVENT, LineKind.CHECKPOINT):
        return None
    return found.number + (found.kind is LineKind.CHECKPOINT)


def _found(file: BinaryIO, length: int, first: int) -> int:
    """Return where event `first` begins. A file that was tampered with is read from its start."""
    low, high = 0, length
    while high - low > _NEAR:
        middle = (low + high) // 2
        file.seek(middle)
        at = middle + len(file.readline(MAX_LINE_BYTES))
        number, at = _event_from(file, at, high)
        if number is None or number >= first:
            high = middle
        else:
            low = at
    before, found, at = _walk(file, low, length, first)
    if found == first and before == first - 1:
        return at
    return _walk(file, 0, length, first)[2]


def _event_from(file: BinaryIO, at: int, end: int) -> tuple[int | None, int]:
    """Return number and place of the first event at `at` or behind it, None from `end` on."""
    file.seek(at)
    while at < end:
        line = file.readline(MAX_LINE_BYTES)
        if not line.startswith(CHECKPOINT_START) and (number := _number(line)) is not None:
            return number, at
        at += len(line)
    return None, at


def _walk(file: BinaryIO, at: int, length: int, first: int) -> tuple[int | None, int | None, int]:
    """Return the event before the first one that is not below `first`, that one, and its place."""
    before: int | None = None
    while True:
        number, at = _event_from(file, at, length)
        if number is None or number >= first:
            return before, number, at
        before = number
        at += len(_line_at(file, at))


def _line_at(file: BinaryIO, at: int) -> bytes:
    file.seek(at)
    return file.readline(MAX_LINE_BYTES)


def _end_of_lines(file: BinaryIO, length: int) -> int:
    start = max(0, length - 2 * MAX_LINE_BYTES)
    file.seek(start)
    newline = file.read(length - start).rfind(b"\n")
    return start + newline + 1 if newline >= 0 else start


def _last_number(file: BinaryIO, length: int) -> int:
    """Return the last event's number, 0 where there is none to be seen."""
    start = max(0, length - 4 * MAX_LINE_BYTES)
    file.seek(start)
    lines = file.read(length - start).split(b"\n")[1 if start else 0 : -1]
    for line in reversed(lines):
        number = None if line.startswith(CHECKPOINT_START) else _number(line + b"\n")
        if number is not None:
            return number
    return 0
