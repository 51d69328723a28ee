"""Tells the parts of an answer apart as its text comes: content, thinking, calls of tools.

Pieces, joined, depend on the text alone and never on where it is cut: nothing is said that could
still turn out to be the beginning of a marker. White space around thinking and calls is layout and
no content; a block that is no call of an offered tool is content as it stands.
"""

from collections.abc import Iterable
from enum import Enum, auto

from app.domain.generation import (
    NO_TOOLS,
    CallArguments,
    CallBegun,
    Delta,
    Piece,
    Reasoning,
    ToolUse,
)
from app.engines.worker.calls import calls_in, new_call_id
from app.engines.worker.markers import Markers
from app.engines.worker.stops import beginning_of


class _Part(Enum):
    CONTENT = auto()
    THINKING = auto()
    CALL = auto()
    OVER = auto()
    """After the only call that was allowed: what follows is not shown."""


class Parts:
    """The channels of a chat's answer. Calls are looked for where `use` offers tools.

    `thinking` says that the prompt ends inside a thinking.
    """

    def __init__(
        self, markers: Markers, *, use: ToolUse = NO_TOOLS, thinking: bool = False
    ) -> None:
        self._markers = markers
        self._use = use
        self.calling = use.offered
        self._part = _Part.THINKING if thinking else _Part.CONTENT
        self._text = ""
        self._tokens = 0
        self._pieces: list[Piece] = []
        self._space = ""  # before the block that is read: content, if the block is no call
        self._fresh = thinking  # nothing was said since a marker, so white space is layout
        self._may_think = markers.thinks and not thinking
        self._said = self._called = False  # any content at all; a call, since the last of it
        self._looked = 0  # up to here, the block that is read has no end
        self._last = False
        self._steps = {
            _Part.CONTENT: self._in_content,
            _Part.THINKING: self._in_thinking,
            _Part.CALL: self._in_call,
            _Part.OVER: self._in_nothing,
        }
        self.calls = 0
        self.reasoning_tokens = 0

    @property
    def pending(self) -> bool:
        if self._part is _Part.CONTENT:
            return bool(self._text.strip() if self._fresh or self._called else self._text)
        return self._part is _Part.CALL

    def feed(self, text: str, tokens: int) -> list[Piece]:
        thought = self._part is _Part.THINKING
        self._text += text
        self._tokens += tokens
        self._read()
        if thought or self._part is _Part.THINKING:
            self.reasoning_tokens += tokens
        return self._take()

    def flush(self) -> list[Piece]:
        self._last = True
        self._read()
        rest, self._text = self._text, ""
        if self._part is _Part.CONTENT:
            self._say(rest)
        elif self._part is _Part.THINKING:
            self._think(rest.rstrip())
        elif self._part is _Part.CALL and not (self._markers.form.whole and self._call(rest)):
            self._say(self._space + self._markers.call_start + rest)
        return self._take()

    def _read(self) -> None:
        """Up to where nothing more can be told apart."""
        while self._steps[self._part]():
            pass

    def _in_content(self) -> bool:
        at, marker = _first_of(self._expected(), self._text)
        if not marker:
            self._say(self._final())
            return False
        before, self._text = self._text[:at], self._text[at + len(marker) :]
        if marker == self._markers.call_start and self._use.offered:
            said = before.rstrip()
            self._space = before[len(said) :]
            self._say(said)
            self._part = _Part.CALL
        elif marker in self._markers.dropped:
            self._say(before)
        elif before.strip():  # a model thinks first; later it only writes about thinking
            self._say(before + marker)
        else:
            self._part, self._fresh, self._may_think = _Part.THINKING, True, False
        return True

    def _in_thinking(self) -> bool:
        begin, text = self._markers.think_start, self._text.lstrip()
        if self._fresh and begin.startswith(text[: len(begin)]):
            # It may say again what the template has said. White space alone waits, too.
            found = text.startswith(begin)
            self._text = text[len(begin) :] if found else self._text
            return found
        at, marker = _first_of((self._markers.think_end,), self._text)
        if not marker:
            self._think(self._final())
            return False
        self._think(self._text[:at].rstrip())
        self._text = self._text[at + len(marker) :]
        self._part, self._fresh = _Part.CONTENT, True
        return True

    def _in_call(self) -> bool:
        start, end = self._markers.call_start, self._markers.call_end
        at = self._end_of_block(end) if end else -1
        if at < 0:
            return False
        block, self._text = self._text[:at], self._text[at + len(end) :]
        self._looked = 0
        if not self._call(block):
            self._part = _Part.CONTENT
            self._say(self._space + start + block + end)
        return True

    def _in_nothing(self) -> bool:
        self._text = ""
        return False

    def _end_of_block(self, end: str) -> int:
        """Where its end marker is; one inside a text of JSON is none, unless nothing else comes."""
        at = self._text.find(end, self._looked)
        if self._markers.form.parser != "json_tools":
            return at
        while at >= 0 and _ends_in_a_string(self._text[:at]):
            self._looked = at + 1
            at = self._text.find(end, self._looked)
        return self._text.find(end) if at < 0 and self._last else at

    def _call(self, block: str) -> bool:
        """Whether the block holds calls; then they are made."""
        found = calls_in(block, self._markers.form, self._use.tools)
        for call in found if self._use.parallel else found[:1]:
            self._pieces.append(CallBegun(self.calls, new_call_id(), call.name))
            self._pieces.append(CallArguments(self.calls, call.arguments, self._spent()))
            self.calls += 1
        if found:
            self._part = _Part.CONTENT if self._use.parallel else _Part.OVER
            self._fresh, self._called = not self._said, True
            self._may_think = self._markers.thinks
        return bool(found)

    def _expected(self) -> tuple[str, ...]:
        markers = self._markers.dropped
        if self._use.offered:
            markers = (*markers, self._markers.call_start)
        return (*markers, self._markers.think_start) if self._may_think else markers

    def _final(self) -> str:
        """Takes the text without what may become a marker, or layout before one."""
        thinking = self._part is _Part.THINKING
        expected = (self._markers.think_end,) if thinking else self._expected()
        final = self._text[: len(self._text) - beginning_of(expected, self._text)].rstrip()
        self._text = self._text[len(final) :]
        return final

    def _say(self, text: str) -> None:
        text = text.lstrip() if self._fresh else text
        if text.strip() or (text and not self._called):
            self._fresh = self._called = False
            self._said = True
            self._may_think = self._may_think and not text.strip()
            self._pieces.append(Delta(text, self._spent()))

    def _think(self, text: str) -> None:
        text = text.lstrip() if self._fresh else text
        if text:
            self._fresh = False
            self._pieces.append(Reasoning(text, self._spent()))

    def _spent(self) -> int:
        """Tokens that no piece has told of."""
        tokens, self._tokens = self._tokens, 0
        return tokens

    def _take(self) -> list[Piece]:
        pieces, self._pieces = self._pieces, []
        return pieces


def _first_of(markers: Iterable[str], text: str) -> tuple[int, str]:
    """The first marker in the text and where it begins; an empty one if there is none."""
    found = [(at, marker) for marker in markers if (at := text.find(marker)) >= 0]
    return min(found, default=(-1, ""))


def _ends_in_a_string(text: str) -> bool:
    """Whether a JSON text stops inside a string."""
    inside = escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif character == "\\":
            escaped = inside
        elif character == '"':
            inside = not inside
    return inside
