"""What was ended after a backup does not begin again with it."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from app.authority.ledger import Kind, LedgerEvent
from app.backups import create, creating
from app.backups.mark import MARK, Restored
from app.backups.removing import ORDER, approved
from app.backups.replaced import Losses, losses
from app.backups.restoring import restore
from app.backups.snapshot import looking, root_at
from app.backups.verifying import manifest_of
from app.domain.actors import SYSTEM
from app.domain.refusals import BackupRefused
from tests.fakes import events
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


def put_back(home: Home, backup: Path) -> Restored:
    restore(home.path, backup, *manifest_of(backup), losses(home.path, backup))
    return Restored.decoded((home.path / MARK).read_bytes())


def test_what_was_ended_stays_ended_when_two_backups_are_put_back_in_a_row(home: Home) -> None:
    """The older one knows neither the key nor the person: without what it replaced, all is lost."""
    older = create(home.path, now_us=1).path
    home.kept.append(events.saying("later"))
    home.stop()
    sql(
        home,
        (KEY, ("0badf00d", b"b" * 32)),
        ("INSERT INTO person VALUES ('p-1', ?, 1)", (b"c" * 32,)),
        ("INSERT INTO person_name VALUES ('p-1', ?, 'Ada Lovelace')", (b"s" * 32,)),
    )
    newer = create(home.path, now_us=2_000_000).path
    sql(
        home,
        ("UPDATE access_key SET revoked_us = 5, revoked_by = 'x' WHERE id = '0badf00d'", ()),
        ("DELETE FROM person_name WHERE person = 'p-1'", ()),
    )
    first = put_back(home, older)
    second = put_back(home, newer)
    assert second.revoked == ("0badf00d",)
    assert b"Ada Lovelace" not in home.database.read_bytes()
    assert (second.replaced_size, second.replaced_root) == (
        first.replaced_size,
        first.replaced_root,
    )


def test_a_state_that_changed_while_the_phrase_was_typed_is_not_replaced(
    since: tuple[Home, Path, Losses],
) -> None:
    home, made, shown = since
    sql(home, ("UPDATE access_key SET revoked_us = 6, revoked_by = 'x' WHERE id = '0badcafe'", ()))
    before = home.database.read_bytes()
    with pytest.raises(BackupRefused, match="changed while you were asked"):
        restore(home.path, made, *manifest_of(made), shown)
    assert home.database.read_bytes() == before
    assert not (home.path / ".restoring").exists()


def test_the_order_to_remove_everything_is_not_one_of_the_restored_state(
    since: tuple[Home, Path, Losses],
) -> None:
    """In the backup no start may have come after the approval, as one did in the state."""
    home, made, _ = since
    (home.path / "run").mkdir(exist_ok=True)
    (home.path / ORDER).write_text("{}")
    put_back(home, made)
    assert not (home.path / ORDER).exists()
    (home.path / ORDER).write_text("{}")
    with pytest.raises(BackupRefused, match="no start has recorded it"):
        approved(home.path)


def test_a_replaced_state_that_cannot_be_read_is_said(since: tuple[Home, Path, Losses]) -> None:
    home, made, _ = since
    (home.path / "replaced/then").mkdir(parents=True)
    (home.path / "replaced/then/lmx.db").write_bytes(b"x" * 5000)
    found = losses(home.path, made)
    assert found.unread.startswith("replaced/then/lmx.db: ")
    assert found.revoked == ("0badf00d",)


def test_the_root_on_record_is_over_as_many_events_as_the_record_says(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server at work has more events in its database than its signer had when it was copied."""
    copy = creating.copy_database

    def with_one_more(*given: Any, **named: Any) -> None:
        home.kept.append(events.saying("meanwhile"))
        copy(*given, **named)

    monkeypatch.setattr(creating, "copy_database", with_one_more)
    made = create(home.path)
    home.stop()
    assert made.manifest.events > made.manifest.size
    mark = put_back(home, made.path)
    with looking(home.database) as connection:
        assert mark.root == root_at(connection, mark.size).hex()


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
