"""State that every released version wrote opens in this one: tests/fixtures/states/README.md."""

import json
from pathlib import Path

import pytest

from app.authority.approvals.store import Asks
from app.authority.approvals.transitions import State
from app.authority.guardrails.store import GuardrailsStore
from app.authority.ledger import Kind
from app.domain.actors import Role
from app.domain.revisions import REVISIONS
from app.evidence.verification import of_home, verify_database
from app.wiring.opening import Authority
from tests.fakes.database import foreign_connection
from tests.fakes.states import SCHEMAS, unpacked
from tests.unit.upgrading.starting import kinds, started


def test_there_is_a_state_of_every_schema_that_was_released() -> None:
    """0001 never was: the commit that brought it brought 0002 too."""
    assert ("0001", *SCHEMAS) == REVISIONS


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_state_of_a_released_version_opens_verifies_and_keeps_its_keys(
    tmp_path: Path, schema: str
) -> None:
    home = unpacked(schema, tmp_path / "home")
    before = _said(home)
    with started(home) as authority:
        if schema >= "0004":
            _the_open_ask_is_there(authority)
        if schema >= "0006":
            store = GuardrailsStore(authority.ledger, authority.database)
            assert store.version(1) is not None
        operator = authority.keys.identify_strict((home / "operator.key").read_text().strip())
        bot = authority.keys.identify_strict((home / "bot.key").read_text().strip())
        models = {model.id for model in authority.catalog.list()}
        said = kinds(authority)
        upgrades = list(authority.ledger.latest(Kind.SCHEMA_UPGRADED).values())
    assert {Role.OPERATOR, Role.APPROVER} <= operator.roles
    assert (bot.name, bot.roles) == ("bot-one", frozenset({Role.CLIENT}))
    assert "lmx/starter" in models
    assert said[: len(before)] == before
    wanted = [] if schema == REVISIONS[-1] else [(schema, REVISIONS[-1])]
    assert [(one.data["before"], one.data["after"]) for one in upgrades] == wanted
    assert verify_database(of_home(home)).findings == ()


def _the_open_ask_is_there(authority: Authority) -> None:
    asks = Asks(authority.ledger, authority.database)
    (ask,) = asks.in_state(State.PENDING)
    assert (ask.act, asks.plan_of(ask).body["effects"]["name"]) == ("key_create", "open-ask")


def _said(home: Path) -> list[str]:
    rows = foreign_connection(home / "lmx.db").execute("SELECT body FROM ledger_event ORDER BY seq")
    return [str(json.loads(body)["kind"]) for (body,) in rows.fetchall()]
