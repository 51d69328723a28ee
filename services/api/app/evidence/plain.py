"""The only place that makes what came up during an attempt fit for a run: plain and small. Pure.

Runs are kept for good. What goes in is JSON without floats, with ASCII keys, of bounded depth and
size; secrets are taken out by whoever calls, before.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

MAX_BYTES: Final = 16 * 1024
MAX_DEPTH: Final = 6
MAX_TEXT: Final = 500
MAX_KEY: Final = 80
CUT: Final = "(cut)"
"""Stands where something was left out because it was too much."""

_LARGEST: Final = 2**53 - 1


def plain(value: object, *, most: int = MAX_BYTES) -> Any:
    """`value` as JSON that every reader takes alike; what is beyond `most` bytes says `(cut)`.

    Floats and large integers become text, and so does whatever is no JSON at all.
    """
    return _Plain(most).of(value, 1)


class _Plain:
    def __init__(self, most: int) -> None:
        self._left = most

    def of(self, value: object, depth: int) -> Any:
        if value is None or isinstance(value, bool):
            return self._spent(value, 5)
        if isinstance(value, int) and abs(value) <= _LARGEST:
            return self._spent(int(value), 20)
        if isinstance(value, Mapping | list | tuple | set | frozenset):
            if depth >= MAX_DEPTH or self._left <= 0:
                return CUT
            if isinstance(value, Mapping):
                return self._mapping(value, depth)
            ordered = sorted(value, key=str) if isinstance(value, set | frozenset) else value
            return self._list(ordered, depth)
        return self._text(str(value))

    def _mapping(self, value: Mapping[Any, object], depth: int) -> Any:
        made: dict[str, Any] = {}
        for key in sorted(value, key=str):
            if self._left <= 0:
                made[CUT] = CUT
                break
            name = str(key).encode("ascii", "backslashreplace").decode()[:MAX_KEY]
            self._left -= len(name) + 4
            made[name] = self.of(value[key], depth + 1)
        return made

    def _list(self, value: Any, depth: int) -> Any:
        made: list[Any] = []
        for item in value:
            if self._left <= 0:
                made.append(CUT)
                break
            made.append(self.of(item, depth + 1))
        return made

    def _text(self, text: str) -> str:
        safe = text[:MAX_TEXT].encode("utf-8", "backslashreplace").decode()
        if len(text) > MAX_TEXT:
            safe = safe[: MAX_TEXT - 1] + "\u2026"
        size = len(orjson.dumps(safe)) + 1
        if size > self._left:
            self._left = 0  # nothing smaller slips in behind what was too much
            return CUT
        self._left -= size
        return safe

    def _spent(self, value: Any, size: int) -> Any:
        self._left -= size
        return value
