"""`lmx runs`: asks what was asked for, and reads on a phone."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.runs import Run, Terminal
from tests.fakes.authority_http import Asked, FakeAuthority

DIGEST = "0a1b2c3d4e5f" + "0" * 52
TRICKS = "\x1b[2J\u202e\u200b"
ROW = {
    "run": DIGEST,
    "seq": 7,
    "ts_utc_us": 1_790_000_000_123_456,
    "act": "model.load",
    "subject": "lab/a",
    "model": "lab/a",
    "actor": "key:0123abcd",
    "person": "p-1",
    "outcome": "refused",
    "code": "does_not_fit",
    "plan": None,
}
RUN = {
    "type": "lmx-authority/run/v1",
    "act": "model.load",
    "subject": f"lab/a{TRICKS}",
    "actor": {"id": "key:0123abcd", "person": "p-1", "roles": ["operator"]},
    "outcome": "refused",
    "inputs": {"context": 64},
    "plan": None,
    "feasibility": {"budget": {"budget_bytes": 1 << 30}},
    "policy": {"outcome": "allow", "rules": [{"id": "R1"}]},
    "approvals": [],
    "effect": None,
    "refusal": {"code": "does_not_fit", "message": "Does not fit."},
    "ask": None,
    "request_id": "req-1",
    "count": 3,
    "versions": {"lmx": "0.1.0"},
    "boot_id": "b",
    "started_us": 1_790_000_000_000_000,
    "ended_us": 1_790_000_000_040_000,
}
SHOWN = {
    "digest": DIGEST,
    "run": RUN,
    "events": [{"seq": 7, "kind": "refusal", "ts_utc_us": 1_790_000_000_123_456}],
    "verify": ["lmx ledger show 7"],
}


def change(path: str, before: Any, after: Any, *, section: str = "feasibility") -> dict[str, Any]:
    kind = "added" if before is None else "removed" if after is None else "changed"
    return {"section": section, "path": path, "change": kind, "before": before, "after": after}


DIFF: dict[str, Any] = {
    "a": ROW,
    "b": {**ROW, "outcome": "loaded", "code": None},
    "sentences": ["outcome: refused -> loaded", "budget: 1.20 GiB -> 3.40 GiB"],
    "changes": [
        change("outcome", "refused", "loaded", section="decision"),
        change("feasibility.budget.budget_bytes", 1 << 30, 3 << 30),
        change("effect.pid", None, 4711, section="effect"),
    ],
    "more": 0,
}


@pytest.fixture
def answering(authority: FakeAuthority) -> FakeAuthority:
    def runs(asked: Asked) -> Any:
        if asked.path == "/authority/runs":
            return {"runs": [ROW], "next": None, "total": 1}
        return DIFF if "/diff/" in asked.path else SHOWN

    authority.runs = runs
    return authority


def test_filters_are_passed_on_as_they_are(lmx: Run, answering: FakeAuthority) -> None:
    ended = lmx(
        *"runs ls --act model.load --model lab/a --outcome refused --since 2026-01-31".split(),
        *"--actor key:1 --person p-1 --plan x --cursor 9 --limit 3 --total".split(),
    )
    assert ended.code == 0
    assert answering.last("/authority/runs").query == {
        "act": "model.load",
        "model": "lab/a",
        "outcome": "refused",
        "since": "2026-01-31",
        "actor": "key:1",
        "person": "p-1",
        "plan": "x",
        "cursor": "9",
        "limit": "3",
        "total": "true",
    }
    assert "0a1b2c3d4e5f  " in ended.out
    assert "does_not_fit" in ended.out
    assert "total  1" in ended.out


def test_a_page_is_put_together_from_as_many_as_it_takes(
    lmx: Run, authority: FakeAuthority
) -> None:
    def runs(asked: Asked) -> Any:
        cursor = int(asked.query.get("cursor", 10))
        return {"runs": [{**ROW, "seq": cursor}], "next": cursor - 1 if cursor > 8 else None}

    authority.runs = runs
    ended = lmx("runs", "ls", "--limit", "5")
    assert [line.split()[1] for line in ended.out.splitlines()[1:]] == ["10", "9", "8"]
    more = lmx("runs", "ls", "--limit", "2")
    assert "--cursor 8" in more.err


def test_one_run_is_told_part_by_part(lmx: Run, answering: FakeAuthority) -> None:
    ended = lmx("runs", "show", "0a1b2c")
    assert ended.code == 0
    assert answering.last("/authority/runs/0a1b2c")
    assert "took        40 ms" in ended.out
    assert "stands for  3" in ended.out
    assert "budget.budget_bytes  1.0 GiB" in ended.out
    assert "rules[0].id  R1" in ended.out
    assert "lmx ledger show 7" in ended.out


def test_a_run_that_follows_from_a_proposal_leads_to_it(lmx: Run, authority: FakeAuthority) -> None:
    authority.runs = lambda _: {**SHOWN, "run": {**RUN, "proposal": "0badcafe"}}
    assert "0badcafe (lmx advice show 0badcafe)" in lmx("runs", "show", DIGEST).out


def test_a_difference_begins_with_sentences(lmx: Run, answering: FakeAuthority) -> None:
    ended = lmx("runs", "diff", "0a1b2c", "9")
    assert answering.last("/authority/runs/0a1b2c/diff/9")
    lines = ended.out.splitlines()
    assert lines.index("outcome:  refused -> loaded") < lines.index("decision:")
    assert "budget:   1.20 GiB -> 3.40 GiB" in lines
    assert "  feasibility.budget.budget_bytes  1.0 GiB -> 3.0 GiB" in lines
    assert "  effect.pid  added: 4711" in lines


def test_two_that_are_the_same_are_said_to_be(lmx: Run, authority: FakeAuthority) -> None:
    authority.runs = lambda _: {**DIFF, "changes": [], "sentences": []}
    assert lmx("runs", "diff", "1", "2").out.endswith("The two are the same.\n")


def test_what_is_not_listed_is_counted(lmx: Run, authority: FakeAuthority) -> None:
    many = [change(f"inputs.x{n}", n, n + 1, section="inputs") for n in range(70)]
    authority.runs = lambda _: {**DIFF, "changes": many, "more": 5}
    assert "and 15 more; --json lists up to 2,000." in lmx("runs", "diff", "1", "2").out


@pytest.mark.parametrize("command", ["runs ls", "runs show 0a1b2c", "runs diff 7 9"])
def test_it_is_legible_at_sixty_columns(
    terminal: Callable[..., Terminal], answering: FakeAuthority, command: str
) -> None:
    opened = terminal(*command.split())
    code, shown = opened.ended(), opened.screen
    assert code == 0
    assert all(len(line) <= 60 for line in shown.splitlines()), shown
    assert "\u202e" not in shown


def test_a_run_cannot_drive_the_terminal(lmx: Run, answering: FakeAuthority) -> None:
    assert "\x1b" not in lmx("runs", "show", "7").out
    assert answering.asked


@pytest.mark.parametrize("name", ["../keys", "..", "a b", "\u0661", "a?b"])
def test_what_is_no_name_is_never_sent(lmx: Run, answering: FakeAuthority, name: str) -> None:
    for command in (("show", name), ("diff", "7", name)):
        ended = lmx("runs", *command)
        assert ended.code == 2
        assert "names no run" in ended.err
    assert answering.asked == []
