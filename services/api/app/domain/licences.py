"""What a model's author says its licence is: a claim that nobody here checks. Pure."""

import re
from typing import Final

MAX: Final = 100
"""Characters of a claim. The text of a licence is no name of one."""

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9 .,+:/()_-]*")


def claimed(said: object) -> str:
    """A claim in lower case, several of them in order and parted by commas.

    Empty: nothing is claimed, or nothing that could be a licence's name. One name that cannot be
    used makes the whole unknown: the others alone would say too much.
    """
    several = said if isinstance(said, list | tuple) else (said,)
    names = {_name(each) for each in several[: MAX + 1]}
    joined = ", ".join(sorted(names))
    return "" if "" in names or len(joined) > MAX else joined


def _name(said: object) -> str:
    if not isinstance(said, str) or len(said) > MAX or not said.isascii():
        return ""
    name = " ".join(said.split()).lower()
    return name if _NAME.fullmatch(name) else ""
