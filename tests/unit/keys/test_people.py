"""People are ids; their names are in one row, and once erased they are nowhere."""

import hashlib
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.authority.keys import Keys, OperatorKey, People
from app.authority.keys.person import commitment, is_id, new_person
from app.authority.ledger import Ledger
from app.authority.permissions import Grant, Permission, grant
from app.domain.actors import Actor
from app.domain.refusals import AuditUnavailable, ConfirmationRequired, Forbidden, PersonNotFound
from tests.fakes.clock import FixedClock
from tests.fakes.database import foreign_connection, weakened_engine
from tests.fakes.ledger import new_ledger
from tests.fakes.warrants import create_key
from tests.unit.keys.conftest import ACCOUNT, begin


@pytest.fixture
def people(keys: Keys, ledger: Ledger, engine: Engine) -> People:
    return People(ledger, engine, FixedClock())


@pytest.fixture
def actor(keys: Keys, secret: str) -> Actor:
    return keys.identify(secret)


@pytest.fixture
def may(actor: Actor) -> Grant:
    return grant(actor, Permission.PERSON_ERASE)


def phrase(person: str | None) -> str:
    return f"yes, erase the name of {person}"


def listed(people: People, actor: Actor) -> list[dict[str, object]]:
    return [p.as_dict() for p in people.everybody(grant(actor, Permission.LEDGER_READ))]


def everything(home: Path) -> bytes:
    """Every byte of the database, its log and the ledger's directory."""
    files = [*home.glob("lmx.db*"), *(f for f in (home / "ledger").rglob("*") if f.is_file())]
    return b"".join(file.read_bytes() for file in files)


def create(keys: Keys, actor: Actor, *roles: str, name: str = "second") -> Actor:
    return keys.identify(create_key(keys, actor, name, roles).secret)


def test_whoever_starts_it_is_its_one_person(
    people: People, actor: Actor, operator: OperatorKey, ledger: Ledger
) -> None:
    (person,) = listed(people, actor)
    assert person["name"] == ACCOUNT
    assert person["keys"] == [operator.id]
    assert actor.person == person["id"]
    assert is_id(str(person["id"]))
    first = ledger.event(1)
    assert (first.data["person"], first.data["commitment"]) == (person["id"], person["commitment"])


def test_no_event_holds_a_name(home: Path, people: People, actor: Actor, keys: Keys) -> None:
    create(keys, actor, "operator")
    with sqlite3.connect(home / "lmx.db") as reader:
        bodies = b"".join(row[0] for row in reader.execute("SELECT body FROM ledger_event"))
    reader.close()
    sinks = b"".join(file.read_bytes() for file in (home / "ledger").iterdir() if file.is_file())
    assert ACCOUNT.encode() not in bodies + sinks
    assert ACCOUNT.encode() in everything(home)  # in its one row


@pytest.mark.parametrize("role", ["operator", "approver", "auditor"])
def test_a_persons_key_makes_keys_of_that_person(
    keys: Keys, actor: Actor, ledger: Ledger, role: str
) -> None:
    made = create(keys, actor, role, "client")
    assert made.person == actor.person
    assert ledger.events(newest_first=True, limit=1)[0].data["person"] == actor.person


@pytest.mark.parametrize("role", ["client", "advisor"])
def test_a_bots_key_belongs_to_nobody(
    keys: Keys, actor: Actor, people: People, ledger: Ledger, role: str
) -> None:
    assert create(keys, actor, role).person is None
    assert "person" not in ledger.events(newest_first=True, limit=1)[0].data
    assert len(listed(people, actor)[0]["keys"]) == 1  # type: ignore[arg-type]


def test_whose_key_it_is_outlives_a_restart_and_is_in_every_event(
    keys: Keys, actor: Actor, engine: Engine, ledger: Ledger, secret: str
) -> None:
    create(keys, actor, "auditor")
    again = Keys(new_ledger(engine, FixedClock(), "boot-2"), engine, FixedClock())
    assert again.identify(secret) == actor
    made = ledger.events(kind="key_created")[0]
    assert made.fields["actor"]["person"] == actor.person


def test_a_database_from_before_there_were_people_gets_one(
    home: Path, keys: Keys, ledger: Ledger, engine: Engine, secret: str
) -> None:
    actor = keys.identify(secret)
    bot = create(keys, actor, "client", name="bot")
    create(keys, actor, "auditor", name="auditor")
    old = foreign_connection(home / "lmx.db")
    old.executescript(
        "DROP TRIGGER key_person_no_delete; DELETE FROM key_person; DELETE FROM person_name;"
        "DROP TRIGGER person_no_delete; DELETE FROM person;"
    )
    restarted = Keys(ledger, engine, FixedClock())
    assert restarted.identify(secret).person is None
    begin(restarted, ledger, home)
    found = restarted.identify(secret)
    assert found.person is not None
    assert found.person != actor.person
    (named,) = ledger.events(kind="person_named")
    (person,) = listed(People(ledger, engine, FixedClock()), found)
    assert named.data == {
        "person": found.person,
        "commitment": person["commitment"],
        "keys": person["keys"],
    }
    assert bot.id.removeprefix("key:") not in named.data["keys"]
    assert len(named.data["keys"]) == 2
    size = ledger.size()
    begin(Keys(ledger, engine, FixedClock()), ledger, home, account="somebody else")
    assert ledger.size() == size


def test_an_erased_name_is_in_no_byte_of_the_database_or_the_ledger(
    home: Path, people: People, may: Grant, ledger: Ledger, engine: Engine
) -> None:
    actor = may.actor
    for number in range(40):  # neighbours, so that the row is not alone on its page
        people.name(new_person(f"Neighbour {number}"), [])
    with engine.connect() as connection:
        row = connection.exec_driver_sql(
            "SELECT salt, name FROM person_name WHERE person = ?", (actor.person,)
        ).one()
    salt = bytes(row.salt)
    assert ACCOUNT.encode() in everything(home)
    before = ledger.size()
    erased = people.erase_name(may, str(actor.person), phrase(actor.person))
    assert erased.no_trace
    assert erased.person.name is None
    left = everything(home)
    for gone in (ACCOUNT.encode(), ACCOUNT.encode("utf-16-le"), b"Brewster", salt):
        assert gone not in left
    assert b"Neighbour 39" in left
    said = ledger.event(before + 1)
    assert (said.kind, said.subject, said.actor) == ("person_name_erased", actor.person, actor.id)
    assert said.outcome == "done"


def test_erasing_a_name_breaks_no_event_and_no_commitment(
    people: People, actor: Actor, may: Grant, ledger: Ledger
) -> None:
    (before,) = listed(people, actor)
    bodies = [(e.leaf, e.body) for e in ledger.events()]
    note = ledger.checkpoint()
    people.erase_name(may, str(actor.person), phrase(actor.person))
    (after,) = listed(people, actor)
    assert after == {**before, "name": None, "erased": True}
    assert [(e.leaf, e.body) for e in ledger.events()][: len(bodies)] == bodies
    assert all(event.intact for event in ledger.events())
    assert note is not None
    assert ledger.checkpoint() != note
    ledger.check_guards()


def test_without_the_salt_nobody_can_check_a_guess(
    people: People, actor: Actor, may: Grant, engine: Engine
) -> None:
    with engine.connect() as connection:
        salt, name = connection.exec_driver_sql("SELECT salt, name FROM person_name").one()
    (person,) = listed(people, actor)
    assert commitment(salt, name).hex() == person["commitment"]
    people.erase_name(may, str(actor.person), phrase(actor.person))
    label = b"lmx person name v1\0"
    encoded = ACCOUNT.encode()
    guesses = [
        encoded,
        label + encoded,
        label + bytes(32) + encoded,
        encoded + bytes(32),
        bytes(32) + encoded,
        str(actor.person).encode() + encoded,
        label + str(actor.person).encode() + encoded,
    ]
    assert person["commitment"] not in {hashlib.sha256(guess).hexdigest() for guess in guesses}


def test_two_people_of_one_name_cannot_be_told_to_be_of_one_name() -> None:
    one, other = new_person("Ada"), new_person("Ada")
    assert one.commitment != other.commitment
    assert one.id != other.id
    assert "Ada" not in repr(one)


@pytest.mark.parametrize("said", [None, "", "yes", "yes, erase the name of p-00000000"])
def test_without_the_typed_phrase_no_name_is_erased(
    people: People, actor: Actor, may: Grant, ledger: Ledger, said: str | None
) -> None:
    size = ledger.size()
    with pytest.raises(ConfirmationRequired) as refused:
        people.erase_name(may, str(actor.person), said)
    assert refused.value.details == {"confirmation": phrase(actor.person)}
    assert listed(people, actor)[0]["name"] == ACCOUNT
    assert ledger.size() == size


def test_nobody_else_and_nobody_twice(people: People, actor: Actor, may: Grant) -> None:
    for person in ("p-00000000", "", "'; DROP TABLE person", "p-" + "0" * 10_000):
        with pytest.raises(PersonNotFound):
            people.erase_name(may, person, phrase(person))
    people.erase_name(may, str(actor.person), phrase(actor.person))
    with pytest.raises(PersonNotFound, match="erased already"):
        people.erase_name(may, str(actor.person), phrase(actor.person))


def test_an_erasure_that_cannot_be_recorded_is_not_made(
    people: People, actor: Actor, may: Grant, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(event: object) -> None:
        raise AuditUnavailable("The ledger is not available.")

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "recording", refuse)
        with pytest.raises(AuditUnavailable):
            people.erase_name(may, str(actor.person), phrase(actor.person))
    assert listed(people, actor)[0]["name"] == ACCOUNT


def test_a_reader_that_holds_the_log_is_said(
    home: Path, ledger: Ledger, actor: Actor, may: Grant
) -> None:
    people = People(
        ledger, weakened_engine(home / "lmx.db", "PRAGMA busy_timeout = 20"), FixedClock()
    )
    reader = foreign_connection(home / "lmx.db")
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM ledger_event").fetchone()
    erased = people.erase_name(may, str(actor.person), phrase(actor.person))
    assert erased.person.name is None
    assert not erased.no_trace
    reader.execute("ROLLBACK")


def test_acts_on_people_need_their_grant(people: People, keys: Keys, actor: Actor) -> None:
    auditor = create(keys, actor, "auditor")
    assert listed(people, auditor)
    with pytest.raises(Forbidden):
        grant(auditor, Permission.PERSON_ERASE)
    with pytest.raises(TypeError):
        people.erase_name(grant(actor, Permission.KEYS_MANAGE), str(actor.person), None)
    with pytest.raises(TypeError):
        people.everybody(grant(actor, Permission.KEYS_MANAGE))
