"""`lmx approvals approve`: what a person sees at 60 columns and types, and what nothing skips."""

import subprocess
from collections.abc import Callable
from signal import SIGINT
from typing import Any

import pytest

from app.authority.approvals.transitions import State
from app.domain.actors import Actor, Role
from tests.cli.asks import WAITS, state, typed_for
from tests.cli.runs import PROGRAM, Run, Terminal, environment
from tests.fakes.authority_http import FakeAuthority
from tests.fakes.governance import FakeGovernance
from tests.fakes.governance_http import ServedGovernance

Start = Callable[..., Terminal]
AUDITOR = Actor("key:0123abcd", "me", frozenset({Role.OPERATOR}))


def test_typing_the_phrase_and_the_end_of_the_hash_approves_and_executes(
    terminal: Start, governance: FakeGovernance
) -> None:
    lmx = terminal("approvals", "approve", WAITS[:3])
    lmx.wait_for("> ")
    assert state(governance) == "pending"
    lmx.type(typed_for(governance) + "\n")
    assert lmx.ended() == 0
    assert governance.done == [WAITS]
    assert "Done: 5.0 MiB freed, 3 files." in lmx.screen


def test_the_whole_screen_is_legible_on_a_phone(
    terminal: Start, governance: FakeGovernance
) -> None:
    lmx = terminal("approvals", "approve", WAITS)
    lmx.wait_for("> ")
    assert max(len(line) for line in lmx.screen.splitlines()) <= 60
    for part in ("delete lab/echo", "WHO ASKS", typed_for(governance), "UNTRUSTED"):
        assert part in lmx.screen
    assert "  | Not used \\u202eany\\x1b[2J more." in lmx.screen
    assert "\x1b" not in lmx.screen


def test_only_approves_and_leaves_executing_to_somebody_else(
    terminal: Start, governance: FakeGovernance, lmx: Run
) -> None:
    screen = terminal("approvals", "approve", WAITS, "--only")
    screen.wait_for("> ")
    screen.type(typed_for(governance) + "\n")
    assert screen.ended() == 0
    assert (state(governance), governance.done) == ("approved", [])
    assert lmx("approvals", "execute", WAITS).code == 0
    assert governance.done == [WAITS]


def test_what_only_who_asked_may_execute_is_left_to_them(
    terminal: Start, served: ServedGovernance, authority: FakeAuthority
) -> None:
    served.governance.add(WAITS, State.PENDING)

    def for_somebody_else(asked: Any) -> Any:
        shown = served(asked)
        return shown | {"you": shown["you"] | {"may_execute": False}}

    authority.approvals = for_somebody_else
    lmx = terminal("approvals", "approve", WAITS)
    lmx.wait_for("> ")
    lmx.type(typed_for(served.governance) + "\n")
    assert lmx.ended() == 0
    assert "Who asked executes it" in lmx.screen
    assert (state(served.governance), served.governance.done) == ("approved", [])


def test_a_slip_can_be_corrected(terminal: Start, governance: FakeGovernance) -> None:
    lmx = terminal("approvals", "approve", WAITS)
    lmx.wait_for("> ")
    lmx.type("yes, delete lab/ecoh\n")
    lmx.wait_for("2 more tries")
    lmx.type(typed_for(governance) + "\n")
    assert lmx.ended() == 0
    assert governance.done == [WAITS]


@pytest.mark.parametrize("wrong", ["yes", "y", "", "yes, delete lab/echo", "YES, DELETE LAB/ECHO"])
def test_three_wrong_phrases_decide_nothing(
    terminal: Start, governance: FakeGovernance, authority: FakeAuthority, wrong: str
) -> None:
    lmx = terminal("approvals", "approve", WAITS)
    lmx.wait_for("> ")
    lmx.type(f"{wrong}\n" * 3 + f"{typed_for(governance)}\n")
    assert lmx.ended() == 3
    assert "Nothing was decided" in lmx.screen
    assert state(governance) == "pending"
    assert {asked.method for asked in authority.asked} == {"GET"}


def test_ctrl_d_decides_nothing_and_says_so(terminal: Start, governance: FakeGovernance) -> None:
    lmx = terminal("approvals", "approve", WAITS)
    lmx.wait_for("> ")
    lmx.type("\x04")
    assert lmx.ended() == 3
    assert "Nothing was decided" in lmx.screen
    assert state(governance) == "pending"


def test_ctrl_c_decides_nothing_and_says_so(terminal: Start, governance: FakeGovernance) -> None:
    lmx = terminal("approvals", "approve", WAITS)
    lmx.wait_for("> ")
    lmx.process.send_signal(SIGINT)
    assert lmx.ended() == 3
    assert "Nothing was decided" in lmx.screen
    assert state(governance) == "pending"


@pytest.mark.parametrize("flag", ["--yes", "-y", "--force", "--confirmation=yes", "--no-input"])
def test_no_flag_skips_the_typing(terminal: Start, governance: FakeGovernance, flag: str) -> None:
    assert terminal("approvals", "approve", WAITS, flag).ended() == 2
    assert state(governance) == "pending"


def test_without_a_terminal_it_refuses_even_when_the_phrase_is_piped_in(
    authority: FakeAuthority, governance: FakeGovernance
) -> None:
    ended = subprocess.run(
        [*PROGRAM, "approvals", "approve", WAITS],
        input=typed_for(governance).encode() + b"\n",
        capture_output=True,
        env=environment(authority),
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert b"no terminal" in ended.stderr
    assert authority.asked == []


def test_a_plan_that_changed_while_it_was_read_is_not_approved(
    terminal: Start, governance: FakeGovernance
) -> None:
    lmx = terminal("approvals", "approve", WAITS)
    lmx.wait_for("> ")
    was = typed_for(governance)
    governance.add(WAITS, State.PENDING, "Something else.")
    lmx.type(was + "\n")
    assert lmx.ended() == 3
    assert "changed while you read it" in " ".join(lmx.screen.split())
    assert state(governance) == "pending"


@pytest.mark.parametrize(
    "hint", ["yes", "yes, delete lab/echo 000000", "yes, delete \u202elab/echo"]
)
def test_a_phrase_that_is_not_of_the_plan_is_not_typed(
    terminal: Start, served: ServedGovernance, authority: FakeAuthority, hint: str
) -> None:
    served.governance.add(WAITS, State.PENDING)

    def lying(asked: Any) -> Any:
        return served(asked) | {"typed_hint": hint}

    authority.approvals = lying
    lmx = terminal("approvals", "approve", WAITS)
    assert lmx.ended() == 1
    assert "do not agree" in " ".join(lmx.screen.split())
    assert state(served.governance) == "pending"


@pytest.mark.parametrize(
    ("now", "says"),
    [(State.APPROVED, "is approved already"), (State.EXPIRED, "waits for no approval")],
)
def test_what_is_decided_already_is_not_asked_about(
    terminal: Start, served: ServedGovernance, now: State, says: str
) -> None:
    served.governance.add(WAITS, now)
    lmx = terminal("approvals", "approve", WAITS)
    assert lmx.ended() == 3
    assert says in " ".join(lmx.screen.split())


def test_a_key_that_may_not_decide_is_told_why(
    terminal: Start, served: ServedGovernance, governance: FakeGovernance
) -> None:
    served.actor = AUDITOR
    lmx = terminal("approvals", "approve", WAITS)
    assert lmx.ended() == 3
    assert "needs a key with the role approver" in " ".join(lmx.screen.split())
    assert state(governance) == "pending"
