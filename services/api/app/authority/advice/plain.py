"""Reading JSON that nobody vouches for, value by value: exact types, bounds, text to be seen. Pure.

Each raises ProposalInvalid that names where it stood. Bounds come before anything that costs.
"""

from collections.abc import Collection, Mapping
from typing import Any, Final

from app.authority.approvals.untrusted import clean
from app.domain.refusals import ProposalInvalid
from app.observability.secret_shapes import redact_text

MOST: Final = 2**53 - 1
"""The largest number that every reader of JSON takes without loss."""
SHOWN: Final = 40
"""Characters of what was written that a message repeats."""
_NAMED: Final = 5


def invalid(where: str, what: str, value: object = None) -> ProposalInvalid:
    """The refusal: what is wrong at `where`; of a `value` that is text, its beginning."""
    said = f" {shown(value)}" if isinstance(value, str) else ""
    return ProposalInvalid(f"{where}{said} {what}. Correct it and propose it again.", param=where)


def shown(value: str) -> str:
    """The beginning of what somebody wrote, on one line, every character of it to be seen."""
    more = "..." if len(value) > SHOWN else ""
    return f"'{clean(value[:SHOWN])}{more}'"


def hidden_in(value: str) -> str | None:
    """The first character that cannot be seen, breaks the line or moves what is around it."""
    bare = value.replace("\\", "/")  # a backslash can be seen, and `clean` doubles it
    if clean(bare) == bare:
        return None
    alone = (char for char in bare if char != " " and clean(f"a{char}") != f"a{char}")
    piled = (char for char in bare if not char.isascii() and clean(char) != char)
    return next(alone, None) or next(piled, None) or bare[0]


def mapping(
    value: object, where: str, *, required: Collection[str] = (), optional: Collection[str] = ()
) -> Mapping[str, Any]:
    """An object with exactly the keys that are known, those that are required among them."""
    if not isinstance(value, dict):
        raise invalid(where, "is not an object")
    known = {*required, *optional}
    if odd := [key for key in value if not isinstance(key, str) or key not in known]:
        listed_keys = ", ".join(shown(str(key)) for key in odd[:_NAMED])
        may = ", ".join(sorted(known)) or "nothing"
        raise invalid(where, f"has keys that it cannot have: {listed_keys}; it holds {may}")
    if missing := [key for key in required if key not in value]:
        raise invalid(where, f"lacks {', '.join(missing)}")
    return value


def listed(value: object, where: str, least: int, most: int) -> list[Any]:
    if not isinstance(value, list) or not least <= len(value) <= most:
        raise invalid(where, f"is not a list of {least} to {most}")
    return value


def number(value: object, where: str, least: int, most: int) -> int:
    """A whole number within the bounds; a boolean is none."""
    if type(value) is not int or not least <= value <= most:
        raise invalid(where, f"is not a whole number from {least} to {most}")
    return value


def text(value: object, where: str, *, least: int = 1, most: int) -> str:
    """One line of characters that can all be seen, as it was written."""
    if not isinstance(value, str):
        raise invalid(where, "is not text")
    if not least <= len(value) <= most or (least and not value.strip()):
        raise invalid(where, f"is not text of {least} to {most} characters")
    if (hidden := hidden_in(value)) is not None:
        raise invalid(where, f"holds {hidden!a}, which cannot be seen or moves the text around it")
    if redact_text(value) != value:  # it is kept, and its digest is recorded for good
        raise invalid(where, "looks as if it held a key or a password, which has no place here")
    return value
