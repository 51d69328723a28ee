"""Calls that a grammar forces, told as they come.

They are one JSON list of `{"name": ..., "arguments": {...}}`. Arguments are handed on as they are
written, because the grammar sees to it that they will be complete and valid.
"""

import json
import re

from app.domain.generation import CallArguments, CallBegun, Delta, Piece
from app.engines.worker.calls import new_call_id
from app.engines.worker.voice import Channels, PlainText

_HEAD = re.compile(
    r'\s*\}?\s*[\[,]\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)'
)
_STEP = {"{": 1, "[": 1, "}": -1, "]": -1}


class ForcedCalls:
    """`before` tells apart what comes before the calls: thinking. Its content is the calls."""

    def __init__(self, before: Channels) -> None:
        self._before = before
        self._text = ""
        self._tokens = 0
        self._arguments = _JsonValue()
        self._inside = False
        self.calls = 0

    pending = False
    calling = False

    @property
    def reasoning_tokens(self) -> int:
        return self._before.reasoning_tokens

    def feed(self, text: str, tokens: int) -> list[Piece]:
        return self._told(self._before.feed(text, tokens))

    def flush(self) -> list[Piece]:
        """What is left is the list around the calls, which no client asked for: never content."""
        pieces = self._told(self._before.flush())
        self._text = ""
        return pieces

    def _told(self, pieces: list[Piece]) -> list[Piece]:
        told: list[Piece] = []
        for piece in pieces:
            if isinstance(piece, Delta):
                self._text += piece.text
                self._tokens += piece.tokens
                told += self._read()
            else:
                told.append(piece)
        return told

    def _read(self) -> list[Piece]:
        told: list[Piece] = []
        while True:
            if not self._inside:
                head = _HEAD.match(self._text)
                if head is None:
                    return told
                self._text = self._text[head.end() :]
                self._inside, self._arguments = True, _JsonValue()
                name = json.loads(head.group(1))
                told.append(CallBegun(self.calls, new_call_id(), name))
                self.calls += 1
            said = self._arguments.take(self._text)
            self._text = self._text[len(said) :]
            if said:
                told.append(CallArguments(self.calls - 1, said, self._spent()))
            if not self._arguments.complete:
                return told
            self._inside = False

    def _spent(self) -> int:
        tokens, self._tokens = self._tokens, 0
        return tokens


class AnswerOrCalls:
    """The answer of a grammar that lets the model choose: what begins with `marker` is calls."""

    pending = False
    calling = True

    def __init__(self, before: Channels, marker: str) -> None:
        self._before = before
        self._marker = marker
        self._first = ""  # what may still be the beginning of the marker
        self._tokens = 0
        self._after: Channels | None = None

    @property
    def calls(self) -> int:
        return self._after.calls if self._after is not None else 0

    @property
    def reasoning_tokens(self) -> int:
        return self._before.reasoning_tokens

    def feed(self, text: str, tokens: int) -> list[Piece]:
        return self._told(self._before.feed(text, tokens))

    def flush(self) -> list[Piece]:
        """A marker that was cut short is no content."""
        pieces = self._told(self._before.flush())
        return pieces + (self._after.flush() if self._after is not None else [])

    def _told(self, pieces: list[Piece]) -> list[Piece]:
        told: list[Piece] = []
        for piece in pieces:
            if not isinstance(piece, Delta):
                told.append(piece)
            elif self._after is not None:
                told += self._after.feed(piece.text, piece.tokens)
            else:
                self._first += piece.text
                self._tokens += piece.tokens
                told += self._chosen()
        return told

    def _chosen(self) -> list[Piece]:
        """Once it is clear which it is."""
        begun, marker = self._first.lstrip(), self._marker  # some tokenizers put a space before it
        if marker.startswith(begun) and begun != marker:
            return []
        text, self._first = self._first, ""
        if not begun.startswith(marker):
            self._after = PlainText()
            return self._after.feed(text, self._tokens)
        self._after = ForcedCalls(PlainText())
        return self._after.feed(begun.removeprefix(marker), self._tokens)


class _JsonValue:
    """Finds where an object ends that comes in pieces."""

    def __init__(self) -> None:
        self._depth = 0
        self._string = self._escaped = False
        self.complete = False

    def take(self, text: str) -> str:
        """As much of the text as belongs to the object."""
        for place, character in enumerate(text):
            if self._string:
                self._in_string(character)
                continue
            self._string = character == '"'
            self._depth += _STEP.get(character, 0)
            if self._depth == 0:
                self.complete = True
                return text[: place + 1]
        return text

    def _in_string(self, character: str) -> None:
        if self._escaped:
            self._escaped = False
        elif character == "\\":
            self._escaped = True
        elif character == '"':
            self._string = False
