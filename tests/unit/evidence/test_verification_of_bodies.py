"""A body that no correct writer writes is named, whatever its leaf and its signature say."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fakes.tampering import ledger_home, unguarded, verified

NOT_CANONICAL: dict[str, Callable[[bytes], bytes]] = {
    "a space": lambda body: body.replace(b",", b", ", 1),
    "a key twice": lambda body: body.replace(b'"data":{', b'"data":{"code":"forbidden",', 1),
    "keys out of order": lambda body: body.replace(b'"data":{', b'"data":{"z":1,', 1),
    "an escape that is not needed": lambda body: body.replace(b"forbidden", b"\\u0066orbidden"),
    "a float": lambda body: body.replace(b'"data":{', b'"data":{"a":1.0,', 1),
    "a large number": lambda body: body.replace(b'"data":{', b'"data":{"a":9007199254740993,', 1),
    "NaN": lambda body: body.replace(b'"data":{', b'"data":{"a":NaN,', 1),
    "half a character": lambda body: body.replace(b"forbidden", b"\\ud800"),
    "no UTF-8": lambda body: body.replace(b"forbidden", b"\xff"),
    "another version": lambda body: body.replace(b'"v":2', b'"v":3'),
    "a field too many": lambda body: body.replace(b'"v":2', b'"v":2,"w":1'),
    "an unknown kind": lambda body: body.replace(b'"refusal"', b'"refused"'),
    "a number in quotes": lambda body: body.replace(b'"mono_us":', b'"mono_us":"x","mono_us":', 1),
    "deep": lambda body: body.replace(b'"data":{', b'"data":{"a":%b,' % (b"[" * 99 + b"]" * 99)),
    "very deep": lambda body: body.replace(b'"data":{', b'"data":' + b"[" * 30_000, 1),
    "nothing": lambda _: b"{}",
    "a list": lambda _: b"[]",
}  # fmt: skip


@pytest.mark.parametrize("name", NOT_CANONICAL)
def test_a_body_that_no_correct_writer_writes_is_named(tmp_path: Path, name: str) -> None:
    """With a leaf that fits, so that only the body itself can show it."""
    home = ledger_home(tmp_path / "home", 3)
    with unguarded(home) as connection:
        (body,) = connection.execute("SELECT body FROM ledger_event WHERE seq = 2").fetchone()
        changed = NOT_CANONICAL[name](body)
        assert changed != body
        connection.execute(
            "UPDATE ledger_event SET body = ?, leaf = ? WHERE seq = 2",
            (changed, hashlib.sha256(b"\x00" + changed).digest()),
        )
    assert any(
        found.part == "event" and found.sentence.startswith("Event 2 ")
        for found in verified(home).findings
    )
