"""`lmx guardrails`: what changes what decides is asked for, and what was decided is explained."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.domain.actors import Actor, Role
from tests.cli.asks import WAITS, state, typed_for
from tests.cli.runs import Run, Terminal
from tests.fakes import guardrails_answers as said
from tests.fakes.authority_http import Asked, FakeAuthority
from tests.fakes.governance_http import ServedGovernance

Start = Callable[..., Terminal]
ROOT = "/authority/guardrails"


@pytest.fixture
def answering(authority: FakeAuthority) -> FakeAuthority:
    authority.guardrails = said.answering
    return authority


# --- asks ---------------------------------------------------------------------------------------


def asking(served: ServedGovernance, authority: FakeAuthority) -> None:
    """Every ask about guardrails is answered with one that waits."""

    def answer(asked: Asked) -> Any:
        return served(Asked("GET", f"/authority/approvals/{WAITS}", {"width": "60"}, None, None))

    authority.guardrails = answer


@pytest.mark.parametrize(
    ("arguments", "path", "body"),
    [
        (
            ("add", "large", said.INTENT, "--version", "2"),
            "/tasks",
            {"id": "large", "intent": said.INTENT, "version": 2},
        ),
        (("activate", "2"), "/versions/2/activate", {}),
        (
            ("rebind", "--version", "2", "--task", "a", "--task", "b"),
            "/rebind",
            {"version": 2, "tasks": ["a", "b"]},
        ),
        (("rebind", "--version", "2"), "/rebind", {"version": 2}),
        (("retire", "large"), "/tasks/large/retire", {}),
    ],
)
@pytest.mark.usefixtures("governance")
def test_what_changes_what_decides_waits_for_an_approval(  # noqa: PLR0917 - a row of the table
    lmx: Run,
    authority: FakeAuthority,
    served: ServedGovernance,
    arguments: tuple[str, ...],
    path: str,
    body: dict[str, Any],
) -> None:
    asking(served, authority)
    ended = lmx("guardrails", *arguments, "--reason", "Why.")
    assert (ended.code, ended.out) == (4, "")
    assert authority.last(ROOT + path).body == body | {"reason": "Why."}
    assert f"lmx approvals approve {WAITS}" in ended.err
    assert "HASH OF THIS PLAN" in ended.err


@pytest.mark.usefixtures("governance")
def test_a_structure_is_asked_for_from_a_file(
    lmx: Run, authority: FakeAuthority, served: ServedGovernance, tmp_path: Path
) -> None:
    asking(served, authority)
    structure = {"action": "block", "when": {"primitive": "model_format", "term": "unverified"}}
    file = tmp_path / "intent.json"
    file.write_text(json.dumps(structure), "utf-8")
    assert lmx("guardrails", "add", "formats", "--file", str(file)).code == 4
    assert authority.last(f"{ROOT}/tasks").body["intent"] == structure


@pytest.mark.usefixtures("governance")
def test_at_a_terminal_it_is_approved_by_typing_and_done(
    terminal: Start, authority: FakeAuthority, served: ServedGovernance
) -> None:
    asking(served, authority)
    lmx = terminal("guardrails", "retire", "large")
    lmx.wait_for("> ")
    lmx.type(typed_for(served.governance, WAITS) + "\n")
    assert lmx.ended() == 0
    assert served.governance.done == [WAITS]


@pytest.mark.usefixtures("governance")
def test_once_a_document_is_active_the_next_step_is_told(
    terminal: Start, authority: FakeAuthority, served: ServedGovernance
) -> None:
    asking(served, authority)
    lmx = terminal("guardrails", "activate", "2")
    lmx.wait_for("> ")
    lmx.type(typed_for(served.governance, WAITS) + "\n")
    assert lmx.ended() == 0
    assert lmx.screen.rstrip().endswith("lmx guardrails recompile --version 2")


@pytest.mark.usefixtures("governance")
def test_a_key_that_proposes_only_is_told_who_decides_and_reads_no_ask(
    lmx: Run, authority: FakeAuthority, served: ServedGovernance
) -> None:
    asking(served, authority)
    shown = authority.guardrails
    assert shown is not None
    made = shown(Asked("POST", "", {}, None, None))
    made["you"] |= {"may_approve": False, "why_not": "An advisor decides on nothing."}
    authority.guardrails = lambda _: made
    served.actor = Actor("key:0123abcd", "me", frozenset({Role.ADVISOR}))
    ended = lmx("guardrails", "add", "large", said.INTENT)
    assert ended.code == 4
    assert "An advisor decides on nothing." in ended.err
    assert [asked.path for asked in authority.asked] == [f"{ROOT}/tasks"]
    assert state(served.governance, WAITS) == "pending"


def test_what_decides_already_is_not_asked_for_again(lmx: Run, authority: FakeAuthority) -> None:
    authority.guardrails = lambda _: {"ask": None, "task": said.TASK}
    ended = lmx("guardrails", "add", "blocked-attempts", said.INTENT)
    assert ended.code == 0
    assert "bound already: blocked-attempts" in ended.out


# --- decisions ----------------------------------------------------------------------------------


def test_decisions_are_asked_for_as_they_were_filtered(lmx: Run, answering: FakeAuthority) -> None:
    filters = ("--task", "a", "--point", "load", "--outcome", "block", "--limit", "5")
    ended = lmx("guardrails", "decisions", *filters, "--cursor", "9")
    assert ended.code == 0
    assert answering.last(f"{ROOT}/decisions").query == {
        "task": "a",
        "point": "load",
        "outcome": "block",
        "limit": "5",
        "cursor": "9",
    }
    for part in ("0a1b2c3d4e5f", "2026-09-21T14:13:20.123Z", "verified-formats", "lab/a"):
        assert part in ended.out
    assert "--cursor 6" in ended.err


def test_explaining_says_first_what_decided(lmx: Run, answering: FakeAuthority) -> None:
    out = lmx("guardrails", "explain", "0a1b2c").out
    assert out.strip().startswith("verified-formats blocks")
    assert "insufficient_history" in out
    assert "2026-09-21T14:13:20.123Z" in out


def test_a_replay_that_is_identical_ends_well(lmx: Run, answering: FakeAuthority) -> None:
    ended = lmx("guardrails", "replay", "--since", "2026-01-31")
    assert (ended.code, ended.err) == (0, "")
    assert answering.last(f"{ROOT}/replay").body == {"since": "2026-01-31"}
    assert ended.out.split() == ["checked", "9", "identical", "9"]


@pytest.mark.parametrize(
    "found",
    [
        {"different": [{"id": "0a1b2c", "differences": ["outcome: block -> allow"]}]},
        {"identical": 9, "missing": ["decisions 3 to 4", "cd" * 32]},
    ],
)
def test_a_replay_that_differs_fails_and_says_where(
    lmx: Run, authority: FakeAuthority, found: dict[str, Any]
) -> None:
    authority.guardrails = lambda _: {**said.REPLAYED, "identical": 8, **found}
    ended = lmx("guardrails", "replay")
    assert ended.code == 1
    assert "0a1b2c" in ended.out or "cd" * 32 in ended.out
    assert "lmx ledger verify" in ended.err
    assert lmx("guardrails", "replay", "--json").code == 1
