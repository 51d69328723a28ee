"""Reads YAML into plain values that remember their lines. Only what JSON can say is taken.

YAML has more than documents need, and what it has more of is read in different ways by different
programs (dates, `yes`, octal numbers) or makes a small text large (aliases). All of it is refused,
with its line. Nothing here raises but GuardrailsInvalid, whatever the text is.
"""

import math
import re
import unicodedata
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from app.authority.guardrails.document.problems import Path, Problem, Spot, Step, invalid

MAX_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 12
MAX_VALUES: Final = 20_000
MAX_NUMBER: Final = 2**53
"""Above it, floats no longer tell neighbouring integers apart."""

_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_WORDS: Final = {"null": None, "true": True, "false": False}
_BREAKS: Final = {ord("\n"): None, ord("\t"): None}
_QUICK: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_RESOLVER: Final = yaml.resolver.Resolver()


@dataclass(slots=True)
class Tree:
    """`value`: what was read. `spots`: where each key and item stands. `damaged`: paths whose value
    could not be read and was replaced by None; what follows from that is no second problem."""

    value: Any = None
    spots: dict[Path, Spot] = field(default_factory=dict)
    damaged: set[Path] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)

    def spot(self, path: Path) -> Spot:
        """Of `path`, or of the nearest thing around it that was written."""
        while path and path not in self.spots:
            path = path[:-1]
        return self.spots.get(path, Spot(1, 1))

    def is_damaged(self, path: Path) -> bool:
        return any(path[: len(each)] == each for each in self.damaged)


@dataclass(slots=True)
class _Open:
    """A mapping or list that is being read. `key`: the mapping's key that waits for its value."""

    path: Path
    into: dict[str, Any] | list[Any] | None
    key: str | None = None
    lines: dict[str, int] = field(default_factory=dict)
    repeated: bool = False


def read_tree(text: str, *, quick: bool = False) -> Tree:
    """The tree of a YAML text. Raises GuardrailsInvalid where there is no reading on.

    `quick`: with libyaml where it is there, which finds other words for what is wrong.
    """
    _refuse_unreadable(text)
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_QUICK if quick else yaml.SafeLoader):
            builder.take(event)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        spot = Spot(mark.line + 1, mark.column + 1) if mark else Spot(1, 1)
        what = " ".join(part for part in (error.context, error.problem) if part)
        builder.problem(spot, (), f"This is not YAML: {what}.")
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        spot = Spot(before.count("\n") + 1, len(before) - before.rfind("\n"))
        builder.problem(spot, (), f"Take the character U+{ord(text[error.position]):04X} out.")
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        builder.problem(Spot(1, 1), (), f"This is not YAML: {error}")
    except _Stop:
        pass
    else:
        return builder.tree
    raise invalid(builder.tree.problems)


class _Stop(Exception):
    """There is a problem after which reading on makes no sense."""


def _refuse_unreadable(text: str) -> None:
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > MAX_BYTES:
        message = f"The document has {size} bytes; make it smaller than {MAX_BYTES}."
        raise invalid([Problem(Spot(1, 1), (), message)])
    if text.translate(_BREAKS).isprintable():  # so is nothing that `is_control` finds
        return
    problems = []
    for number, line in enumerate(text.split("\n"), 1):
        for column, character in enumerate(line.removesuffix("\r"), 1):
            if is_control(character) and character != "\t":
                message = f"Take the control character U+{ord(character):04X} out."
                problems.append(Problem(Spot(number, column), (), message))
    if problems:
        raise invalid(problems)


def is_control(character: str) -> bool:
    """Whether a character shows nothing, or turns the text around it."""
    if character.isascii():
        return not character.isprintable()
    return unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"}


class _Builder:
    def __init__(self) -> None:
        self.tree = Tree()
        self._open: list[_Open] = []
        self._values = 0
        self._documents = 0

    def problem(self, spot: Spot, path: Path, message: str) -> None:
        self.tree.problems.append(Problem(spot, path, message))

    def take(self, event: Any) -> None:
        if isinstance(event, yaml.DocumentStartEvent):
            self._begin(event)
        elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
            self._open.pop()
        elif isinstance(event, yaml.NodeEvent):
            self._node(event)

    def _begin(self, event: Any) -> None:
        self._documents += 1
        if event.version or event.tags:
            self.problem(_spot(event), (), "Take the lines that begin with % out.")
        if self._documents > 1:
            self.problem(_spot(event), (), "Keep one document: take the second --- out.")
            raise _Stop

    def _node(self, event: Any) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            self.problem(_spot(event), (), f"Say it in fewer than {MAX_VALUES} keys and values.")
            raise _Stop
        around = self._open[-1] if self._open else None
        if around is not None and isinstance(around.into, dict) and around.key is None:
            self._key(around, event)
        else:
            self._value(around, event)

    def _key(self, around: _Open, event: Any) -> None:
        spot = _spot(event)
        if isinstance(event, yaml.AliasEvent) or not isinstance(event, yaml.ScalarEvent):
            self.problem(spot, around.path, "A key is a word: write this one out as text.")
            raise _Stop
        self._plainness(event, around.path)
        key = event.value
        if key == "<<" and not event.style:
            self.problem(spot, around.path, "Merge keys (<<) are not taken: write it all out.")
        elif not event.style and not isinstance(_scalar(event)[0], str):
            self.problem(spot, around.path, f"Put the key {key} in quotes.")
        if key in around.lines:
            message = f"{key} is set twice, first on line {around.lines[key]}: keep one of them."
            self.problem(spot, (*around.path, key), message)
        around.repeated = key in around.lines
        around.lines.setdefault(key, spot.line)
        around.key = key
        self.tree.spots.setdefault((*around.path, key), spot)

    def _value(self, around: _Open | None, event: Any) -> None:
        path = self._place(around)
        self.tree.spots.setdefault(path, _spot(event))
        value = self._read(event, path)
        if around is None:
            self.tree.value = value
        elif isinstance(around.into, list):
            around.into.append(value)
        elif around.into is not None and around.key is not None:
            if not around.repeated:
                around.into[around.key] = value
            around.key = None
        if isinstance(event, yaml.CollectionStartEvent):
            if len(self._open) >= MAX_DEPTH:
                self.problem(_spot(event), path, f"This is more than {MAX_DEPTH} levels deep.")
                raise _Stop
            self._open.append(_Open(path, value))

    def _place(self, around: _Open | None) -> Path:
        if around is None:
            return ()
        step: Step = len(around.into) if isinstance(around.into, list) else str(around.key)
        return (*around.path, step)

    def _read(self, event: Any, path: Path) -> Any:
        if isinstance(event, yaml.AliasEvent):
            message = f"Aliases are not taken: write out what *{event.anchor} stands for."
            self.problem(_spot(event), path, message)
            self.tree.damaged.add(path)
            return None
        self._plainness(event, path)
        if isinstance(event, yaml.MappingStartEvent):
            return {}
        if isinstance(event, yaml.SequenceStartEvent):
            return []
        value, refused = _scalar(event)
        if refused:
            self.problem(_spot(event), path, refused)
            self.tree.damaged.add(path)
        return value

    def _plainness(self, event: Any, path: Path) -> None:
        if event.anchor is not None:
            message = f"Anchors are not taken: take &{event.anchor} out."
            self.problem(_spot(event), path, message)
        if event.tag is not None:
            self.problem(_spot(event), path, f"Tags are not taken: take {event.tag} out.")


def _spot(event: Any) -> Spot:
    return Spot(event.start_mark.line + 1, event.start_mark.column + 1)


def _scalar(event: Any) -> tuple[Any, str | None]:
    """A scalar's value, and why it is refused."""
    text = event.value
    if any(is_control(character) and character != "\n" for character in text):
        return None, "Take the control characters out of this text."
    if event.style:  # libyaml says "" of what is plain
        return text, None
    if text in _WORDS or not text:
        return _WORDS.get(text), None
    if _NUMBER.fullmatch(text):
        return _number(text)
    tag = _RESOLVER.resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    if tag == "tag:yaml.org,2002:str":
        return text, None
    return None, (
        f"Put {text} in quotes if it is a text; if not, write null, true, false or a plain number: "
        "YAML readers do not agree on what it is."
    )


def _number(text: str) -> tuple[int | float | None, str | None]:
    """1.0 is 1. Digits become a float first: making an integer of them takes ever longer."""
    value = float(text)
    if not math.isfinite(value) or abs(value) > MAX_NUMBER:
        return None, f"Write a number from -{MAX_NUMBER} to {MAX_NUMBER}."
    return (int(value) if value.is_integer() else value), None
