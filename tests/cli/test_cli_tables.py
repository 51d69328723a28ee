"""Listings that are wider than a terminal: what gives way first, and when they become blocks."""

import re
import time
from typing import Any

import pytest

from app.cli import output
from app.cli.text import Narrow, fields, table
from tests.cli.runs import Run
from tests.fakes import guardrails_answers as said
from tests.fakes.authority_http import FakeAuthority

COLUMNS = ("id", "time", "note", "by")
ROWS = [["0a1b2c", "2026-01-31T12:00", "a long note on why", "me"], ["3d", "-", "-", "-"]]
NARROW = Narrow(short={"time": 10}, clip={"note": 8}, leave_out=("by",))


def shown(width: int | None, narrow: Narrow | None = NARROW) -> list[str]:
    return table(COLUMNS, ROWS, width=width, narrow=narrow)


@pytest.mark.parametrize("width", [None, 48])
def test_what_fits_is_shown_whole(width: int | None) -> None:
    assert shown(width)[1] == "0a1b2c  2026-01-31T12:00  a long note on why  me"


@pytest.mark.parametrize(
    ("width", "row"),
    [
        (47, "0a1b2c  2026-01-31  a long note on why  me"),
        (42, "0a1b2c  2026-01-31  a long note on why  me"),
        (41, "0a1b2c  2026-01-31  a long note on...  me"),
        (32, "0a1b2c  2026-01-31  a lon...  me"),
        (31, "0a1b2c  2026-01-31  a long n..."),
        (28, "0a1b2c  2026-01-31  a lon..."),
    ],
)
def test_a_column_is_shortened_then_cut_off_and_then_left_out(width: int, row: str) -> None:
    lines = shown(width)
    assert lines[1] == row
    assert max(map(len, lines)) <= width
    left_out = "(not shown: by; --json has all)"
    assert (left_out in " ".join(map(str.strip, lines[3:]))) is (width < 32)


@pytest.mark.parametrize(("width", "narrow"), [(27, NARROW), (47, None)])
def test_what_cannot_be_made_to_fit_becomes_blocks_with_all_there_is(
    width: int, narrow: Narrow | None
) -> None:
    lines = shown(width, narrow)
    assert lines[0] == "0a1b2c"
    assert "  time  2026-01-31T12:00" in lines
    assert "  by    me" in lines


def test_a_name_is_not_broken_at_its_hyphens() -> None:
    lines = fields([("concerns", "large-models, verified-formats")], width=38)
    assert lines == ["concerns  large-models,", "          verified-formats"]


def test_a_table_of_nothing_is_no_lines() -> None:
    assert table(COLUMNS, [], width=1, narrow=NARROW) == []


WIDE = {
    "tasks": {**said.TASK, "id": "verified-formats", "action": "require_approval"},
    "versions": {
        **said.VERSION,
        "active": False,
        "loaded_by": "key:0123abcd",
        "note": "the guardrails that ship with the product",
    },
    "decisions": {**said.DECISION, "subject": "some-publisher/a-model-of-7b-4bit"},
}


@pytest.mark.parametrize(
    ("command", "head"),
    [
        ("tasks", ["ID", "ACTION", "STATE", "INTENT"]),
        ("versions", ["VERSION", "STATE", "TASKS", "LOADED", "BY", "NOTE"]),
        ("decisions", ["DECISION", "TIME", "POINT", "OUTCOME", "FIRED", "SUBJECT"]),
    ],
)
def test_listings_of_guardrails_are_tables_at_80_columns(
    lmx: Run,
    authority: FakeAuthority,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
    head: list[str],
) -> None:
    monkeypatch.setattr(output, "width_of", lambda _: 80)
    authority.guardrails = lambda _: {command: [WIDE[command]]}
    lines = lmx("guardrails", command).out.splitlines()
    assert lines[0].split() == head
    assert max(map(len, lines)) <= 80
    assert len(lines[1].split()) >= len(head)


@pytest.mark.parametrize(
    ("ask", "subject"),
    [
        ({"subject": "version 2 (4 tasks)", "params": {"version": 2}}, "version 2 (4 tasks)"),
        ({"subject": "", "params": {"version": 2}}, "version 2"),
        ({"subject": "", "params": {"tasks": ["a"] * 99}}, f"tasks {'a, ' * 11}a"),
        ({"subject": ""}, "-"),
    ],
)
def test_an_ask_without_a_plan_says_what_was_asked_for(
    lmx: Run, authority: FakeAuthority, ask: dict[str, Any], subject: str
) -> None:
    authority.approvals = lambda _: {"asks": [{"id": "0badcafe", "act": "x", **ask}], "next": None}
    out = lmx("approvals", "ls").out.splitlines()[1]
    assert re.split(" {2,}", out)[:3] == ["0badcafe", "x", subject]


def test_asks_are_a_table_at_80_columns(
    lmx: Run,
    authority: FakeAuthority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(output, "width_of", lambda _: 80)
    now_us = time.time_ns() // 1000
    ask = {
        "id": "0badcafe",
        "act": "guardrails_activate",
        "subject": "a-long-name-of-something",
        "state": "revision_required",
        "created_us": now_us - 3_700_000_000,
        "approve_by_us": now_us + 80_000_000_000,
    }
    authority.approvals = lambda _: {"asks": [ask], "next": None}
    lines = lmx("approvals", "ls").out.splitlines()
    assert lines[0].split() == ["ID", "ACT", "SUBJECT", "STATE", "RISK", "DEADLINE"]
    assert lines[1].startswith("0badcafe  guardrails_activate  a-long-na...  revision_r...")
    assert max(map(len, lines)) <= 80
