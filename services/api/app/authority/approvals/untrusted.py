r"""The only place that cleans text of others before a person decides by it. Pure.

What could move the cursor, reorder words or hide some of them is shown as an escape such as
`\u202e` and never silently taken away: what was hidden is seen, and texts that differ look
different. A backslash is doubled, so that nothing can pass for an escape that is not one.
"""

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RIGHT_TO_LEFT: Final = frozenset({"R", "AL", "AN"})
_MARKS: Final = frozenset({"Mn", "Me"})
_MARKS_IN_A_ROW: Final = 2
"""More of them on one letter would be drawn over the lines around it."""

# Invisible, or a blank that is not one, though Unicode files them under letters, marks and symbols.
_BLANK_RANGES: Final = (
    (0x034F, 0x034F),
    (0x115F, 0x1160),
    (0x17B4, 0x17B5),
    (0x180B, 0x180F),
    (0x2800, 0x2800),
    (0x3164, 0x3164),
    (0xFE00, 0xFE0F),
    (0xFFA0, 0xFFA0),
    (0x16FE4, 0x16FE4),
    (0x1D159, 0x1D159),
    (0xE0000, 0xE0FFF),
)
_BLANKS: Final = frozenset(
    chr(code) for first, last in _BLANK_RANGES for code in range(first, last + 1)
)
_BLANKS_AROUND: Final = re.compile(r"^ | $| {2}")
_NAMED: Final = 5
"""How many odd letters of a name are listed."""


def clean(text: str) -> str:
    """`text` on one line, every character of it to be seen: prose, in any script."""
    if "\\" not in text and not any(map(_needs_care, set(text))):
        return text
    return "".join(_shown(text, _hides))


def name(text: str) -> str:
    """As `clean`, for what stands between other words: right-to-left letters are escapes too."""
    if text.isascii():
        return clean(text)
    return "".join(_shown(text, lambda char: _hides(char) or _turns(char)))


def is_blank(text: str) -> bool:
    """Whether nobody can see anything of it."""
    return all(char == " " or _hides(char) for char in text)


def oddities(text: str) -> tuple[str, ...]:
    """Why a name may not be the one that it looks like, in words; empty when nothing is odd."""
    found: list[str] = []
    letters = [char for char in text if char.isalpha()]
    scripts = sorted({_script(char) for char in letters})
    foreign = sorted({char for char in letters if not char.isascii()})
    if len(scripts) > 1:
        found.append(f"mixes letters of {' and '.join(scripts)}")
    if foreign:
        listed = ", ".join(f"U+{ord(char):04X}" for char in foreign[:_NAMED])
        more = f" and {len(foreign) - _NAMED} more" if len(foreign) > _NAMED else ""
        found.append(f"has letters that are not ASCII: {listed}{more}")
    if any(map(_hides, text)):
        found.append("has characters that cannot be seen; they are shown as escapes")
    if _BLANKS_AROUND.search(text):
        found.append("has blanks at an end, or several in a row")
    return tuple(found)


def columns(text: str) -> int:
    """How many columns of a terminal `text` takes."""
    return len(text) if text.isascii() else sum(map(_column, text))


def _shown(text: str, escapes: Callable[[str], bool]) -> Iterator[str]:
    marks = 0
    base = False
    for char in text:
        is_mark = unicodedata.category(char) in _MARKS
        marks = marks + 1 if is_mark else 0
        if char == "\\":
            shown = "\\\\"
        elif escapes(char) or (is_mark and (not base or marks > _MARKS_IN_A_ROW)):
            shown = _escape(char)
        else:
            shown = char
        base = shown == char and char != " "
        yield shown


def _hides(char: str) -> bool:
    if " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    return category in _UNSAFE or category == "Zs" or char in _BLANKS


def _needs_care(char: str) -> bool:
    return _hides(char) or unicodedata.category(char) in _MARKS


def _turns(char: str) -> bool:
    return unicodedata.bidirectional(char) in _RIGHT_TO_LEFT


def _escape(char: str) -> str:
    code = ord(char)
    if code <= 0xFF:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


def _column(char: str) -> int:
    if unicodedata.category(char) in _MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1


def _script(char: str) -> str:
    return unicodedata.name(char, "UNNAMED").split(" ", 1)[0].split("-", 1)[0]
