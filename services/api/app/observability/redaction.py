"""Takes secrets out of values of any shape, and makes text fit for one line."""

import unicodedata
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from app.observability.secret_shapes import REDACTED, is_secret_field, redact_text

_DEEPEST: Final = 12
_NEVER_PRINTED: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Co", "Cn"})
"""Unicode categories: control, format (bidi, zero width), surrogates, separators, unassigned."""


def redact(value: Any, *, depth: int = 0) -> Any:
    """Return a copy of `value` without secrets, however deep they are."""
    match value:
        case None | bool() | int() | float():
            safe: Any = value
        case str():
            safe = redact_text(value)
        case bytes() | bytearray():
            safe = redact_text(bytes(value).decode("utf-8", "replace"))
        case _ if depth > _DEEPEST:
            safe = REDACTED
        case Mapping():
            safe = {
                redact(key, depth=depth + 1): redact_field(key, item, depth=depth + 1)
                for key, item in value.items()
            }
        case list() | tuple() | set() | frozenset():
            safe = _redacted_items(tuple(value), depth=depth + 1)
        case _:
            safe = redact_text(str(value))
    return safe


def redact_field(key: object, value: Any, *, depth: int = 0) -> Any:
    """The value of the field `key`: hidden whole where the name says that it is a secret."""
    return REDACTED if is_secret_field(key, value) else redact(value, depth=depth)


def printable(text: str) -> str:
    """Return `text` on one line, with nothing in it that could move a cursor or reorder letters."""
    return "".join(_escaped(char) if _is_hidden(char) else char for char in text)


def shortened(text: str, limit: int) -> str:
    """Redacted first, so that cutting cannot leave half a key; one line, printable, bounded."""
    safe = printable(redact_text(text[: 8 * limit]))
    return safe if len(safe) <= limit else safe[: limit - 1] + "\u2026"


def recorded_path(path: Path) -> str:
    """The path as it may be recorded for good.

    The account's own directory, often a person's name, is `~`; bytes that are no UTF-8 are escaped.
    """
    with suppress(ValueError, RuntimeError):  # elsewhere, or an account without a directory
        path = Path("~") / path.relative_to(Path.home())
    return str(path).encode("utf-8", "backslashreplace").decode("utf-8")


def _redacted_items(value: tuple[Any, ...], *, depth: int) -> list[Any]:
    """A pair may be a field: headers come as lists of names and values."""
    if len(value) == 2 and is_secret_field(value[0], value[1]):
        return [redact(value[0], depth=depth), REDACTED]
    return [redact(item, depth=depth) for item in value]


def _is_hidden(char: str) -> bool:
    return unicodedata.category(char) in _NEVER_PRINTED


def _escaped(char: str) -> str:
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
