"""A lost operator's key is replaced at the console: on record, and without making an approver."""

import stat
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.keys import Keys, OperatorKey
from app.authority.keys.operator_file import FileState
from app.authority.keys.recovering import Recovered, recover
from app.authority.ledger import Kind, Ledger
from app.domain.actors import Role
from app.domain.refusals import KeyInvalid, StartRefused
from tests.fakes.clock import FixedClock
from tests.fakes.warrants import create_key
from tests.unit.keys.conftest import begin


def recovered(ledger: Ledger, engine: Engine, home: Path, *, solo: bool = True) -> Recovered:
    return recover(ledger, engine, FixedClock(), home / "operator.key", solo=solo)


@pytest.fixture
def lost(keys: Keys, operator: OperatorKey, secret: str) -> str:
    """The secret of a key whose file is gone."""
    operator.path.unlink()
    return secret


def test_a_new_key_lies_in_its_place_and_the_lost_one_is_refused(
    ledger: Ledger, engine: Engine, home: Path, lost: str, operator: OperatorKey
) -> None:
    made = recovered(ledger, engine, home)
    after = Keys(ledger, engine, FixedClock())
    actor = after.identify_strict((home / "operator.key").read_text().strip())
    assert (actor.id, made.revoked) == (f"key:{made.key.id}", (operator.id,))
    assert {Role.OPERATOR, Role.APPROVER} <= actor.roles
    assert stat.S_IMODE((home / "operator.key").stat().st_mode) == 0o600
    with pytest.raises(KeyInvalid, match="was revoked"):
        after.identify_strict(lost)
    assert begin(after, ledger, home).state is FileState.PRESENT


def test_it_is_of_the_person_of_the_first_start_and_on_record(
    ledger: Ledger, engine: Engine, home: Path, lost: str, operator: OperatorKey
) -> None:
    made = recovered(ledger, engine, home)
    (said,) = ledger.events(kind=Kind.KEY_RECOVERED)
    assert said.subject == made.key.id
    assert said.data["revoked"] == [operator.id]
    (genesis,) = ledger.events(kind=Kind.GENESIS)
    assert said.data["person"] == made.key.person == genesis.data["person"]
    assert lost not in str(said)


def test_where_two_persons_approve_no_approver_is_made(
    ledger: Ledger, engine: Engine, home: Path, lost: str
) -> None:
    made = recovered(ledger, engine, home, solo=False)
    assert Role.APPROVER not in made.key.roles
    assert Role.OPERATOR in made.key.roles
    (said,) = ledger.events(kind=Kind.KEY_RECOVERED)
    assert "approver" not in said.data["roles"]
    assert Keys(ledger, engine, FixedClock()).approvers() == frozenset()


def test_keys_of_others_stay(
    ledger: Ledger, engine: Engine, home: Path, keys: Keys, secret: str
) -> None:
    bot = create_key(keys, keys.identify(secret), "bot", ["client"])
    (home / "operator.key").unlink()
    recovered(ledger, engine, home)
    assert Keys(ledger, engine, FixedClock()).identify_strict(bot.secret).name == "bot"


def test_a_key_that_is_good_is_not_recovered(
    ledger: Ledger, engine: Engine, home: Path, keys: Keys, secret: str
) -> None:
    with pytest.raises(StartRefused, match="nothing to recover"):
        recovered(ledger, engine, home)
    assert keys.identify_strict(secret)
    assert ledger.events(kind=Kind.KEY_RECOVERED) == []


def test_what_lay_in_its_place_is_kept(
    ledger: Ledger, engine: Engine, home: Path, lost: str
) -> None:
    (home / "operator.key").write_text("of another installation\n")
    made = recovered(ledger, engine, home)
    assert made.moved == home / "operator.key.old-1"
    assert made.moved.read_text() == "of another installation\n"


def test_recovering_again_replaces_the_one_that_was_recovered(
    ledger: Ledger, engine: Engine, home: Path, lost: str
) -> None:
    first = recovered(ledger, engine, home)
    first.path.unlink()
    assert recovered(ledger, engine, home).revoked == (first.key.id,)


def test_a_state_without_a_key_has_none_to_recover(
    ledger: Ledger, engine: Engine, home: Path
) -> None:
    with pytest.raises(StartRefused, match="no operator's key"):
        recovered(ledger, engine, home)
