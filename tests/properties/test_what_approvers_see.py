"""Whatever others write into a plan, what a person sees is legible, whole and the same."""

import unicodedata
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from app.authority.approvals.page import grouped
from app.authority.approvals.rendering import Now, render
from app.authority.approvals.untrusted import clean, columns, name, oddities
from app.authority.policy.decisions import Fired, Outcome
from tests.unit.approvals.made_plans import file, planned

UNSAFE = {"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Cn"}
TRICKS = (
    "\x1b[2J\x07\x9b\u202e\u2066\u200b\ufeff\u2028\u3164\x7f\n\r\t\\\u00a0\U000e0041\u0300a\u0430"
)
# Lone surrogates cannot be in a plan: its bytes are UTF-8. `clean` is asked about them apart.
written = st.text(
    st.one_of(st.sampled_from(TRICKS), st.characters(exclude_categories=["Cs"])), max_size=80
)
anything = st.text(st.one_of(st.sampled_from(TRICKS), st.characters()), max_size=80)


@st.composite
def plans(draw: st.DrawFn) -> Any:
    values = st.one_of(st.none(), st.booleans(), st.integers(-(2**53) + 1, 2**53 - 1), written)
    return planned(
        reason=draw(written),
        subject=draw(written),
        verb=draw(written),
        phrase=draw(written),
        targets=tuple(
            {"kind": draw(written), "id": draw(written), "digest": draw(written)}
            for _ in range(draw(st.integers(0, 3)))
        ),
        files=tuple(
            file(n) | {"path": draw(written), "fate": draw(written)}
            for n in range(draw(st.integers(0, 3)))
        ),
        dependents=draw(st.dictionaries(written, st.one_of(values, st.lists(values)), max_size=3)),
        effects=draw(st.dictionaries(written, st.one_of(values, st.lists(values)), max_size=3)),
        again=draw(st.none() | written),
        bytes_freed=draw(st.integers(-(2**53) + 1, 2**53 - 1)),
        grace_s=draw(st.integers(0, 10**9)),
    )


@given(plans(), st.integers(30, 120), st.booleans(), written)
def test_no_line_is_too_long_or_holds_what_cannot_be_seen(
    plan: Any, width: int, whole: bool, text: str
) -> None:
    now = Now(drift=(text,), rules=(Fired(text, Outcome.DENY, text),), needed=(text,))
    lines = render(plan.bytes, width=width, whole=whole, now=now)
    for line in lines:
        assert columns(line) <= width
        assert not {unicodedata.category(char) for char in line} & UNSAFE
    # Nothing of theirs begins a line.
    assert all(line.isascii() for line in lines if not line.startswith("  "))


@given(plans())
def test_the_hash_and_what_is_typed_are_always_there(plan: Any) -> None:
    lines = render(plan.bytes)
    at = lines.index("HASH OF THIS PLAN")
    assert lines[at + 1 : at + 3] == (
        f"  {grouped(plan.hash[:32])}",
        f"  {grouped(plan.hash[32:])}",
    )
    assert lines[-1].endswith(plan.hash[-6:])
    assert lines.count("TO APPROVE, TYPE ON ONE LINE") == 1


@given(plans(), st.integers(30, 120), st.booleans())
def test_the_same_bytes_give_the_same_lines(plan: Any, width: int, whole: bool) -> None:
    assert render(plan.bytes, width=width, whole=whole) == render(
        bytes(plan.bytes), width=width, whole=whole
    )


@given(anything)
def test_nothing_unseen_survives_cleaning(text: str) -> None:
    for cleaned in (clean(text), name(text)):
        assert not {unicodedata.category(char) for char in cleaned} & UNSAFE
        assert all(char == " " or not char.isspace() for char in cleaned)


@given(anything, anything)
def test_texts_that_differ_look_different(one: str, other: str) -> None:
    assert (clean(one) == clean(other)) == (one == other)
    assert (name(one) == name(other)) == (one == other)


@given(st.text("abcdefghijklmnopqrstuvwxyz0123456789._-/", max_size=80))
def test_an_ordinary_name_is_shown_as_it_is(text: str) -> None:
    assert clean(text) == name(text) == text
    assert oddities(text) == ()
