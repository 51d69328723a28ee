"""`lmx approvals`: what a person sees and types, at 60 columns, and what is never done for them."""

import json
import subprocess
from collections.abc import Callable
from signal import SIGINT
from typing import Any

import pytest

from app.authority.approvals.transitions import State
from app.cli import asking
from app.cli.connection import connected
from app.cli.outcomes import CommandError, ExitCode
from app.domain.actors import Actor, Role
from tests.cli.runs import PROGRAM, Run, Terminal, environment
from tests.fakes.authority_http import FakeAuthority
from tests.fakes.governance import FakeGovernance
from tests.fakes.governance_http import ServedGovernance

Start = Callable[..., Terminal]
WAITS = "0a0a0a0a"
AUDITOR = Actor("key:0123abcd", "me", frozenset({Role.OPERATOR}))
SECRET = "lmx_89abcdef_" + "s" * 43


@pytest.fixture
def served(authority: FakeAuthority) -> ServedGovernance:
    served = ServedGovernance()
    authority.approvals = served
    return served


@pytest.fixture
def governance(served: ServedGovernance) -> FakeGovernance:
    served.governance.add(WAITS, State.PENDING, "Not used \u202eany\x1b[2J more.")
    return served.governance


def typed_for(governance: FakeGovernance, ask: str = WAITS) -> str:
    return governance.plans[ask].typed


def state(governance: FakeGovernance, ask: str = WAITS) -> str:
    return str(governance.asks[ask]["state"])


# --- approving ----------------------------------------------------------------------------------


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


# --- the one flow -------------------------------------------------------------------------------


def ask(authority: FakeAuthority, **more: Any) -> asking.Outcome:
    with connected(authority.url) as server:
        return asking.governed(server, "model_delete", {"model": "lab/echo"}, **more)


def test_a_command_whose_act_needs_an_approval_waits_for_it_without_a_terminal(
    authority: FakeAuthority, served: ServedGovernance, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(CommandError) as ended:
        ask(authority, reason="Old.", subject_note="This deletes lab/echo.")
    assert ended.value.exit_code == ExitCode.WAITING
    made = next(iter(served.governance.asks))
    said = capsys.readouterr()
    assert said.out == ""
    for part in (
        "This deletes lab/echo.",
        "HASH OF THIS PLAN",
        f"lmx approvals approve {made}",
        f"and then types:    {typed_for(served.governance, made)}",
    ):
        assert part in said.err
    assert state(served.governance, made) == "pending"
    assert served.governance.asks[made]["reason"] == "Old."


def test_who_may_not_approve_is_told_who_has_to(
    authority: FakeAuthority,
    served: ServedGovernance,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    served.actor = AUDITOR
    monkeypatch.setattr("app.cli.confirmation.has_terminal", lambda: True)
    with pytest.raises(CommandError) as ended:
        ask(authority)
    assert ended.value.exit_code == ExitCode.WAITING
    assert "This key cannot approve it" in capsys.readouterr().err


def test_asking_again_at_a_terminal_goes_all_the_way(
    terminal: Start, served: ServedGovernance
) -> None:
    served.governance.add(WAITS, State.EXPIRED)
    lmx = terminal("approvals", "again", WAITS)
    lmx.wait_for("> ")
    made = next(name for name in served.governance.asks if name != WAITS)
    lmx.type(typed_for(served.governance, made) + "\n")
    assert lmx.ended() == 0
    assert served.governance.done == [made]


# --- what was measured --------------------------------------------------------------------------


def test_what_was_done_in_part_names_every_file_that_failed(
    lmx: Run, served: ServedGovernance
) -> None:
    served.governance.add(WAITS, State.APPROVED)
    failed = ["a.safetensors: permission denied", "b\x1b[2J.json: busy"]
    served.governance.effect |= {"outcome": "partial", "freed_bytes": 2048, "failed": failed}
    ended = lmx("approvals", "execute", WAITS)
    assert ended.code == 1
    for part in (
        "failed: a.safetensors: permission denied",
        "failed: b[2J.json: busy",
        "2.0 KiB freed",
        f"lmx approvals execute {WAITS}",
    ):
        assert part in ended.err


def test_what_failed_says_that_nothing_changed(lmx: Run, served: ServedGovernance) -> None:
    served.governance.add(WAITS, State.APPROVED)
    served.governance.effect |= {"outcome": "failed", "reason": "The disk is gone."}
    ended = lmx("approvals", "execute", WAITS)
    assert ended.code == 1
    assert "changed nothing: The disk is gone." in ended.err


def test_a_new_secret_is_alone_on_stdout_and_shown_once(lmx: Run, served: ServedGovernance) -> None:
    served.governance.add(WAITS, State.APPROVED)
    served.answer = {"secret": SECRET}
    ended = lmx("approvals", "execute", WAITS)
    assert (ended.code, ended.out) == (0, f"{SECRET}\n")
    assert SECRET not in ended.err
    assert "only time" in ended.err


# --- the rest -----------------------------------------------------------------------------------


def test_what_cannot_be_undone_stands_first_then_what_is_big_then_what_is_old(
    lmx: Run, served: ServedGovernance
) -> None:
    add = served.governance.add
    rows = [
        ("11111111", {"irreversible": False, "bytes_freed": 9_000_000, "created_us": 1}),
        ("22222222", {"irreversible": True, "bytes_freed": 5, "created_us": 3}),
        ("33333333", {"irreversible": True, "bytes_freed": 5, "created_us": 2}),
        ("44444444", {"irreversible": True, "bytes_freed": 900, "created_us": 9}),
    ]
    for name, risk in rows:
        add(name, State.PENDING).update(risk)
    add("55555555", State.EXPIRED)["ended_us"] = 7
    ended = lmx("approvals", "ls", "--json")
    order = [ask["id"] for ask in json.loads(ended.out)["asks"]]
    assert order == ["44444444", "33333333", "22222222", "11111111"]
    everything = json.loads(lmx("approvals", "ls", "--all", "--json").out)["asks"]
    assert [ask["id"] for ask in everything][-1] == "55555555"


def test_the_list_shows_age_and_deadline(lmx: Run, governance: FakeGovernance) -> None:
    governance.asks[WAITS]["approve_by_us"] = 9_000_000_000_000_000
    line = lmx("approvals", "ls").out.splitlines()[1]
    assert line.startswith(f"{WAITS}  model_delete  lab/echo  pending")
    assert " d" in line
    assert "  in " in line


def test_an_empty_list_says_so(lmx: Run, served: ServedGovernance) -> None:
    ended = lmx("approvals", "ls")
    assert (ended.code, ended.out, ended.err) == (0, "", "Nothing waits for an approval.\n")


def test_an_ask_is_shown_whole_and_never_its_challenge(
    lmx: Run, governance: FakeGovernance
) -> None:
    shown = lmx("approvals", "show", WAITS)
    assert shown.code == 0
    assert f"  {typed_for(governance)}\n" in shown.out
    parsed = json.loads(lmx("approvals", "show", WAITS, "--json").out)
    assert "challenge" not in parsed
    assert parsed["plan_hash"] == governance.plans[WAITS].hash


def test_saying_no_needs_a_reason_and_no_typing(lmx: Run, served: ServedGovernance) -> None:
    served.governance.add(WAITS, State.PENDING)
    assert lmx("approvals", "reject", WAITS).code == 2
    assert lmx("approvals", "reject", WAITS, "--reason", " ").code == 2
    ended = lmx("approvals", "reject", WAITS, "--reason", "It is needed.")
    assert (ended.code, ended.out) == (0, f"Ask {WAITS} is rejected.\n")
    assert served.governance.asks[WAITS]["why"] == "It is needed."


def test_what_was_approved_is_vetoed(lmx: Run, served: ServedGovernance) -> None:
    served.governance.add(WAITS, State.APPROVED)
    ended = lmx("approvals", "veto", WAITS, "--reason", "Wait.")
    assert (ended.code, ended.out) == (0, f"Ask {WAITS} is revoked.\n")
    assert lmx("approvals", "execute", WAITS).code == 3


def test_an_ask_is_taken_back(lmx: Run, governance: FakeGovernance) -> None:
    assert lmx("approvals", "withdraw", WAITS).out == f"Ask {WAITS} is withdrawn.\n"


def test_the_kinds_of_acts_are_listed_with_what_is_typed(lmx: Run, served: Any) -> None:
    ended = lmx("approvals", "acts")
    assert ended.code == 0
    assert "yes, delete NAME" in ended.out


@pytest.mark.parametrize("wrong", ["0a", "0A0A0A0A", "../keys", "0a0a0a0a0", "nowhere"])
def test_what_is_no_id_is_not_sent(lmx: Run, authority: FakeAuthority, wrong: str) -> None:
    for command in ("show", "execute", "withdraw", "again"):
        assert lmx("approvals", command, wrong).code == 2
    assert authority.asked == []


def test_an_ambiguous_or_unknown_beginning_finds_nothing(
    lmx: Run, governance: FakeGovernance
) -> None:
    governance.add("0a0a0fff", State.PENDING)
    assert lmx("approvals", "show", "0a0a0").code == 1
    assert lmx("approvals", "show", "0a0a0f").code == 0
    assert lmx("approvals", "show", "fff").code == 1
