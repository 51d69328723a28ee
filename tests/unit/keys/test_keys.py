"""Who a key makes of whom presents it, and how keys come and go."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.keys import Keys, NewKey
from app.authority.ledger import Ledger
from app.authority.permissions import Grant, Permission, grant
from app.database import open_engine
from app.domain.actors import ANONYMOUS, Role
from app.domain.refusals import (
    AuditUnavailable,
    ConfirmationRequired,
    Forbidden,
    InvalidRequest,
    KeyInvalid,
    KeyMissing,
    KeyNotFound,
)
from tests.fakes.clock import FixedClock
from tests.fakes.database import weakened_engine
from tests.fakes.ledger import new_ledger
from tests.unit.keys.conftest import make_read_only

Make = Callable[..., NewKey]


@pytest.fixture
def may(keys: Keys, secret: str) -> Grant:
    return grant(keys.identify(secret), Permission.KEYS_MANAGE)


@pytest.fixture
def make(keys: Keys, may: Grant) -> Make:
    def made(name: str = "bot", *roles: str) -> NewKey:
        return keys.create(may, name, roles or ("client",), f"yes, create key {name}")

    return made


def revoke(keys: Keys, may: Grant, key_id: str) -> None:
    keys.revoke(may, key_id, f"yes, revoke key {key_id}")


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
    keys: Keys, make: Make, may: Grant
) -> None:
    new = make()
    revoke(keys, may, new.key.id)
    for identify in (keys.identify, keys.identify_strict):
        with pytest.raises(KeyInvalid, match="was revoked"):
            identify(new.secret)
    forged = new.secret[:13] + "A" * 43
    assert keys.identify(forged) is ANONYMOUS


def test_keys_outlive_a_restart(
    keys: Keys, make: Make, may: Grant, home: Path, secret: str
) -> None:
    kept, gone = make("kept"), make("gone")
    revoke(keys, may, gone.key.id)
    engine = open_engine(home / "lmx.db")
    again = Keys(new_ledger(engine, FixedClock(), "boot-2"), engine, FixedClock())
    assert again.identify(kept.secret) == keys.identify(kept.secret)
    assert again.identify(secret).name == "operator"
    with pytest.raises(KeyInvalid):
        again.identify(gone.secret)
    listing = grant(again.identify(secret), Permission.KEYS_READ)
    assert again.list(listing) == keys.list(listing)


def test_creating_and_revoking_is_recorded(
    keys: Keys, make: Make, may: Grant, ledger: Ledger
) -> None:
    new = make("bot", "client")
    revoke(keys, may, new.key.id)
    created, revoked = ledger.events()[-2:]
    assert (created.kind, created.subject, created.actor) == (
        "key_created",
        new.key.id,
        may.actor.id,
    )
    assert created.data == {"name": "bot", "roles": ["client"]}
    assert (revoked.kind, revoked.subject, revoked.actor) == (
        "key_revoked",
        new.key.id,
        may.actor.id,
    )


def test_without_the_typed_phrase_nothing_happens(keys: Keys, may: Grant, ledger: Ledger) -> None:
    size = ledger.size()
    for said in (
        None,
        "",
        "yes",
        "yes, create key other",
        "Yes, create key bot",
        "yes, create key bot ",
    ):
        with pytest.raises(ConfirmationRequired, match="yes, create key bot") as refused:
            keys.create(may, "bot", ["client"], said)
        assert refused.value.details == {"confirmation": "yes, create key bot"}
    key_id = keys.create(may, "bot", ["client"], "yes, create key bot").key.id
    for said in (None, "yes, revoke key", f"yes, create key {key_id}"):
        with pytest.raises(ConfirmationRequired, match=f"yes, revoke key {key_id}"):
            keys.revoke(may, key_id, said)
    assert ledger.size() == size + 1


def test_acts_on_keys_need_their_grant(keys: Keys, secret: str) -> None:
    read = grant(keys.identify(secret), Permission.KEYS_READ)
    with pytest.raises(TypeError):
        keys.create(read, "bot", ["client"], "yes, create key bot")
    with pytest.raises(TypeError):
        keys.revoke(read, "00000000", None)
    with pytest.raises(TypeError):
        keys.list(grant(keys.identify(secret), Permission.KEYS_MANAGE))


@pytest.mark.parametrize(
    "name", ["", " ", "x" * 65, "a\nb", "a\x1b[31m", "a\u202eb", "a\u200bb", " a", "a ", "\ud800"]
)
def test_a_name_nobody_could_decide_by_is_refused(keys: Keys, may: Grant, name: str) -> None:
    with pytest.raises(InvalidRequest):
        keys.create(may, name, ["client"], f"yes, create key {name}")


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
def test_roles_that_make_no_key(keys: Keys, may: Grant, roles: list[str]) -> None:
    with pytest.raises(InvalidRequest):
        keys.create(may, "bot", roles, "yes, create key bot")


def test_an_advisor_may_read_or_ask_beside(make: Make) -> None:
    assert make("a", "advisor").key.roles == {Role.ADVISOR}
    assert make("b", "advisor", "client", "auditor").key.roles > {Role.ADVISOR}


def test_the_last_operator_key_stays(keys: Keys, make: Make, may: Grant, secret: str) -> None:
    first = may.actor.id.removeprefix("key:")
    with pytest.raises(Forbidden, match="last operator key"):
        revoke(keys, may, first)
    make("second", "operator")
    revoke(keys, may, first)
    with pytest.raises(KeyInvalid):
        keys.identify(secret)


def test_a_key_that_is_not_there_or_no_more_is_not_found(
    keys: Keys, make: Make, may: Grant
) -> None:
    new = make()
    revoke(keys, may, new.key.id)
    for key_id in ("00000000", new.key.id, "", "'; DROP TABLE access_key"):
        with pytest.raises(KeyNotFound):
            revoke(keys, may, key_id)


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
    may = grant(keys.identify(secret), Permission.KEYS_MANAGE)
    with pytest.raises(AuditUnavailable):
        keys.create(may, "bot", ["client"], "yes, create key bot")
    with pytest.raises(AuditUnavailable):
        keys.create(may, "bot", ["operator"], "yes, create key bot")
    assert len(keys.list(grant(may.actor, Permission.KEYS_READ))) == 1


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
    assert sorted(taken)[1_000] < 50_000
