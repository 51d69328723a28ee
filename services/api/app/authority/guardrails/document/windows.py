"""Lengths of time as documents write them: ``90s``, ``15m``, ``24h``, ``30d``. Pure."""

import re
from typing import Final

_UNITS: Final = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
_WINDOW = re.compile(r"([1-9][0-9]{0,6})([smhd])")

EXAMPLES: Final = "15m, 24h or 30d"


def seconds(text: str) -> int:
    """How long a window is. Raises ValueError for what is none."""
    match = _WINDOW.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is no window; write {EXAMPLES}.")
    return int(match[1]) * _UNITS[match[2]]


def window(length: int) -> str:
    """The shortest way to write a window: 3600 is ``1h``."""
    for unit, size in _UNITS.items():
        if length % size == 0:
            return f"{length // size}{unit}"
    raise ValueError(f"{length} is no number of seconds.")
