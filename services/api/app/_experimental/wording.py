"""How advisors write for people: one visible line, short names, sizes and times in plain units.

Names and kinds come from the snapshot, so from whoever made a model: what cannot be seen is left
out, and what is too long is cut. Targets are never cut.
"""

from typing import Final

LONGEST: Final = 500
"""Characters that a proposal's reason and what it assumes may have."""
_LONGEST_NAME: Final = 70
_FILLERS: Final = frozenset("\u115f\u1160\u3164\uffa0")
"""Letters by their kind that show nothing."""
_UNITS: Final = ((1 << 40, "TiB"), (1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB"))


def visible(text: str, most: int = LONGEST) -> str:
    """`text` on one line: ASCII that can be seen, and letters and digits of any script.

    No backslash, which may begin an escape.
    """
    kept = (char if _is_seen(char) else " " if char.isspace() else "" for char in text)
    return cut(" ".join("".join(kept).split()), most)


def cut(text: str, most: int = LONGEST) -> str:
    return text if len(text) <= most else text[: most - 3].rstrip() + "..."


def named(name: str) -> str:
    """A model or an alias within a sentence."""
    return visible(name, _LONGEST_NAME)


def size(count: int) -> str:
    """`4.2 GiB`; whole bytes under 1 KiB."""
    for unit, symbol in _UNITS:
        if count >= unit:
            return f"{count / unit:.1f} {symbol}"
    return f"{count} bytes"


def counted(count: int, noun: str) -> str:
    """`1 request`, `1,200 requests`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def spell(seconds: int) -> str:
    """`2 hours`, `90 minutes`, `45 seconds`: the largest unit that it is a whole number of."""
    for unit, noun in ((3_600, "hour"), (60, "minute")):
        if seconds and seconds % unit == 0:
            return counted(seconds // unit, noun)
    return counted(seconds, "second")


def _is_seen(char: str) -> bool:
    if char.isascii():
        return char.isprintable() and char != "\\"
    return (char.isalpha() or char.isdecimal()) and char not in _FILLERS
