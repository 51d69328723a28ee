"""`lmx doctor`: what stands, what does not, why, and what to do."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest

from app.cli import text, version
from app.cli.doctor import CURES
from app.cli.walls import in_short
from app.domain.advice.contained import Wall
from app.walled import landlock, limits, sandbox, seccomp, telltale
from tests.cli.runs import Run, Terminal
from tests.fakes import advice_answers as told
from tests.fakes.authority_http import FakeAuthority, problem_of

ROOT = Path(__file__).parents[2]
BESIDE = 8  # checks of a server that answers: port, itself, and what its status says
WHOLE = {"advisors": [], "walls": [{"name": "own process", "stands": True, "why": ""}]}


@pytest.fixture(autouse=True)
def served_well(authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine is left out: what it is like is no matter of these tests."""
    monkeypatch.setattr("app.cli.doctor._here", lambda: ())
    authority.scripted["/readyz"] = {"parts": {"ledger": True}}
    authority.in_force["version"] = version.installed_release()


def test_everything_stands(lmx: Run, authority: FakeAuthority) -> None:
    authority.scripted["/authority/advisors"] = WHOLE
    ended = lmx("doctor")
    assert (ended.code, ended.err) == (0, "")
    names = [line.split()[0] for line in ended.out.splitlines()]
    assert {"port", "server", "release", "ledger", "wall:"} <= set(names)
    assert len(names) == BESIDE + 1
    assert json.loads(lmx("doctor", "--json").out)["whole"] is True


def test_a_wall_that_does_not_stand_says_why_and_what_to_do(
    lmx: Run, authority: FakeAuthority
) -> None:
    authority.scripted["/authority/advisors"] = told.ADVISORS
    ended = lmx("doctor")
    assert ended.code == 1
    shown = " ".join(ended.out.split())
    assert "wall: landlock DOES NOT STAND why This kernel has none. do " in shown
    assert f"1 of {BESIDE + 2} does not stand: wall: landlock" in ended.err
    checks = json.loads(lmx("doctor", "--json").out)["checks"]
    assert [check["stands"] for check in checks] == [True] * (BESIDE + 1) + [False]
    assert all(bool(check["do"]) is not check["stands"] for check in checks)


def test_a_wall_that_this_system_never_has_is_named_and_no_failure(
    lmx: Run, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as on_a_mac:
        on_a_mac.setattr("app.walled.limits._set", lambda *_: True)
        on_a_mac.setattr("app.walled.limits.sys.platform", "darwin")
        walls = [
            limits.raise_limits(limits.Allowance(address_bytes=1, cpu_s=1, alarm_s=1)),
            limits.end_with_parent(None, 1),
            Wall("sandbox", stands=True),
        ]
    answer = {"advisors": [], "walls": [asdict(wall) for wall in walls]}
    authority.scripted["/authority/advisors"] = answer
    ended = lmx("doctor")
    assert (ended.code, ended.err) == (0, "")
    assert ended.out.count("not on this system: ") == 2
    told_as_json = json.loads(lmx("doctor", "--json").out)
    assert told_as_json["whole"] is True
    walls = [check["needed"] for check in told_as_json["checks"][BESIDE:]]
    assert walls == [False, False, True]
    assert lmx("advice", "advisors").out.count("not on this system: ") == 2
    assert in_short(answer["walls"]) == (
        "1 stand around advisors; this system never has limits, ends-with-parent"
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("limits", "not limited: processes, memory (the server watches it)"),
        ("ends-with-parent", "the kernel said: Operation not permitted"),
        ("sandbox", "only Linux can: the alarm ends it instead"),
        ("limits", ""),
    ],
)
def test_a_wall_that_should_stand_here_is_a_failure_whatever_others_never_have(
    lmx: Run, authority: FakeAuthority, name: str, why: str
) -> None:
    wall = {"name": name, "stands": False, "why": why}
    authority.scripted["/authority/advisors"] = {"advisors": [], "walls": [wall]}
    ended = lmx("doctor")
    assert ended.code == 1
    assert "DOES NOT STAND" in ended.out
    assert in_short([wall]) == f"NOT ALL STAND around advisors: {name} (lmx doctor)"


def test_what_doctor_says_to_do_is_about_walls_that_there_are() -> None:
    walls = {
        value
        for module in (landlock, limits, sandbox, seccomp, telltale)
        for name, value in vars(module).items()
        if name.isupper() and isinstance(value, str) and name != "PROFILE"
    }
    assert len(walls) >= 11
    assert set(CURES) <= walls
    page = (ROOT / "docs" / "advice.md").read_text("utf-8").partition("## Walls")[2]
    assert [wall for wall in sorted(walls) if f"`{wall}`" not in page] == []


def test_a_server_that_does_not_answer_is_what_is_missing(
    lmx: Run, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMX_URL", "http://127.0.0.1:9")
    ended = lmx("doctor")
    assert ended.code == 1
    assert "make run" in ended.out
    assert not authority.asked


def test_a_key_that_may_not_look_is_told_which_may(lmx: Run, authority: FakeAuthority) -> None:
    authority.problem = problem_of("forbidden", "This needs another key.", 403)
    ended = lmx("doctor")
    assert ended.code == 1
    assert "LMX_KEY" in ended.out


def test_a_server_that_names_no_walls_is_not_taken_for_whole(
    lmx: Run, authority: FakeAuthority
) -> None:
    authority.scripted["/authority/advisors"] = {"advisors": [], "walls": []}
    assert lmx("doctor").code == 1


def test_it_is_safe_and_legible_on_a_phone(
    terminal: Callable[..., Terminal], authority: FakeAuthority
) -> None:
    wall = {"name": f"landlock{told.TRICKS}", "stands": False, "why": f"no{told.TRICKS} " * 9}
    authority.scripted["/authority/advisors"] = {"advisors": [], "walls": [wall]}
    phone = terminal("doctor")
    assert phone.ended() == 1
    assert max(map(len, phone.screen.splitlines())) <= 60
    assert text.clean(phone.screen, keep="\n") == phone.screen
