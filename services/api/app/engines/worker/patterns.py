"""Patterns in a JSON schema are ECMAScript's; the engine that enforces them reads Rust's.

What both read alike passes, what they read differently is rewritten or refused, never guessed at.
"""

import re

MAX_CHARACTERS = 8_192

_TOKEN = re.compile(
    r"""\\(?:u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|[pP]\{[^}]{1,40}\}|.)  # an escape
      | \(\?(?:<[^>=!]{1,40}>|P<[^>]{1,40}>|[^<P])?                # a group that says something
      | .""",
    re.VERBOSE | re.DOTALL,
)
_ESCAPES = frozenset("dDwWsSnrtfbBpP/\\.^$|?*+()[]{}-")
_HEX = re.compile(r"\\[ux]([0-9a-fA-F]+)")
_GROUPS = ("(?:", "(?<", "(?P<")
_LINE_ENDS = r"[^\n\r\u2028\u2029]"
_SET_OPERATIONS = ("&&", "--", "~~")
_ENCODED = frozenset("\b\t\n\f\r")


class NotExact(Exception):
    """It cannot be enforced exactly; the message says why, and what would do."""


def has_control(text: str) -> bool:
    """Whether it holds a character that an enforced JSON string cannot carry."""
    return any((char < " " or char == "\x7f") and char not in _ENCODED for char in text)


def has_half(text: str) -> bool:
    """Whether it holds half a character, a lone surrogate, which no text can carry."""
    return any("\ud800" <= char <= "\udfff" for char in text)


def of_schema(pattern: str) -> str:
    """The same pattern for the enforcing engine. Raises `NotExact`."""
    if len(pattern) > MAX_CHARACTERS:
        raise NotExact(f"it is longer than {MAX_CHARACTERS} characters")
    if has_half(pattern):
        raise NotExact("it holds half a character (a lone surrogate)")
    out: list[str] = []
    members: list[str] | None = None
    for piece in _TOKEN.findall(pattern):
        if members is None and piece == "[":
            members = []
        elif members is None:
            out.append(_outside(piece))
        elif piece == "]" and members not in ([], ["^"]):
            out.append(_class(members))
            members = None
        elif piece in ("[", "]"):
            raise NotExact("a bracket inside a character class must be escaped")
        else:
            members.extend(piece if piece.startswith("(") else (piece,))
    if members is not None:
        raise NotExact("a character class is not closed")
    return "".join(out)


def _outside(piece: str) -> str:
    if piece == ".":
        return _LINE_ENDS
    if piece.startswith("\\"):
        _check_escape(piece)
        _check_character(piece)
    elif piece.startswith("(?") and not piece.startswith(_GROUPS):
        raise NotExact(f"{piece!r} (lookaround or flags) is not supported; rewrite it without")
    elif has_control(piece):
        raise NotExact("it holds a control character, which no enforced string can carry")
    return piece


def _class(members: list[str]) -> str:
    """A class as both dialects read it. One that excludes may well name control characters."""
    excludes = members[0] == "^"
    for member in members:
        if member == "\\b":
            raise NotExact(r"'\b' in a character class is not supported; use '\u0008'")
        if member.startswith("\\"):
            _check_escape(member)
        if not excludes:
            _check_character(member)
    body = "".join(members)
    if any(operation in body for operation in _SET_OPERATIONS):
        raise NotExact("'&&', '--' and '~~' in a character class must be escaped")
    return f"[{body}]"


def _check_escape(piece: str) -> None:
    if len(piece) == 1:
        raise NotExact("it ends in the middle of an escape")
    if _HEX.fullmatch(piece) or piece[1] in _ESCAPES or not piece[1].isalnum():
        if "\ud800" <= _meant(piece) <= "\udfff":
            raise NotExact("it names half a character (a lone surrogate)")
        return
    raise NotExact(f"the escape {piece!r} is not supported")


def _check_character(piece: str) -> None:
    if has_control(_meant(piece)):
        raise NotExact("it names a control character, which no enforced string can carry")


def _meant(piece: str) -> str:
    """The character that a numeric escape names; anything else as it is."""
    number = _HEX.fullmatch(piece)
    return chr(int(number.group(1), 16)) if number else piece
