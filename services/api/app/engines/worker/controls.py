"""Keeps what people write from becoming control tokens: `<|im_end|>` in a message is only text.

Before messages are rendered, a mark (one character that occurs nowhere) is put wherever a control
token could begin or end in them. In the rendered prompt a control token with a mark inside was
written, or completed, by a message, and the text is split at the mark: neither half is the token.
All other control tokens are the template's own. So text is tokenized as ever where no message holds
such a string, also when two fields make one together.
"""

import re
import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any

Edit = Callable[[str], str]

_FIRST_PRIVATE, _PRIVATE_CHARACTERS = 0xF0000, 65_000
_NAME = re.compile(r"[\w.-]*")


@dataclass(frozen=True, slots=True)
class Marking:
    """Where marks go: after a control token's first character, before its last, or both."""

    first: bool
    last: bool


MARKINGS = (
    Marking(first=True, last=True),
    Marking(first=False, last=True),
    Marking(first=True, last=False),
)
"""In the order in which they are tried: a template may look at what a mark takes apart."""


class Controls:
    """The control tokens of one model. `own` may stand in what the model itself said earlier."""

    def __init__(self, tokens: Iterable[str], own: Iterable[str] = ()) -> None:
        # A token of one character cannot be taken apart.
        self._tokens = sorted({token for token in tokens if len(token) > 1})
        self._own = tuple(own)
        self._firsts = frozenset(token[0] for token in self._tokens)
        self._lasts = frozenset(token[-1] for token in self._tokens)
        self._ends = _any_of(self._firsts | self._lasts)
        self._names = [token for token in self._tokens if _NAME.fullmatch(token)]

    def may_be_in(self, asked: Any) -> bool:
        """Whether any text in `asked` could hold a control token, or a part of one."""
        return bool(self._tokens) and any(self._ends.search(text) for text in texts_in(asked))

    def apart(self, text: str) -> list[str]:
        """The pieces of a text that holds no control token of its own, as `split` gives them."""
        if not self.may_be_in(text):
            return [text]
        cuts = {at + 1 for token in self._tokens for at in _occurrences(token, text)}
        return [text[a:b] for a, b in pairwise([0, *sorted(cuts), len(text)])]

    def marked(self, asked: Mapping[str, Any], marking: Marking, mark: str) -> dict[str, Any]:
        """The variables of a template with marks in every text."""
        edit = self._edit(marking, mark, ())
        made = {name: edited(value, edit) for name, value in asked.items() if name != "messages"}
        spared = self._edit(marking, mark, self._own)
        made["messages"] = [
            edited(message, spared if message.get("role") == "assistant" else edit)
            for message in asked["messages"]
        ]
        return made

    def split(self, rendered: str, mark: str) -> list[str]:
        """The pieces that are tokenized each by itself. Joined, they are the text without marks."""
        text, places = _without(mark, rendered)
        if not places or not self._tokens:
            return [text]
        cuts: set[int] = set()
        for token in self._tokens:
            for begin in _occurrences(token, text):
                inside = slice(bisect_right(places, begin), bisect_left(places, begin + len(token)))
                cuts.update(places[inside])
        edges = [0, *sorted(cuts), len(text)]
        return [text[a:b] for a, b in pairwise(edges)]

    def _edit(self, marking: Marking, mark: str, spared: tuple[str, ...]) -> Edit:
        first = _any_of(self._firsts if marking.first else ())
        last = _any_of(self._lasts if marking.last else ())
        keep = re.compile(f"({'|'.join(map(re.escape, spared))})") if spared else None

        def put(text: str) -> str:
            if _NAME.fullmatch(text) and not any(token in text for token in self._names):
                return text  # roles, types and names of fields, which templates compare
            if keep is None:
                return _put(text)
            return "".join(
                part if number % 2 else _put(part) for number, part in enumerate(keep.split(text))
            )

        def _put(text: str) -> str:
            text = first.sub(lambda found: found.group() + mark, text)
            return last.sub(lambda found: mark + found.group(), text)

        return put


def new_mark(asked: Any, *others: str) -> str:
    """A character that is in none of the texts."""
    texts = [*texts_in(asked), *others]
    while True:
        mark = chr(_FIRST_PRIVATE + secrets.randbelow(_PRIVATE_CHARACTERS))
        if not any(mark in text for text in texts):
            return mark


def texts_in(value: Any) -> Iterable[str]:
    """Every text in a JSON value, keys too."""
    match value:
        case str():
            yield value
        case Mapping():
            for key, inner in value.items():
                yield str(key)
                yield from texts_in(inner)
        case Sequence():
            for inner in value:
                yield from texts_in(inner)


def edited(value: Any, edit: Edit) -> Any:
    """The JSON value with every text in it edited, keys too."""
    match value:
        case str():
            return edit(value)
        case Mapping():
            return {edit(str(key)): edited(inner, edit) for key, inner in value.items()}
        case Sequence():
            return [edited(inner, edit) for inner in value]
    return value


@lru_cache(maxsize=64)
def _pattern(characters: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(f"[{''.join(map(re.escape, characters))}]" if characters else r"(?!)")


def _any_of(characters: Iterable[str]) -> re.Pattern[str]:
    return _pattern(tuple(sorted(characters)))


def _occurrences(token: str, text: str) -> Iterable[int]:
    at = text.find(token)
    while at >= 0:
        yield at
        at = text.find(token, at + 1)


def _without(mark: str, text: str) -> tuple[str, list[int]]:
    """The text without marks, and where in it they were."""
    parts = text.split(mark)
    places, at = [], 0
    for part in parts[:-1]:
        at += len(part)
        places.append(at)
    return "".join(parts), places
