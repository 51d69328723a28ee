"""The only place that lays out what a person decides by: lines, marks, grouped hashes. Pure.

Everything but headings is indented, and only headings written here begin a line.
"""

import re
from typing import Final

from app.authority.approvals.untrusted import clean, columns, name, oddities
from app.authority.approvals.wording import in_words

_SHORT: Final = 16
_REASON: Final = 1000


def grouped(digest: str) -> str:
    """A digest in groups of four, to be compared by eye or read out."""
    return " ".join(digest[i : i + 4] for i in range(0, len(digest), 4))


def continued(typed: str, width: int) -> list[str]:
    """One line in as many as it takes: as in a shell, a backslash at the end says it goes on."""
    lines: list[str] = []
    line = "  "
    for piece in re.findall(r"\S+ *| +", typed):
        if columns(line + piece) >= width and line != "  ":
            lines.append(f"{line}\\")
            line = "  "
        for char in piece:
            if columns(line + char) >= width:
                lines.append(f"{line}\\")
                line = "  "
            line += char
    return [*lines, line]


class Page:
    """Lines so far. Everything but headings is indented."""

    def __init__(self, width: int, whole: bool) -> None:
        self.width = width
        self.whole = whole
        self.lines: list[str] = []

    def heading(self, text: str) -> None:
        self.lines += folded(text, self.width, first="", rest="  ")

    def say(self, text: str, *, indent: int = 2) -> None:
        self.lines += folded(text, self.width, first=" " * indent, rest=" " * (indent + 2))

    def named(self, label: str, value: object) -> None:
        self.say(f"{clean(label).replace('_', ' ')}: {in_words(label, value)}")

    def name(self, before: str, text: str, *, indent: int = 2) -> None:
        """A name of others, and below it what is odd about it."""
        self.say(f"{before}{name(text)}", indent=indent)
        for oddity in oddities(text):
            self.say(f"CAREFUL: this name {oddity}.", indent=indent + 2)

    def quoted(self, text: str) -> None:
        """Words of others: every line of them is marked, and there are not many."""
        words = clean(text)
        self.lines += folded(words[:_REASON], self.width, first="  | ", rest="  | ")
        if len(words) > _REASON:
            self.say(f"({len(words) - _REASON:,} more characters)")

    def digest(self, text: object, *, indent: int = 4) -> None:
        digest = clean(str(text))
        if self.whole:
            self.say(grouped(digest), indent=indent)
        else:
            self.say(grouped(digest[:_SHORT]) + (" ..." if digest[_SHORT:] else ""), indent=indent)


def folded(text: str, width: int, *, first: str, rest: str) -> list[str]:
    """`text` in lines of at most `width` columns; a word that is longer than one is broken."""
    lines: list[str] = []
    line, empty = first, True
    for word in re.findall(r"\S+| {2,}", text):
        gap = "" if empty or word.isspace() else " "
        if columns(line + gap + word) <= width:
            line += gap + word
            empty = False
            continue
        if not empty and columns(rest + word) <= width:
            lines.append(line.rstrip())
            line, empty = rest + word.lstrip(), False
            continue
        line, empty = line + gap, False
        for char in word:
            if columns(line + char) > width:
                lines.append(line.rstrip())
                line = rest
            line += char
    return [*lines, line.rstrip()]
