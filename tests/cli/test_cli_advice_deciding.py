"""`lmx advice accept` and `dismiss`: what comes is shown, decided with a reason, and told after."""

import json

import pytest

from app.cli.outcomes import CommandError, ExitCode
from tests.cli.asks import WAITS
from tests.cli.runs import Run, squeezed
from tests.fakes import advice_answers as told
from tests.fakes.authority_http import FakeAuthority
from tests.fakes.governance import FakeGovernance

ONE = "/authority/proposals/0badcafe"


def test_accepting_shows_what_comes_and_names_the_digest_that_was_looked_at(
    lmx: Run, advising: FakeAuthority
) -> None:
    ended = lmx("advice", "accept", "0badcafe", "--reason", "It is old.")
    assert ended.code == 0
    assert advising.last(f"{ONE}/accept").body == {"reason": "It is old.", "digest": told.DIGEST}
    assert [asked.path for asked in advising.asked] == [ONE, f"{ONE}/accept"]
    told_before = squeezed(ended.err)
    assert "accepting delete lab/echo from advisor:housekeeping why Nobody asked" in told_before
    assert "outcome would ask" in told_before
    assert ended.out == "Done: delete lab/echo (run efefefef).\n"


def test_what_is_done_at_once_shows_its_arithmetic_first(lmx: Run, advising: FakeAuthority) -> None:
    advising.scripted[ONE] = told.SHOWN | {"would": {"what": "done"}}
    ended = lmx("advice", "accept", "0badcafe", "--reason", "a")
    assert "  3.0 GiB would go to the trash\n    for 24 hours\n" in ended.err


@pytest.mark.parametrize("command", ["accept", "dismiss"])
def test_a_decision_needs_a_reason(lmx: Run, advising: FakeAuthority, command: str) -> None:
    assert lmx("advice", command, "0badcafe").code == 2
    assert not advising.asked


def test_what_is_no_longer_open_is_not_accepted(lmx: Run, advising: FakeAuthority) -> None:
    advising.scripted[ONE] = told.DECIDED
    ended = lmx("advice", "accept", "0badcafe", "--reason", "a")
    assert ended.code == 3
    assert "is accepted" in ended.err
    assert f"{ONE}/accept" not in [asked.path for asked in advising.asked]


@pytest.mark.parametrize(
    ("outcome", "code", "said"),
    [("refused", 3, "does_not_fit"), ("unknown", 1, "not known"), (None, 1, "not known")],
)
def test_what_was_accepted_and_not_done_says_so(
    lmx: Run, advising: FakeAuthority, outcome: str | None, code: int, said: str
) -> None:
    came = {"outcome": outcome, "refusal": "does_not_fit", "run": None}
    advising.scripted[f"{ONE}/accept"] = told.DECIDED | came
    ended = lmx("advice", "accept", "0badcafe", "--reason", "a")
    assert (ended.code, ended.out) == (code, "")
    assert said in ended.err


def test_a_refusal_of_the_act_says_where_the_rest_is(lmx: Run, authority: FakeAuthority) -> None:
    authority.scripted = {ONE: told.SHOWN}
    ended = lmx("advice", "accept", "0badcafe", "--reason", "a")  # accepting has no such route here
    assert ended.code != 0
    assert "See: lmx advice show 0badcafe" in ended.err
    assert "has ended" not in ended.err


def test_a_refusal_of_the_act_says_that_the_decision_stands(
    lmx: Run, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority.scripted = {ONE: told.SHOWN}

    def refused(*_: object, **__: object) -> None:
        authority.scripted = {ONE: told.DECIDED | {"outcome": "refused", "refusal": "too_large"}}
        raise CommandError("It is pinned.", exit_code=ExitCode.REFUSED, problem={"code": "pinned"})

    monkeypatch.setattr("app.cli.connection.Server.post", refused)
    ended = lmx("advice", "accept", "0badcafe", "--reason", "a")
    assert ended.code == 3
    assert "Your yes is on record, nothing was done, and this proposal has ended." in ended.err


def test_what_needs_an_approval_waits_as_any_ask(
    lmx: Run, advising: FakeAuthority, governance: FakeGovernance
) -> None:
    del governance
    asked = told.DECIDED | {"outcome": "asked", "ask": WAITS, "run": None}
    advising.scripted[f"{ONE}/accept"] = asked
    ended = lmx("advice", "accept", "0badcafe", "--reason", "a")
    assert (ended.code, ended.out) == (4, "")
    assert f"lmx approvals approve {WAITS}" in ended.err
    assert "waiting for approval" in ended.err
    quiet = lmx("advice", "accept", "0badcafe", "--reason", "a", "--json")
    assert quiet.code == 4
    assert json.loads(quiet.out) == asked


def test_dismissing_says_what_was_dismissed(lmx: Run, advising: FakeAuthority) -> None:
    ended = lmx("advice", "dismiss", "0badcafe", "--reason", "It is used.")
    assert (ended.code, ended.out) == (0, "Dismissed: delete lab/echo.\n")
    assert advising.last(f"{ONE}/dismiss").body == {"reason": "It is used."}
