"""The record of one decision: everything that it takes to decide again, as bytes. Pure.

Canonical JSON: keys sorted, nothing between tokens, numbers as the shortest text that reads back as
the same double. `whole`, the last key, is the SHA-256 (hex) of all bytes before it, so one altered
letter shows in the record alone; whoever can rewrite a record can rewrite that too, which is what
the digests in the ledger are for. Subjects and actors are texts as they were asked.

Rows: a summary is ``[series, strategy@version, parameters, summary]``, a verdict ``[task, version,
binding hash, key, action, triggered, reason, measures]``, an error ``[task, version, binding hash,
key, action, why]``, a rule over models or actors of which nothing was read is ``[task, version,
binding hash]`` under `unasked`. `rules` is the hash of all that is bound, `rules_here` of what was
asked. A reading is its value, or ``[value, reason]``, or ``{"error": why}``.
"""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

FORM: Final = 1
"""Number of the shape of a record: its `v`."""

_END: Final = b',"whole":"%s"}'
_TAIL: Final = len(_END % (b"0" * 64))


def to_bytes(body: Mapping[str, Any]) -> tuple[bytes, str]:
    """Return the record of what `body` holds, and its digest."""
    held = {**body, "v": FORM, "subject": clean(body["subject"]), "actor": clean(body["actor"])}
    start = orjson.dumps(held, option=orjson.OPT_SORT_KEYS)[:-1]
    hashed = hashlib.sha256(start)
    end = _END % hashed.hexdigest().encode()
    hashed.update(end)
    return start + end, hashed.hexdigest()


def from_bytes(record: bytes) -> dict[str, Any]:
    """Return what a record holds, as it was kept. Raises ValueError where it is no record."""
    try:
        body: dict[str, Any] = orjson.loads(record)
        form = body["v"]
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"This is no record of a decision ({error}).") from error
    if form != FORM:
        raise ValueError(f"The record has the shape {form}, and this release reads {FORM}.")
    return body


def is_whole(record: bytes) -> bool:
    """Whether every byte is as it was written."""
    start = record[:-_TAIL]
    return record[-_TAIL:] == _END % hashlib.sha256(start).hexdigest().encode()


def digest_of(record: bytes) -> str:
    """Return the SHA-256 (hex) of the whole record: what the ledger's digests are made of."""
    return hashlib.sha256(record).hexdigest()


def clean(text: str) -> str:
    """Return the text as UTF-8 can hold it."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()
