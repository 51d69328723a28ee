"""A start finds out what was done to the ledger while nobody looked, names it, and writes nothing.

Each attack is made on real files, by another program without any guard; a refusal leaves every file
as it was found.
"""

import hashlib
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.authority.ledger import Kind, Ledger
from app.authority.ledger.signing.memory import MemoryFile
from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.inline import Inline
from app.authority.ledger.sinks.values import Known
from app.authority.ledger.tree import grown
from app.database import migrate, upgrade
from app.domain.refusals import AuditUnavailable, StartRefused
from app.evidence.merkle import Frontier, leaf_hash
from tests.fakes import events
from tests.fakes.crashes import crash_points
from tests.fakes.database import foreign_connection
from tests.fakes.home import Home, new_home

NOT_OURS = "were not written by this server"


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    made = new_home(tmp_path / "home")
    yield made
    made.stop()


@pytest.fixture(scope="module")
def grown_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """304 events, stopped. For tests that take a copy."""
    made = new_home(tmp_path_factory.mktemp("grown") / "home")
    filled(made, 300)
    made.stop()
    return made


@pytest.fixture
def large(grown_home: Home, tmp_path: Path) -> Home:
    return grown_home.copy(tmp_path / "large")


def filled(home: Home, count: int = 3) -> Ledger:
    """A started ledger with `count` events beyond those of its start."""
    ledger = home.start()
    for number in range(count):
        ledger.append(events.saying(f"event {number}"))
    return ledger


def assert_refused(home: Home, sentence: str) -> None:
    """The start says `sentence`, and leaves every byte as it was."""
    before = home.files()
    with pytest.raises(StartRefused, match=sentence) as refused:
        home.open("boot-2")
    assert "as evidence" in refused.value.message or "estore" in refused.value.message
    assert home.files() == before


def well_formed(home: Home, seq: int, text: str = "of another program") -> tuple[bytes, bytes]:
    """A body that any correct writer could have written as event `seq`, and its leaf."""
    with sqlite3.connect(home.database) as connection:
        (body,) = connection.execute(
            "SELECT body FROM ledger_event WHERE CAST(body AS TEXT) LIKE '%\"shutdown\"%'"
            " ORDER BY seq DESC"
        ).fetchone()
    connection.close()
    parts = bytes(body).decode().partition(',"seq":')
    said = parts[0].replace("event 2", text)
    old = said.partition('"event_id":"')[2][:36]
    fresh = f"{seq:08x}{old[8:]}"
    made = f'{said.replace(old, fresh)},"seq":{seq},{parts[2].partition(",")[2]}'.encode()
    return made, leaf_hash(made)


def inserted(home: Home, seq: int, *, commit: bytes | None = None) -> None:
    """As another program would: the guards let an insert of the next number pass."""
    body, leaf = well_formed(home, seq)
    event_id = body.decode().partition('"event_id":"')[2][:36]
    other = foreign_connection(home.database)
    other.execute("INSERT INTO ledger_event VALUES (?, ?, ?, ?)", (seq, event_id, body, leaf))
    if commit is not None:
        other.execute("INSERT INTO ledger_commit VALUES (?, ?)", (seq, commit))
    other.close()


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


# --- the signer's files and the sink -------------------------------------------------------------


def test_a_memory_that_was_deleted_is_not_made_anew(home: Home) -> None:
    filled(home)
    home.stop()
    (home.ledger / "signer").unlink()
    assert_refused(home, "memory .* is missing, and its key is there: nothing can say any more")


def test_signing_files_that_were_all_deleted_are_not_made_anew(home: Home) -> None:
    filled(home)
    home.stop()
    shutil.rmtree(home.ledger)
    home.ledger.mkdir(mode=0o700)
    assert_refused(home, "signing key and the signer's memory are missing")


def test_the_signer_of_another_installation_is_refused(home: Home, tmp_path: Path) -> None:
    filled(home)
    home.stop()
    other = new_home(tmp_path / "other")
    filled(other)
    other.stop()
    shutil.rmtree(home.ledger)
    shutil.copytree(other.ledger, home.ledger)
    assert_refused(home, "signer cannot be used: it is of another log")


def test_an_older_memory_is_refused_by_the_sink_or_goes_on_with_the_same_history(
    home: Home, tmp_path: Path
) -> None:
    """It has less to say than the database: what it lacks carries tags that only its key makes."""
    filled(home)
    home.stop()
    yesterday = home.copy(tmp_path / "yesterday")
    home.start("boot-2")
    home.stop()
    shutil.copy(yesterday.ledger / "signer", home.ledger / "signer")
    home.start("boot-3")
    home.stop()
    assert home.findings() == []


def test_a_sink_that_was_deleted_is_begun_anew_and_that_is_on_record(home: Home) -> None:
    filled(home)
    home.stop()
    home.sink.unlink()
    ledger = home.start("boot-2")
    (said,) = ledger.events(kind=Kind.SINK_REPLACED)[-1:]
    assert (said.data["reason"], said.data["had"], said.boot_id) == ("missing", 0, "boot-2")
    home.stop()
    assert home.findings() == []
    assert home.sink.read_bytes().count(b'{"actor":') == home.size()


@pytest.mark.slow
def test_a_start_that_ends_before_it_recorded_a_deleted_sink_still_leaves_a_record(
    home: Home, tmp_path: Path
) -> None:
    filled(home)
    home.stop()
    home.sink.unlink()

    def prepare(directory: Path) -> Callable[[], object]:
        copied = home.copy(directory)
        return lambda: copied.open("boot-2")

    for directory in crash_points(tmp_path, prepare):
        after = Home(directory)
        said = after.start("boot-3").events(kind=Kind.SINK_REPLACED)
        assert [event.data["reason"] for event in said][:2] == ["new", "missing"]
        after.stop()
        assert after.findings() == []


def test_a_sink_that_is_swapped_while_the_server_runs_stops_it(home: Home, tmp_path: Path) -> None:
    ledger = filled(home)
    copied = shutil.copy(home.sink, tmp_path / "copied")
    home.sink.unlink()
    shutil.move(copied, home.sink)
    with pytest.raises(AuditUnavailable, match="copy own .* was replaced by another file"):
        ledger.append(events.saying("more"))
    assert not ledger.available


# --- a database of the release before ------------------------------------------------------------


def old_log(path: Path, count: int = 600) -> Home:
    """A database of schema 0002 with events of version 1, brought to this release's schema."""
    path.mkdir(mode=0o700)
    database = path / "lmx.db"
    upgrade(database, "0002")
    other = foreign_connection(database)
    for seq in range(1, count + 1):
        event_id = f"0190a000-0000-7000-8000-{seq:012x}"
        kind, subject = ("genesis", "3f0c") if seq == 1 else ("shutdown", "b")
        body = (
            f'{{"actor":{{"id":"system","roles":[]}},"boot_id":"b","data":{{}},"event_id":'
            f'"{event_id}","intent_seq":null,"kind":"{kind}","mono_us":1,"outcome":null,'
            f'"request_id":null,"seq":{seq},"subject":"{subject}","ts_utc_us":{seq},"v":1}}'
        ).encode()
        leaf = hashlib.sha256(b"\0" + body).digest()
        other.execute("INSERT INTO ledger_event VALUES (?, ?, ?, ?)", (seq, event_id, body, leaf))
        row = (seq, seq, kind, "system", subject, None, None, None)
        other.execute("INSERT INTO ledger_index VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
    other.close()
    migrate(database)
    return Home(path)


def test_a_log_of_the_release_before_is_adopted_signed_and_verifies(tmp_path: Path) -> None:
    home = old_log(tmp_path / "old")
    opened = home.open()
    assert (opened.adopted, opened.install_id, opened.new_key) == (600, "3f0c", True)
    home.stop()
    ledger = home.start("boot-2")
    assert len(ledger.events(kind=Kind.SIGNING_KEY_CREATED)) == 1
    assert ledger.keeping.signer.origin == "lmx-authority/3f0c"
    home.stop()
    assert home.findings() == []
    with foreign_connection(home.database) as connection:
        assert connection.execute("SELECT level, idx FROM ledger_node").fetchall() == [
            (1, 0),
            (1, 1),
        ]


@pytest.mark.parametrize("copies", [True, False])
def test_a_log_of_the_release_before_survives_a_start_that_could_not_sign_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: bool
) -> None:
    """Its nodes are there then; with a copy to record also a first commit of this release's."""
    home = old_log(tmp_path / "old")
    if not copies:
        monkeypatch.setattr("tests.fakes.ledger.own_sink", lambda _: Nowhere())
    with monkeypatch.context() as patch:
        patch.setattr(MemoryFile, "remember", _no_room)
        with pytest.raises(StartRefused, match="no room"):
            home.open()
    assert home.open().adopted == 600 + copies
    home.stop()
    if copies:
        assert home.findings() == []


class Nowhere(Inline):
    """A sink that keeps nothing, and so never begins anew."""

    def __init__(self) -> None:
        super().__init__("nowhere", FileSink(Path("nowhere")))

    def open(self, known: Known) -> None:
        pass

    def finish(self) -> None:
        pass


def _no_room(*_: object) -> None:
    raise AuditUnavailable("no room")


@pytest.mark.parametrize("every", [7, pytest.param(1, marks=pytest.mark.faults)])
def test_a_log_of_the_release_before_survives_a_first_start_that_ends_anywhere(
    tmp_path: Path, every: int
) -> None:
    old = old_log(tmp_path / "old", 300)

    def prepare(directory: Path) -> Callable[[], object]:
        home = Home(directory)
        shutil.copytree(old.path, directory)
        return lambda: home.start("boot-1")

    for directory in crash_points(tmp_path, prepare, every=every):
        home = Home(directory)
        ledger = home.start("boot-2")
        assert len(ledger.events(kind=Kind.SIGNING_KEY_CREATED)) == 1
        assert len(ledger.events(kind=Kind.GENESIS)) == 1
        home.stop()
        assert home.findings() == []


# --- the first start -----------------------------------------------------------------------------


@pytest.mark.slow
def test_a_first_start_that_ends_anywhere_is_completed_by_the_next(tmp_path: Path) -> None:
    def prepare(directory: Path) -> Callable[[], object]:
        home = new_home(directory)
        return lambda: home.start("boot-1")

    for directory in crash_points(tmp_path, prepare):
        home = Home(directory)
        before = home.size()
        ledger = home.start("boot-2")
        kinds = [event.kind for event in ledger.events()]
        assert len(kinds) > before
        assert kinds[0] == Kind.GENESIS
        assert kinds.count(Kind.GENESIS) == kinds.count(Kind.SIGNING_KEY_CREATED) == 1
        assert ledger.keeping.signer.origin.endswith(ledger.event(1).subject)
        home.stop()
        assert home.findings() == []
