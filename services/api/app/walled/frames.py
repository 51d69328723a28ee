"""What is read and written: one JSON object a line, on standard input and output."""

import json
import os
import sys
from collections.abc import Sequence
from typing import Any

from app.domain.advice.contained import Wall
from app.domain.advice.frames import Answer

_LONGEST_SAID = 500


class Pipes:
    """Bound to the two pipes before anything else runs in this process."""

    def __init__(self) -> None:
        self._source = sys.stdin.buffer
        self._write = os.write
        self._dumps = json.JSONEncoder(allow_nan=False, separators=(",", ":")).encode

    def order(self) -> dict[str, Any]:
        """Raises ValueError where it is none."""
        read = json.loads(self._source.readline())
        if not isinstance(read, dict):
            raise ValueError("the order is not an object")
        return read

    def answer(self) -> Answer:
        """To the question that was just written. Raises EOFError where nobody is left to answer."""
        line = self._source.readline()
        if not line:
            raise EOFError("nobody is left to answer")
        said = json.loads(line)["answer"]
        return Answer(text=said["text"], why=said["why"])

    def tell(self, kind: str, what: Any) -> None:
        """Raises OSError where nobody reads, TypeError and ValueError where it is not JSON."""
        rest = memoryview(self._dumps({kind: what}).encode() + b"\n")
        while rest:
            rest = rest[self._write(1, rest) :]

    def tell_tried(self, what: str, which: str) -> None:
        self.tell("tried", {"what": what, "which": which})

    def tell_walls(self, walls: Sequence[Wall]) -> None:
        self.tell("walls", [{"name": w.name, "stands": w.stands, "why": w.why} for w in walls])

    def tell_done(self, ended: str) -> None:
        """And wait until whoever reads has taken note: then nothing more is said."""
        sys.stdout.flush()  # an advisor that prints is to be heard
        self.tell("done", {"ended": ended[:_LONGEST_SAID]})
        self._source.read()
