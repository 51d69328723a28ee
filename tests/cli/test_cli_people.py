"""People at the command line: who they are, and that a name is erased by a person's own typing."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.runs import PROGRAM, Run, Terminal, environment
from tests.fakes.authority_http import FakeAuthority, problem_of

Start = Callable[..., Terminal]
ADA = {
    "id": "p-0badcafe",
    "name": "Ada\x1b[2J\u202e",
    "erased": False,
    "created": 1_790_000_000,
    "keys": ["00000001", "00000002"],
}
GONE = {**ADA, "id": "p-00000002", "name": None, "erased": True, "keys": []}


def answering(authority: FakeAuthority, **more: Any) -> None:
    authority.raw = json.dumps({"people": [ADA, GONE], **more}).encode()


def test_people_are_listed_with_what_is_left_of_their_names(
    lmx: Run, authority: FakeAuthority
) -> None:
    answering(authority)
    ended = lmx("people", "ls")
    head, ada, gone = ended.out.splitlines()
    assert head.split() == ["ID", "NAME", "SINCE", "KEYS"]
    assert ada.startswith("p-0badcafe  Ada[2J ")
    assert ada.endswith("00000001 00000002")
    assert "(erased)" in gone
    assert json.loads(lmx("people", "ls", "--json").out)["people"][1]["name"] is None


def test_a_person_is_named_once_the_phrase_is_typed(
    terminal: Start, authority: FakeAuthority
) -> None:
    authority.raw = json.dumps({"id": "p-00000003", "name": "Ann Lee"}).encode()
    lmx = terminal("people", "add", "Ann Lee")
    lmx.wait_for("To go on, type: yes, add this person")
    assert authority.asked == []
    lmx.type("yes, add this person\n")
    assert lmx.ended() == 0
    asked = authority.last("/authority/people")
    assert asked.body == {"name": "Ann Lee", "confirmation": "yes, add this person"}
    assert "Ann Lee is p-00000003." in lmx.screen
    assert max(map(len, lmx.screen.splitlines())) <= 60


@pytest.mark.parametrize("name", ["", " Ann", "A\u200bnn", "A\x1bnn"])
def test_a_name_with_hidden_characters_is_not_sent(
    terminal: Start, authority: FakeAuthority, name: str
) -> None:
    assert terminal("people", "add", name).ended() == 2
    assert authority.asked == []


def test_a_name_is_erased_once_its_phrase_is_typed(
    terminal: Start, authority: FakeAuthority
) -> None:
    answering(authority, remains=["backups of lmx.db"])
    lmx = terminal("people", "erase", "p-0badcafe")
    lmx.wait_for("To go on, type: yes, erase the name of p-0badcafe")
    assert "p-0badcafe is Ada[2J." in lmx.screen
    assert [asked.method for asked in authority.asked] == ["GET"]
    lmx.type("yes, erase the name of p-0badcafe\n")
    assert lmx.ended() == 0
    asked = authority.last("/authority/people/p-0badcafe/erase")
    assert asked.body == {"confirmation": "yes, erase the name of p-0badcafe"}
    assert "It may still be in backups of lmx.db." in lmx.screen


@pytest.mark.parametrize("typed", ["yes\n", "\n", "yes, erase the name of p-00000002\n", "\x04"])
def test_anything_else_that_is_typed_erases_nothing(
    terminal: Start, authority: FakeAuthority, typed: str
) -> None:
    answering(authority)
    lmx = terminal("people", "erase", "p-0badcafe")
    lmx.wait_for("> ")
    lmx.type(typed)
    assert lmx.ended() == 3
    assert "Nothing was done." in lmx.screen
    assert all(asked.method == "GET" for asked in authority.asked)


def test_without_a_terminal_nothing_is_asked(authority: FakeAuthority) -> None:
    answering(authority)
    ended = subprocess.run(
        [*PROGRAM, "people", "erase", "p-0badcafe"],
        input=b"yes, erase the name of p-0badcafe\n",
        capture_output=True,
        env=environment(authority),
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (3, b"")
    assert b"no terminal" in ended.stderr
    assert authority.asked == []


@pytest.mark.parametrize(
    ("command", "path", "body"),
    [
        (
            ("ledger", "prune", "--before", "2026-01-31"),
            "/authority/ledger/prune",
            {"before_us": 1_769_817_600_000_000},
        ),
        (("ledger", "recover"), "/authority/ledger/recover", {}),
    ],
)
def test_what_needs_approvals_is_asked_for_and_refused(
    lmx: Run, authority: FakeAuthority, command: tuple[str, ...], path: str, body: object
) -> None:
    authority.problem = problem_of("approval_unavailable", "This needs two persons.", 403)
    ended = lmx(*command)
    assert (ended.code, ended.out) == (3, "")
    assert "This needs two persons. [approval_unavailable]" in ended.err
    assert authority.last(path).body == body


@pytest.mark.parametrize("day", ["yesterday", "2026-02-30", "1969-12-31", "2026-01-31T00:00", ""])
def test_a_day_that_is_none_is_not_sent(lmx: Run, authority: FakeAuthority, day: str) -> None:
    ended = lmx("ledger", "prune", "--before", day)
    assert ended.code == 2
    assert "is not a day" in ended.err
    assert authority.asked == []
