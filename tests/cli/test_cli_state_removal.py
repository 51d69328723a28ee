"""`lmx service remove-state` removes nothing that was not approved."""

import json
from pathlib import Path

import pytest

from app.home import hold_home
from tests.cli.runs import Run
from tests.fakes.authority_http import FakeAuthority
from tests.fakes.home import Home, new_home
from tests.fakes.openings import filled


@pytest.fixture
def state(authority: FakeAuthority, tmp_path: Path) -> Home:
    made = new_home(tmp_path / "home")
    filled(made)
    made.stop()
    return made


def test_without_an_approval_nothing_goes(lmx: Run, state: Home) -> None:
    ended = lmx("service", "remove-state")
    assert ended.code == 3
    assert "Nobody has approved" in ended.err
    assert state.database.is_file()


def test_an_order_that_somebody_wrote_removes_nothing(lmx: Run, state: Home) -> None:
    (state.path / "run").mkdir()
    order = {"ask": "0badcafe", "plan": "ab" * 32}
    (state.path / "run/removal.json").write_text(json.dumps(order))
    ended = lmx("service", "remove-state")
    assert ended.code == 3
    assert "does not say that this was approved" in ended.err
    assert state.database.is_file()


def test_beside_a_running_server_it_is_asked_for(
    lmx: Run, state: Home, authority: FakeAuthority
) -> None:
    with hold_home(state.path):
        lmx("service", "remove-state", "--reason", "moving")
    asked = next(one for one in authority.asked if one.method == "POST")
    assert asked.path == "/authority/approvals"
    assert asked.body["params"] == {"what": "everything"}
    assert state.database.is_file()


def test_where_nothing_is_that_is_said(lmx: Run, authority: FakeAuthority) -> None:
    assert "nothing is there to remove" in lmx("service", "remove-state").err


def test_what_is_approved_is_not_asked_for_again(
    lmx: Run, state: Home, authority: FakeAuthority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.backups.removing.approved", lambda _: {})
    with hold_home(state.path):
        ended = lmx("service", "remove-state")
    assert (ended.code, authority.asked) == (0, [])
    assert "Stop the server" in ended.err
