"""What was ended after a backup does not begin again with it."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from app.authority.ledger import Kind, LedgerEvent
from app.backups import create
from app.backups.replaced import Losses, losses
from app.backups.restoring import restore
from app.backups.verifying import manifest_of
from app.domain.actors import SYSTEM
from tests.fakes.home import Home
from tests.fakes.installation import Installed, installation

KEY = "INSERT INTO access_key VALUES (?, 'bot', 'client', ?, 1, 'system', NULL, NULL)"


def sql(home: Home, *statements: tuple[str, tuple[object, ...]]) -> None:
    with closing(sqlite3.connect(home.database)) as connection, connection:
        for statement, values in statements:
            connection.execute(statement, values)


@pytest.fixture
def since(home: Home) -> tuple[Home, Path, Losses]:
    """Two keys, a person with a name, an ask; then a key is revoked and the name erased."""
    home.stop()
    sql(
        home,
        (KEY, ("0badcafe", b"a" * 32)),
        (KEY, ("0badf00d", b"b" * 32)),
        ("INSERT INTO person VALUES ('p-1', ?, 1)", (b"c" * 32,)),
        ("INSERT INTO person_name VALUES ('p-1', ?, 'Ada Lovelace')", (b"s" * 32,)),
    )
    made = create(home.path).path
    sql(
        home,
        ("UPDATE access_key SET revoked_us = 5, revoked_by = 'x' WHERE id = '0badf00d'", ()),
        ("DELETE FROM person_name WHERE person = 'p-1'", ()),
    )
    return home, made, losses(home.path, made)


def test_keys_revoked_and_names_erased_since_are_found(since: tuple[Home, Path, Losses]) -> None:
    assert (since[2].revoked, since[2].erased) == (("0badf00d",), ("p-1",))


def test_a_name_that_was_erased_is_not_in_the_restored_state(
    since: tuple[Home, Path, Losses],
) -> None:
    home, made, lost = since
    assert b"Ada Lovelace" in (made / "lmx.db").read_bytes()
    restore(home.path, made, *manifest_of(made), lost)
    assert b"Ada Lovelace" not in home.database.read_bytes()


def test_a_key_is_revoked_again_with_the_event_that_says_so(tmp_path: Path) -> None:
    with installation(tmp_path) as installed:
        assert_revoked_again(installed)


def assert_revoked_again(installed: Installed) -> None:
    key = installed.key_of("client")
    ids = (key.id.removeprefix("key:"), "00000000")
    before = installed.ledger.size()

    def event(revoked: tuple[str, ...]) -> LedgerEvent:
        assert revoked == ids[:1]
        data = {"size": 1, "root": "r", "manifest": "m", "made_us": 1, "asks_ended": 0}
        return LedgerEvent(
            Kind.STATE_RESTORED, SYSTEM, subject="b", data={**data, "revoked": list(revoked)}
        )

    assert installed.keys.revoke_again(ids, event) == ids[:1]
    assert not installed.keys.known(ids[0]).active
    assert installed.ledger.size() == before + 1
