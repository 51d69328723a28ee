"""One way to write a document: equal meanings have equal bytes. Pure.

Keys are sorted, and lists whose order means nothing are; 1, 1.0 and 1.00 are one number, 60m and 1h
are one length. What is left out is its default, and an empty section is no section.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any, Final

from app.authority.guardrails.document.model import Document
from app.authority.guardrails.document.problems import Path, is_at
from app.authority.guardrails.document.windows import seconds, window

ORDERED: Final[tuple[Path, ...]] = (
    ("application_context", "preferred"),
    ("preferences", "preferred"),
    ("primitives", "*", "preferred"),
)
"""Where the lists are whose order means something: what is preferred most comes first."""

WINDOWS: Final[tuple[Path, ...]] = (
    ("defaults", "windows", "*"),
    ("primitives", "*", "windows", "*"),
)
"""Where the lengths of time are."""


ADDED: Final[tuple[Path, ...]] = (("mappings", "*", "primitive"),)
"""What a document may say since its form was fixed: null is not written, so that documents which
say nothing of it have the hash that they had."""


def normal_form(document: Document) -> bytes:
    """Canonical JSON of a document that has been checked."""
    return _json(_normal(asdict(document))).encode()


def document_hash(document: Document) -> str:
    """SHA-256 of the normal form, in hex."""
    return hashlib.sha256(normal_form(document)).hexdigest()


def changed_keys(before: Document, after: Document) -> frozenset[str]:
    """Paths ``a/b/c`` of all leaves that are in one of the two only, or differ.

    Lists are leaves. It is empty exactly where both have the same hash.
    """
    return frozenset(path for path, _ in leaves(before) ^ leaves(after))


def values_at(document: Document, key: str) -> Any:
    """What stands at a path ``a/b/c``, as people read it: a window is ``1h``.

    None for what is not there, as for what is null.
    """
    path = tuple(key.split("/"))
    value: Any = _normal(asdict(document))
    for step in path:
        if not isinstance(value, Mapping) or step not in value:
            return None
        value = value[step]
    return window(value) if _is(path, WINDOWS) else value


def leaves(document: Document) -> set[tuple[str, str]]:
    """Every leaf of the normal form: its path, and its JSON."""
    return {(path, _json(value)) for path, value in _leaves(_normal(asdict(document)), "")}


def _leaves(section: Mapping[str, Any], above: str) -> Iterator[tuple[str, Any]]:
    for key, value in section.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{above}{key}/")
        else:
            yield f"{above}{key}", value


def _normal(section: Mapping[str, Any], above: Path = ()) -> dict[str, Any]:
    made = {key: _value((*above, key), value) for key, value in section.items()}
    return {
        key: value
        for key, value in made.items()
        if value != {} and not (value is None and _is((*above, key), ADDED))
    }


def _value(path: Path, value: Any) -> Any:
    if isinstance(value, Mapping):
        return _normal(value, path)
    if isinstance(value, list | tuple):
        return list(value) if _is(path, ORDERED) else sorted(value)
    if _is(path, WINDOWS):
        return seconds(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _is(path: Path, places: tuple[Path, ...]) -> bool:
    return any(is_at(path, place) for place in places)


def _json(value: Any) -> str:
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
