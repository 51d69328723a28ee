"""A start finds out what was done to the ledger while nobody looked, names it, and writes nothing.

Each attack is made on real files, by another program without any guard; a refusal leaves every file
as it was found.
"""

import shutil
import sqlite3
from pathlib import Path

import pytest

from app.authority.ledger.tree import grown
from app.database import migrate
from app.domain.refusals import AuditUnavailable
from app.evidence.merkle import Frontier, leaf_hash
from tests.fakes import events
from tests.fakes.database import foreign_connection
from tests.fakes.home import Home
from tests.fakes.openings import assert_refused, filled, inserted, well_formed

NOT_OURS = "were not written by this server"


# --- an older copy, put back ---------------------------------------------------------------------


def test_yesterdays_database_is_refused_by_the_signers_memory(home: Home, tmp_path: Path) -> None:
    filled(home)
    home.stop()
    yesterday = home.copy(tmp_path / "yesterday")
    home.start("boot-2")
    home.stop()
    shutil.copy(yesterday.database, home.database)
    assert_refused(
        home,
        r"The database is older than what this server has signed: it ends at 7 events .* and 8 "
        r"were signed .* An older copy was put back, or its end was cut off",
    )


def test_yesterdays_database_that_grew_apart_since_is_refused(home: Home, tmp_path: Path) -> None:
    filled(home)
    home.stop()
    other = home.copy(tmp_path / "other")
    home.start("boot-2")
    home.stop()
    other.start("boot-2")
    other.stop()
    shutil.copy(other.database, home.database)
    assert_refused(home, "The database is not the one this server has signed: its first 8 events")


def test_yesterdays_database_and_signer_are_refused_by_the_sink(home: Home, tmp_path: Path) -> None:
    filled(home)
    home.stop()
    yesterday = home.copy(tmp_path / "yesterday")
    home.start("boot-2")
    home.stop()
    for name in ("lmx.db", "ledger/signer", "ledger/signing.key", "ledger/keys"):
        shutil.copy(yesterday.path / name, home.path / name)
    assert_refused(home, "copy own .* holds 8 events, the database 7: the database was rolled back")


@pytest.mark.parametrize("texts", [["x"] * 3, ["x" * 30_000] * 120])
def test_a_write_ahead_log_that_was_removed_after_a_crash_is_an_older_database(
    home: Home, tmp_path: Path, texts: list[str]
) -> None:
    """SQLite copies its log into the database every 1,000 pages: the second case is past that."""
    ledger = home.start()
    for text in texts:
        ledger.append(events.saying(text))
    whole = home.copy(tmp_path / "whole")
    cut = home.copy(tmp_path / "cut", without=("lmx.db-wal", "lmx.db-shm"))
    size = len(texts) + 4
    assert_refused(cut, f"it ends at .* events .* and {size} were signed")
    assert whole.start("boot-2").size() == size + 1
    whole.stop()
    assert whole.findings() == []


def test_no_database_at_all_beside_a_signer_is_an_older_database(home: Home) -> None:
    filled(home)
    home.stop()
    for path in home.path.glob("lmx.db*"):
        path.unlink()
    migrate(home.database)
    assert_refused(home, "it ends at 0 events .* and 7 were signed")


# --- a rewritten database ------------------------------------------------------------------------


@pytest.mark.parametrize("commits", ["kept", "forged", "omitted"])
@pytest.mark.parametrize("first", [1, 150, 301])
def test_a_chain_that_was_rewritten_with_fresh_hashes_is_refused(
    large: Home, commits: str, first: int
) -> None:
    with large.tampered() as connection:
        rows = connection.execute("SELECT seq, body FROM ledger_event WHERE seq >= ?", (first,))
        for seq, body in rows.fetchall():
            made = body.replace(b'"event ', b'"EVENT ').replace(b'"p-1"', b'"p-2"')
            changed = (made, leaf_hash(made), seq)
            connection.execute("UPDATE ledger_event SET body = ?, leaf = ? WHERE seq = ?", changed)
        leaves = [row[0] for row in connection.execute("SELECT leaf FROM ledger_event")]
        _, nodes = grown(Frontier(), leaves)
        connection.execute("DELETE FROM ledger_node")
        connection.executemany("INSERT INTO ledger_node VALUES (?, ?, ?)", nodes)
        if commits == "omitted":
            connection.execute("DELETE FROM ledger_commit")
        if commits == "forged":
            connection.execute("UPDATE ledger_commit SET tag = ?", (b"t" * 32,))
    assert_refused(
        large, "is not the one this server has signed: its first 304 events .* rewritten"
    )


def test_a_node_that_was_taken_away_is_refused(large: Home) -> None:
    with large.tampered() as connection:
        connection.execute("DELETE FROM ledger_node")
    assert_refused(large, "tree in lmx.db is damaged: .*lmx ledger verify")


@pytest.mark.parametrize("with_commits", [True, False])
def test_a_tail_that_was_cut_off_while_nobody_looked_is_refused(
    home: Home, with_commits: bool
) -> None:
    filled(home)
    home.stop()
    cut(home, 6, with_commits=with_commits)
    assert_refused(home, "ends at 6 events .* 7 were signed .* or its end was cut off")


def cut(home: Home, size: int, *, with_commits: bool) -> None:
    with home.tampered() as connection:
        for table in ("ledger_index", "ledger_event"):
            connection.execute(f"DELETE FROM {table} WHERE seq > ?", (size,))
        if with_commits:
            connection.execute("DELETE FROM ledger_commit WHERE size > ?", (size,))


@pytest.mark.parametrize("lost", [1, 3])
@pytest.mark.parametrize("with_commits", [True, False])
def test_a_tail_that_is_cut_off_while_the_server_runs_is_named_by_the_next_append(
    home: Home, lost: int, with_commits: bool
) -> None:
    ledger = filled(home)
    cut(home, 7 - lost, with_commits=with_commits)
    with pytest.raises(AuditUnavailable, match=f"end was cut off: it has {7 - lost} events, and 7"):
        ledger.append(events.saying("more"))
    assert home.size() == 7 - lost
    assert not ledger.available
    home.stop()
    assert_refused(home, "or its end was cut off")


def test_an_event_that_was_exchanged_while_the_server_ran_is_refused_at_the_next_start(
    home: Home,
) -> None:
    ledger = filled(home)
    body, leaf = well_formed(home, 7, "never said")
    with home.tampered() as connection:
        connection.execute("UPDATE ledger_event SET body = ?, leaf = ? WHERE seq = 7", (body, leaf))
    ledger.append(events.saying("more"))
    home.stop()
    assert_refused(home, "is not the one this server has signed: its first 8 events")


def test_a_copy_that_grew_apart_and_is_restored_while_the_server_runs_is_not_signed(
    home: Home, tmp_path: Path
) -> None:
    """In place, so that the file is the same one; it has more events, with tags of the same key."""
    filled(home)
    home.stop()
    other = home.copy(tmp_path / "other")
    ledger = home.start("boot-2")
    filled(other, 5)
    other.stop()
    source, target = foreign_connection(other.database), foreign_connection(home.database)
    source.backup(target)
    target.close()
    before = home.files()
    with pytest.raises(AuditUnavailable, match="first 8 events are not the ones that were signed"):
        ledger.append(events.saying("more"))
    assert {k: v for k, v in home.files().items() if k.startswith("ledger/")} == {
        k: v for k, v in before.items() if k.startswith("ledger/")
    }
    home.stop()
    assert_refused(home, "is not the one this server has signed: its first 8 events")


# --- events of another program -------------------------------------------------------------------


@pytest.mark.parametrize("tag", [None, b"t" * 32])
def test_an_event_that_was_inserted_while_the_server_was_stopped_is_refused(
    home: Home, tag: bytes | None
) -> None:
    filled(home)
    home.stop()
    inserted(home, 8, commit=tag)
    assert_refused(home, f"last events, up to number 8, {NOT_OURS}")


def test_a_commits_tag_holds_for_its_own_events_only(home: Home) -> None:
    filled(home)
    home.stop()
    with sqlite3.connect(home.database) as connection:
        query = "SELECT tag FROM ledger_commit ORDER BY size DESC"
        (tag,) = connection.execute(query).fetchone()
    connection.close()
    inserted(home, 8, commit=tag)
    assert_refused(home, NOT_OURS)


@pytest.mark.parametrize("tag", [None, b"t" * 32])
def test_an_event_that_is_inserted_while_the_server_runs_stops_it(
    home: Home, tag: bytes | None
) -> None:
    ledger = filled(home)
    inserted(home, 8, commit=tag)
    signed = ledger.keeping.signer.size
    for _ in range(2):
        with pytest.raises(AuditUnavailable, match=NOT_OURS):
            ledger.append(events.saying("more"))
    assert not ledger.available
    assert (home.size(), ledger.keeping.signer.size) == (8, signed)
    home.stop()
    assert_refused(home, NOT_OURS)


def test_two_servers_on_the_same_files_never_sign_two_histories(home: Home) -> None:
    first = filled(home)
    second = home.start("boot-2")
    assert second.append(events.saying("second")).seq == 9
    with pytest.raises(AuditUnavailable, match="memory .* was written by somebody else"):
        first.append(events.saying("first"))
    assert second.append(events.saying("second again")).seq == 11  # the first one's is under it
    for _ in range(2):
        with pytest.raises(AuditUnavailable):
            first.append(events.saying("first again"))
    home.stop()
    home.start("boot-3")
    home.stop()
    assert home.findings() == []
