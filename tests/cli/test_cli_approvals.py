"""`lmx approvals` beside approving: the one flow, what was measured, the list, saying no."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.authority.approvals.transitions import State
from app.cli import asking
from app.cli.connection import connected
from app.cli.outcomes import CommandError, ExitCode
from app.domain.actors import Actor, Role
from tests.cli.asks import WAITS, state, typed_for
from tests.cli.runs import Run, Terminal
from tests.fakes.authority_http import FakeAuthority
from tests.fakes.governance import FakeGovernance
from tests.fakes.governance_http import ServedGovernance

Start = Callable[..., Terminal]
AUDITOR = Actor("key:0123abcd", "me", frozenset({Role.OPERATOR}))
SECRET = "lmx_89abcdef_" + "s" * 43


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


def test_an_ask_whose_plan_was_altered_is_listed_as_such(
    lmx: Run, governance: FakeGovernance
) -> None:
    governance.asks[WAITS].update(irreversible=True, altered="The bytes are others.")
    assert "ALTERED" in lmx("approvals", "ls").out


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
