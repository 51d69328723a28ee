"""Records are packed for their rows, and come out to the byte; what is damaged stays what it is."""

import hashlib
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.authority.guardrails.evaluating import evaluate
from app.authority.guardrails.rulesets import Ruleset
from app.authority.guardrails.strategies.base import Reading
from app.authority.guardrails.values import Point
from app.authority.guardrails.verdicts import Asked
from app.authority.guardrails.watching.packing import COMMON, packed, unpacked
from tests.unit.guardrails.guarded import AT_US, NOTHING, above, bound


@given(st.binary(max_size=3_000))
def test_whatever_is_packed_comes_out_to_the_byte(record: bytes) -> None:
    assert unpacked(packed(record)) == record


@given(st.binary(max_size=200))
def test_what_is_no_packed_record_is_given_as_it_lies_there(stored: bytes) -> None:
    if not stored.startswith(b"\x01"):
        assert unpacked(stored) == stored
    unpacked(b"\x01" + stored)  # raises nothing


def test_what_was_cut_is_not_the_record() -> None:
    stored = packed(b'{"a":1}' * 50)
    for end in range(len(stored)):
        assert unpacked(stored[:end]) == stored[:end]
    assert unpacked(b"\x01nonsense") == b"\x01nonsense"


def test_a_small_row_makes_no_large_record() -> None:
    bomb = zlib.compressobj(9, zdict=COMMON)
    stored = b"\x01" + bomb.compress(b"0" * (1 << 27)) + bomb.flush()
    assert unpacked(stored) == stored


def test_what_rows_were_packed_with_never_changes() -> None:
    """Golden: rows that were packed with other bytes could not be read any more."""
    assert hashlib.sha256(COMMON).hexdigest() == GOLDEN


@pytest.mark.parametrize("point", [Point.TICK, Point.LOAD])
def test_a_decision_takes_less_than_half_of_its_record(point: Point) -> None:
    rules = Ruleset([bound("large", above("memory_pressure", 0.9), points=(point,))])
    asked = Asked(at_us=AT_US, point=point, subject="a/b", actor="key:1")
    record = evaluate(rules, asked, {"memory_pressure": Reading(0.43)}, NOTHING).record
    assert len(packed(record)) < len(record) / 2


GOLDEN = "d5b65c82e11ef7be661d23657cda5e53ad19e6b4cb15fb3abb2e0fa3d3134678"
