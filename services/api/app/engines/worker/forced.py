"""Calls that a grammar forces, told as they come.

They are one JSON list of `{"name": ..., "arguments": {...}}`. Arguments are handed on as they are
written, because the grammar sees to it that they will be complete and valid.
"""

import json
import re
from abc import ABC, abstractmethod

from app.domain.generation import CallArguments, CallBegun, Delta, Piece
from app.engines.worker.calls import new_call_id
from app.engines.worker.voice import Channels, PlainText

_HEAD = re.compile(
    r'\s*\}?\s*[\[,]\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)*")\s*,\s*"arguments"\s*:\s*(?=\{)'
)
_STEP = {"{": 1, "[": 1, "}": -1, "]": -1}


class _AfterThinking(ABC):
    """`before` tells apart what comes first: thinking. Its content is what the grammar holds."""

    pending = False

    def __init__(self, before: Channels) -> None:
        self._before = before
        self._text = ""
        self._tokens = 0

    @property
    def reasoning_tokens(self) -> int:
        return self._before.reasoning_tokens

    def feed(self, text: str, tokens: int) -> list[Piece]:
        return self._told(self._before.feed(text, tokens))

    def flush(self) -> list[Piece]:
        return self._told(self._before.flush())

    @abstractmethod
    def _content(self, content: Delta) -> list[Piece]: ...

    def _told(self, pieces: list[Piece]) -> list[Piece]:
        told: list[Piece] = []
        for piece in pieces:
            told += self._content(piece) if isinstance(piece, Delta) else [piece]
        return told


class ForcedCalls(_AfterThinking):
    """What is left at the end is the list around the calls, which no client asked for."""

    calling = False

    def __init__(self, before: Channels) -> None:
        super().__init__(before)
        self._arguments = _JsonValue()
        self._inside = False
        self.calls = 0

    def _content(self, content: Delta) -> list[Piece]:
        self._text += content.text
        self._tokens += content.tokens
        return self._read()

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


class AnswerOrCalls(_AfterThinking):
    """The model chooses: what begins with `marker` is calls. One that was cut short is nothing."""

    calling = True

    def __init__(self, before: Channels, marker: str) -> None:
        super().__init__(before)
        self._marker = marker
        self._chosen: Channels | None = None

    @property
    def calls(self) -> int:
        return self._chosen.calls if self._chosen is not None else 0

    def flush(self) -> list[Piece]:
        pieces = super().flush()
        return pieces + (self._chosen.flush() if self._chosen is not None else [])

    def _content(self, content: Delta) -> list[Piece]:
        if self._chosen is not None:
            return self._chosen.feed(content.text, content.tokens)
        self._text += content.text
        self._tokens += content.tokens
        begun, marker = self._text.lstrip(), self._marker  # some tokenizers put a space before it
        if marker.startswith(begun) and begun != marker:
            return []
        calls = begun.startswith(marker)
        self._chosen = ForcedCalls(PlainText()) if calls else PlainText()
        said = begun.removeprefix(marker) if calls else self._text
        return self._chosen.feed(said, self._tokens)


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
