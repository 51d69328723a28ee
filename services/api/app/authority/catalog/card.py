"""What the card beside a model claims of its licence: the front matter of its README, nothing else.

No YAML is parsed: one line at the left edge counts, where it is alone and says a plain name or a
list of them. Whatever else stands there is no claim that could be told apart from another.
"""

import re
from collections.abc import Iterable
from itertools import takewhile
from typing import Final

from app.domain.licences import claimed

NAME: Final = "README.md"
MOST_BYTES: Final = 64 << 10
"""Of a card, read from its beginning: the front matter of real ones is a few thousand bytes."""

_EDGE: Final = "---"
_KEY: Final = "license:"
_COMMENT: Final = re.compile(r"\s#.*$")
_ITEM: Final = re.compile(r"\s*-\s+(.+)")
_NOTHING: Final = frozenset({"", "~", "null", "Null", "NULL"})


def licence_of(card: bytes) -> str:
    """The claim of a card that begins with `card`; empty where there is none that can be read."""
    front = _front(card[:MOST_BYTES])
    found = [at for at, line in enumerate(front) if line.startswith(_KEY)]
    if len(found) != 1:
        return ""
    said, rest = front[found[0]].removeprefix(_KEY), front[found[0] + 1 :]
    below = list(takewhile(_is_inside, rest))
    if said and not said[0].isspace():  # "license:mit" is no key with a value
        return ""
    value = _bare(said)
    if value:
        return "" if below else claimed(_flow(value))
    items = [_ITEM.fullmatch(line) for line in below]
    return claimed([_scalar(_bare(item[1])) if item else "" for item in items]) if items else ""


def _front(card: bytes) -> list[str]:
    """The lines between the two edges; none where the second is not there."""
    lines = [line.rstrip() for line in card.decode("utf-8-sig", "replace").split("\n")]
    if lines[0] != _EDGE or _EDGE not in lines[1:]:
        return []
    return lines[1 : lines.index(_EDGE, 1)]


def _is_inside(line: str) -> bool:
    """Whether a line goes on with what the key before it says."""
    return bool(line) and (line[0].isspace() or line.startswith("- "))


def _bare(text: str) -> str:
    return _COMMENT.sub("", text).strip()


def _flow(value: str) -> Iterable[str]:
    """`[mit, isc]`, or one name."""
    if value.startswith("[") and value.endswith("]"):
        return [_scalar(part.strip()) for part in value[1:-1].split(",")]
    return [_scalar(value)]


def _scalar(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return "" if value in _NOTHING else value
