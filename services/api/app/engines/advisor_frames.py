"""Reads what an advisor's process writes. Nothing that it says is believed, only noted. Pure."""

import json
from dataclasses import dataclass, field
from typing import Any, Final

from app.domain.advice.contained import Tried, Wall
from app.domain.advice.frames import Answer, Question

MOST_TRIED: Final = 20
_LONGEST: Final = 200
_MOST_TOKENS: Final = 32_768
_MOST_UNTOLD: Final = 10**9
_DEEPEST: Final = 32
_MOST_NAMED: Final = 50


class Garbage(Exception):
    """A line that is none of those that a child writes."""


def shown(text: str, most: int = _LONGEST) -> str:
    """Cut short, and without anything that a terminal obeys or an eye does not see."""
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in cut)


@dataclass(slots=True)
class Heard:
    """Everything that a child has said so far. `ended`: None until it has said that it is done."""

    walls: tuple[Wall, ...] | None = None
    proposals: list[bytes] = field(default_factory=list)
    report: bytes | None = None
    described: tuple[tuple[str, str, str], ...] = ()
    tried: list[Tried] = field(default_factory=list)
    untold: int = 0
    questions: int = 0
    ended: str | None = None

    def take(self, line: bytes) -> Question | None:
        """Note one line; a question is handed back. Raises Garbage."""
        frame = _read(line)
        kind, said = next(iter(frame.items()))
        if (kind == "walls") != (self.walls is None):
            # Said once, before any code of an advisor's has run: never believed afterwards.
            raise Garbage("it spoke of its walls out of turn")
        try:
            return self._note(kind, said)
        except (KeyError, TypeError, ValueError) as error:
            why = shown(f"a frame {shown(kind, 40)!r} that is not whole: {error!r}")
            raise Garbage(why) from None

    def _note(self, kind: str, said: Any) -> Question | None:
        if kind == "proposal":
            self.proposals.append(_object(said))
        elif kind == "question":
            self.questions += 1
            return _question(said)
        elif kind == "tried":
            self.note_tried(_text(said["what"]), _text(said["which"]))
        elif kind == "untold":
            self.untold += _count(said)
        elif kind == "walls":
            self.walls = tuple(
                Wall(_text(w["name"]), _yes(w["stands"]), _text(w["why"])) for w in said
            )
        elif kind == "report":
            self.report = _object(said)
        elif kind == "described":
            self.described = tuple((_text(n), _text(a), _text(s)) for n, a, s in said[:_MOST_NAMED])
        elif kind == "done":
            self.ended = _text(said["ended"])
        else:
            raise ValueError("there is no such frame")
        return None

    def note_tried(self, what: str, which: str) -> None:
        """After the first MOST_TRIED, counted only."""
        if len(self.tried) < MOST_TRIED:
            self.tried.append(Tried(shown(what, 40), shown(which)))
        else:
            self.untold += 1

    def all_tried(self, ours: list[Tried]) -> tuple[Tried, ...]:
        """What it told, how much more, and what the host itself put an end to."""
        more = [Tried("more", f"{self.untold} more attempts")] if self.untold else []
        return (*self.tried, *more, *ours)


def answered(answer: Answer) -> bytes:
    said = {"text": answer.text, "why": answer.why}
    return json.dumps({"answer": said}).encode() + b"\n"


def _read(line: bytes) -> dict[str, Any]:
    try:
        frame = json.loads(line.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Garbage(shown(line[:80].decode("utf-8", "backslashreplace"))) from None
    if not isinstance(frame, dict) or len(frame) != 1:
        raise Garbage(shown(line[:80].decode("utf-8", "backslashreplace")))
    if _is_deeper(frame, _DEEPEST):
        raise Garbage(f"nested more than {_DEEPEST} deep")
    return frame


def _is_deeper(value: Any, most: int) -> bool:
    """Level by level: whoever reads this later may do so by recursion."""
    level = [value]
    for _ in range(most):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
    return bool(level)


def _no_number(said: str) -> Any:
    raise ValueError(f"{said} is no number")


def _object(said: Any) -> bytes:
    if not isinstance(said, dict):
        raise TypeError("not an object")
    return json.dumps(said, separators=(",", ":"), allow_nan=False).encode()


def _question(said: Any) -> Question:
    schema, tokens = said["schema"], said["max_tokens"]
    if not isinstance(schema, dict) or type(tokens) is not int or not 0 < tokens <= _MOST_TOKENS:
        raise TypeError("not a question")
    if not isinstance(said["prompt"], str):
        raise TypeError("not a question")
    # A number like 1e999, or half of a character, would fail further on, in who looks for answers.
    json.dumps(said, allow_nan=False, ensure_ascii=False).encode()
    return Question(prompt=said["prompt"], schema=schema, max_tokens=tokens)


def _text(said: Any) -> str:
    if not isinstance(said, str):
        raise TypeError("not a text")
    return shown(said, 2 * _LONGEST + 100)


def _count(said: Any) -> int:
    if type(said) is not int or not 0 < said < _MOST_UNTOLD:
        raise TypeError("not a count")
    return said


def _yes(said: Any) -> bool:
    if not isinstance(said, bool):
        raise TypeError("neither true nor false")
    return said
