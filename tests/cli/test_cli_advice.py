"""`lmx advice ls` and `show`: what is proposed; what advisors wrote stays text."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from app.cli import text
from app.domain.advice.proposals import PREDICTIONS
from tests.cli.runs import Run, Terminal, squeezed
from tests.fakes import advice_answers as told
from tests.fakes.authority_http import FakeAuthority, problem_of

ROOT = "/authority/proposals"
ONE = f"{ROOT}/0badcafe"


# --- looking ------------------------------------------------------------------------------------


def test_open_proposals_are_listed_with_what_the_authority_would_say(
    lmx: Run, advising: FakeAuthority
) -> None:
    refused = told.OPEN | {"id": "1badcafe", "would": told.REFUSED_WOULD}
    done = told.OPEN | {"id": "2badcafe", "would": {"what": "done"}}
    advising.scripted[ROOT] = {"proposals": [told.OPEN, refused, done], "next": "17-0badcafe"}
    ended = lmx("advice", "ls")
    assert ended.code == 0
    assert advising.last(ROOT).query == {"state": "open", "limit": "20"}
    lines = ended.out.splitlines()[1:]
    assert "would ask" in lines[0]
    assert "REFUSED: It needs 9 GiB and 4 GiB are free." in lines[1]
    assert "would be done" in lines[2]
    assert "--cursor 17-0badcafe" in ended.err
    assert "lmx advice accept PROPOSAL --reason TEXT" in ended.err


def test_a_list_is_asked_for_by_state_kind_and_author(lmx: Run, advising: FakeAuthority) -> None:
    options = ("--state", "all", "--kind", "delete", "--author", "key:1", "--limit", "3")
    assert lmx("advice", "ls", *options).code == 0
    assert advising.last(ROOT).query == {"kind": "delete", "author": "key:1", "limit": "3"}
    advising.scripted[ROOT] = {"proposals": [told.DECIDED], "next": None}
    assert "accepted, done" in lmx("advice", "ls", "--state", "accepted").out


def test_that_there_is_nothing_is_said(lmx: Run, advising: FakeAuthority) -> None:
    advising.scripted[ROOT] = {"proposals": [], "next": None}
    ended = lmx("advice", "ls")
    assert (ended.code, ended.out) == (0, "")
    assert "lmx advice run housekeeping" in ended.err
    assert "No proposal is like that" in lmx("advice", "ls", "--kind", "pin").err
    assert "No proposal is like that" in lmx("advice", "ls", "--state", "dismissed").err


def test_a_proposal_is_shown_with_its_evidence_and_what_accepting_would_do(
    lmx: Run, advising: FakeAuthority
) -> None:
    ended = lmx("advice", "show", "0badcafe")
    assert "lmx advice accept 0badcafe --reason TEXT" in ended.err
    shown = squeezed(ended.out)
    for part in (
        "proposal 0badcafe, open what delete",
        "what delete lab/echo",
        "why Nobody asked it in 60 days.",
        "assumes That nobody will.",
        "sure 80 %, it says of itself",
        "predicts disk freed 3.0 GiB",
        "evidence each was compared with the snapshot it names",
        "models > lab/echo > last_used_us: 2026-09-21T",
        "models > lab/echo > frees_bytes: 3.0 GiB",
        "from advisor:housekeeping",
        "proposed 2 times",
        f"digest {told.DIGEST}",
        "accepting would ask",
        "3.0 GiB would go to the trash",
    ):
        assert part in shown


def test_what_was_decided_is_shown_with_what_came_of_it(lmx: Run, advising: FakeAuthority) -> None:
    advising.scripted[ONE] = told.DECIDED
    shown = squeezed(lmx("advice", "show", "0badcafe").out)
    for part in (
        "0badcafe, accepted, done",
        "by p-00000001",
        "because It is old.",
        "lmx runs show efefefef",
        "measured disk freed 2.0 GiB",
        "verdict came true",
    ):
        assert part in shown
    assert "accepting" not in shown


def test_what_would_be_refused_says_that_accepting_is_no_use(
    lmx: Run, advising: FakeAuthority
) -> None:
    advising.scripted[ONE] = told.SHOWN | {"would": told.REFUSED_WOULD}
    ended = lmx("advice", "show", "0badcafe")
    assert squeezed(ended.out).endswith("accepting REFUSED: It needs 9 GiB and 4 GiB are free.")
    assert "accepting it now would do nothing" in ended.err
    assert "lmx advice accept" not in ended.err


def test_evidence_that_was_not_checked_says_so(lmx: Run, advising: FakeAuthority) -> None:
    advising.scripted[ONE] = told.SHOWN | {"evidence_holds": None}
    assert "NOT CHECKED" in lmx("advice", "show", "0badcafe").out


def test_a_change_is_shown_whole(lmx: Run, advising: FakeAuthority) -> None:
    change = {"kind": "route", "target": "default", "change": {"models": ["lab/a", "lab/b"]}}
    advising.scripted[ONE] = told.SHOWN | change
    out = squeezed(lmx("advice", "show", "0badcafe").out)
    assert "what route default: lab/a, then lab/b" in out
    for idle, shown in ((7_200, "idle 2 h"), (0, "idle never"), (None, "idle as the settings say")):
        terms = {"kind": "terms", "target": "lab/a", "change": {"context": 512, "idle_s": idle}}
        advising.scripted[ONE] = told.SHOWN | terms
        out = squeezed(lmx("advice", "show", "0badcafe").out)
        assert f"what terms lab/a: context 512; {shown} " in out


def test_every_prediction_has_words_of_its_own(lmx: Run, advising: FakeAuthority) -> None:
    advising.scripted[ONE] = told.SHOWN | {"predicts": dict.fromkeys(PREDICTIONS, 5)}
    shown = squeezed(lmx("advice", "show", "0badcafe").out)
    assert not [name for name in PREDICTIONS if name in shown]


# --- untrusted text -----------------------------------------------------------------------------


def tricked(value: Any) -> Any:
    """The same with tricks in every text that an advisor could have written."""
    if isinstance(value, dict):
        return {name: tricked(one) for name, one in value.items()}
    if isinstance(value, list):
        return [tricked(one) for one in value]
    return value + told.TRICKS if isinstance(value, str) else value


@pytest.mark.parametrize(
    "command", ["ls", "show 0badcafe", "advisors", "run residency", "scorecard", "snapshot"]
)
def test_what_an_advisor_wrote_is_shown_as_text_and_drives_no_terminal(
    lmx: Run, advising: FakeAuthority, command: str
) -> None:
    kept = {name: tricked(answer) for name, answer in advising.scripted.items()}
    advising.scripted = kept | {ROOT: {"proposals": [tricked(told.OPEN)], "next": None}}
    ended = lmx("advice", *command.split())
    for shown in (ended.out, ended.err):
        assert text.clean(shown, keep="\n") == shown
    assert told.ESCAPED in ended.out


@pytest.mark.parametrize(
    "command",
    [
        *("ls", "show 0badcafe", "accept 0badcafe --reason a", "dismiss 0badcafe --reason a"),
        *("advisors", "run residency", "scorecard", "snapshot", "replay residency"),
    ],
)
def test_json_is_what_the_server_said_and_ascii(
    lmx: Run, advising: FakeAuthority, command: str
) -> None:
    ended = lmx("advice", *command.split(), "--json")
    assert (ended.code, ended.err) == (0, "")
    assert json.loads(ended.out) in advising.scripted.values()
    assert ended.out.isascii()


@pytest.mark.parametrize("name", ["../../keys", "a/b", "", "0BADCAFE", "0b", "0badcafe0"])
def test_an_id_can_be_no_other_address(lmx: Run, advising: FakeAuthority, name: str) -> None:
    for command in (("show",), ("accept", "--reason", "a"), ("dismiss", "--reason", "a")):
        assert lmx("advice", *command, name).code == 2
    assert not advising.asked


def test_how_an_id_begins_will_do(lmx: Run, advising: FakeAuthority) -> None:
    advising.scripted[f"{ROOT}/0ba"] = told.SHOWN
    assert lmx("advice", "show", "0ba").code == 0


@pytest.mark.parametrize("name", ["../keys", "a/b", "", "a b"])
def test_an_advisors_name_can_be_no_other_address(
    lmx: Run, advising: FakeAuthority, name: str
) -> None:
    assert lmx("advice", "run", name).code == lmx("advice", "replay", name).code == 2
    assert not advising.asked


@pytest.mark.parametrize(
    ("code", "status", "exit_code"),
    [
        ("proposal_not_found", 404, 1),
        ("proposal_ended", 409, 3),
        ("too_many_proposals", 429, 3),
        ("advisor_not_found", 404, 1),
        ("advisor_busy", 409, 3),
        ("advisor_contained", 403, 3),
        ("proposal_invalid", 422, 2),
    ],
)
def test_a_refusal_ends_with_its_code(
    lmx: Run, authority: FakeAuthority, code: str, status: int, exit_code: int
) -> None:
    authority.problem = problem_of(code, "It cannot be.", status)
    ended = lmx("advice", "run", "residency")
    assert (ended.code, ended.out) == (exit_code, "")
    assert f"[{code}]" in ended.err


@pytest.mark.parametrize(
    "command", ["ls", "show 0badcafe", "advisors", "run residency", "scorecard", "snapshot"]
)
def test_it_is_legible_on_a_phone(
    terminal: Callable[..., Terminal], advising: FakeAuthority, command: str
) -> None:
    refused = told.OPEN | {"id": "1badcafe", "would": told.REFUSED_WOULD}
    advising.scripted[ROOT] = {"proposals": [told.OPEN, refused], "next": None}
    phone = terminal("advice", *command.split())
    assert phone.ended() == 0, phone.screen
    long = [line for line in phone.screen.splitlines() if len(line) > 60]
    assert [line for line in long if told.DIGEST not in line] == []
