"""Who a key makes of whom presents it, and how keys come and go."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.keys import Keys, NewKey
from app.authority.ledger import Ledger
from app.authority.permissions import Permission, grant
from app.database import open_engine
from app.domain.actors import ANONYMOUS, Actor, Role
from app.domain.refusals import (
    AuditUnavailable,
    Forbidden,
    InvalidRequest,
    KeyInvalid,
    KeyMissing,
    KeyNotFound,
    PlanStale,
)
from tests.fakes.clock import FixedClock
from tests.fakes.database import weakened_engine
from tests.fakes.ledger import new_ledger
from tests.fakes.warrants import create_key, revoke_key, to_create, warrant
from tests.unit.keys.conftest import make_read_only

Make = Callable[..., NewKey]


@pytest.fixture
def actor(keys: Keys, secret: str) -> Actor:
    return keys.identify(secret)


@pytest.fixture
def make(keys: Keys, actor: Actor) -> Make:
    def made(name: str = "bot", *roles: str) -> NewKey:
        return create_key(keys, actor, name, roles or ("client",))

    return made


def test_the_first_key_is_the_one_persons(keys: Keys, secret: str) -> None:
    actor = keys.identify(secret)
    assert actor.id.startswith("key:")
    assert actor.roles == {Role.OPERATOR, Role.APPROVER, Role.AUDITOR, Role.CLIENT}


def test_a_new_key_is_its_name_and_roles(keys: Keys, make: Make) -> None:
    new = make("bot", "client", "auditor")
    actor = keys.identify(new.secret)
    assert (actor.id, actor.name) == (f"key:{new.key.id}", "bot")
    assert actor.roles == {Role.CLIENT, Role.AUDITOR}
    assert new.secret.startswith(f"lmx_{new.key.id}_")
    assert len(new.secret) == 4 + 8 + 1 + 43


def test_who_is_not_known_is_anonymous_where_that_is_open(keys: Keys, make: Make) -> None:
    known = make().secret
    other_end = "A" if known[-1] != "A" else "B"
    for nobody in (
        None,
        "",
        "lm-studio",
        "lmx_",
        known[:-1],
        known + "x",
        known[:-1] + other_end,
        known.upper(),
        " " + known,
        known + "\n",
        known.replace("_", "-"),
        "lmx_00000000_" + "A" * 43,
        "lmx_" + "\u0660" * 8 + "_" + "A" * 43,
        "é" * 56,
        "\ud800",
        "x" * 10**6,
    ):
        assert keys.identify(nobody) is ANONYMOUS


def test_where_a_key_is_needed_there_is_no_anonymous(keys: Keys, secret: str) -> None:
    assert keys.identify_strict(secret).name == "operator"
    for missing in (None, ""):
        with pytest.raises(KeyMissing):
            keys.identify_strict(missing)
    for unknown in ("lm-studio", "lmx_00000000_" + "A" * 43):
        with pytest.raises(KeyInvalid):
            keys.identify_strict(unknown)


def test_a_revoked_key_is_refused_everywhere_from_then_on(
    keys: Keys, make: Make, actor: Actor
) -> None:
    new = make()
    revoke_key(keys, actor, new.key.id)
    for identify in (keys.identify, keys.identify_strict):
        with pytest.raises(KeyInvalid, match="was revoked"):
            identify(new.secret)
    forged = new.secret[:13] + "A" * 43
    assert keys.identify(forged) is ANONYMOUS


def test_keys_outlive_a_restart(
    keys: Keys, make: Make, actor: Actor, home: Path, secret: str
) -> None:
    kept, gone = make("kept"), make("gone")
    revoke_key(keys, actor, gone.key.id)
    engine = open_engine(home / "lmx.db")
    again = Keys(new_ledger(engine, FixedClock(), "boot-2"), engine, FixedClock())
    assert again.identify(kept.secret) == keys.identify(kept.secret)
    assert again.identify(secret).name == "operator"
    with pytest.raises(KeyInvalid):
        again.identify(gone.secret)
    listing = grant(again.identify(secret), Permission.KEYS_READ)
    assert again.list(listing) == keys.list(listing)


def test_creating_and_revoking_is_recorded(
    keys: Keys, make: Make, actor: Actor, ledger: Ledger
) -> None:
    new = make("bot", "client")
    revoke_key(keys, actor, new.key.id)
    created, revoked = ledger.events()[-2:]
    assert (created.kind, created.subject, created.actor) == (
        "key_created",
        new.key.id,
        actor.id,
    )
    plan = created.data["plan"]
    assert created.data == {"name": "bot", "roles": ["client"], "ask": "0000cafe", "plan": plan}
    assert (revoked.kind, revoked.subject, revoked.actor) == (
        "key_revoked",
        new.key.id,
        actor.id,
    )


def test_what_a_plan_makes_it_makes_once(keys: Keys, actor: Actor, ledger: Ledger) -> None:
    plan = to_create(actor, "bot", ["client"], plan_hash="ab" * 32)
    assert keys.made_by(plan.plan_hash) is None
    new = keys.create(plan)
    size = ledger.size()
    with pytest.raises(PlanStale):
        keys.create(plan)
    assert (ledger.size(), keys.made_by(plan.plan_hash)) == (size, new.key)
    assert keys.create(to_create(actor, "bot", ["client"], plan_hash="cd" * 32)).key != new.key


def test_acts_on_keys_need_a_warrant_for_them(keys: Keys, actor: Actor, ledger: Ledger) -> None:
    size = ledger.size()
    effects = {"name": "bot", "roles": ["client"], "person": None, "key": "00000000"}
    other = warrant("model_delete", actor, effects)
    held = grant(actor, Permission.KEYS_MANAGE)
    for wrong in (other, held, None):
        with pytest.raises(TypeError):
            keys.create(wrong)  # type: ignore[arg-type]
        with pytest.raises(TypeError):
            keys.revoke(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        keys.create(warrant("key_revoke", actor, effects))
    with pytest.raises(TypeError):
        keys.list(held)
    assert ledger.size() == size


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 65, "a\nb", "a\x1b[31m", "a\u202eb", "a\u200bb", " a", "a ", "\ud800"]
)
def test_a_name_nobody_could_decide_by_is_refused(keys: Keys, actor: Actor, name: str) -> None:
    with pytest.raises(InvalidRequest):
        create_key(keys, actor, name, ["client"])


@pytest.mark.parametrize("name", ["x", "x" * 64, "Büro 3", "日本", "bot's key"])
def test_an_ordinary_name_is_fine(make: Make, name: str) -> None:
    assert make(name).key.name == name


@pytest.mark.parametrize(
    "roles",
    [
        [],
        ["root"],
        ["client", "root"],
        ["Operator"],
        ["advisor", "operator"],
        ["advisor", "approver"],
    ],
)
def test_roles_that_make_no_key(keys: Keys, actor: Actor, roles: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        create_key(keys, actor, "bot", roles)


def test_an_advisor_may_read_or_ask_beside(make: Make) -> None:
    assert make("a", "advisor").key.roles == {Role.ADVISOR}
    assert make("b", "advisor", "client", "auditor").key.roles > {Role.ADVISOR}


def test_the_last_operator_key_stays(keys: Keys, make: Make, actor: Actor, secret: str) -> None:
    first = actor.id.removeprefix("key:")
    with pytest.raises(Forbidden, match="last operator key"):
        revoke_key(keys, actor, first)
    make("second", "operator")
    revoke_key(keys, actor, first)
    with pytest.raises(KeyInvalid):
        keys.identify(secret)


def test_a_key_that_is_not_there_or_no_more_is_not_found(
    keys: Keys, make: Make, actor: Actor
) -> None:
    new = make()
    revoke_key(keys, actor, new.key.id)
    for key_id in ("00000000", new.key.id, "", "'; DROP TABLE access_key"):
        with pytest.raises(KeyNotFound):
            revoke_key(keys, actor, key_id)


def test_no_secret_is_in_the_ledger_the_database_or_a_repr(
    keys: Keys, make: Make, secret: str, home: Path, ledger: Ledger
) -> None:
    new = make()
    shown = repr(new) + repr(new.key) + repr(keys.identify(new.secret)) + str(new.key.as_dict())
    stored = b"".join(file.read_bytes() for file in home.glob("lmx.db*"))
    bodies = b"".join(event.body for event in ledger.events())
    for hidden in (new.secret, new.secret[13:], secret, secret[13:]):
        assert hidden not in shown
        assert hidden.encode() not in stored
        assert hidden.encode() not in bodies


def test_a_key_that_cannot_be_recorded_is_not_made(home: Path, secret: str) -> None:
    engine = weakened_engine(home / "lmx.db")
    keys = Keys(new_ledger(engine, FixedClock(), "boot-2"), engine, FixedClock())
    make_read_only(engine)
    actor = keys.identify(secret)
    with pytest.raises(AuditUnavailable):
        create_key(keys, actor, "bot", ["client"])
    with pytest.raises(AuditUnavailable):
        create_key(keys, actor, "bot", ["operator"])
    assert len(keys.list(grant(actor, Permission.KEYS_READ))) == 1


def test_identifying_takes_microseconds_however_many_keys(
    keys: Keys, make: Make, engine: Engine, secret: str
) -> None:
    for number in range(50):
        make(f"bot {number}")
    engine.dispose()
    taken = []
    for _ in range(2_000):
        began = time.perf_counter_ns()
        keys.identify(secret)
        taken.append(time.perf_counter_ns() - began)
    assert sorted(taken)[1_000] < 200_000
