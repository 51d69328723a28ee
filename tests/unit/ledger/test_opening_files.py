"""A start whose own files are gone, older or from before; a first start that ends anywhere."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.authority.ledger import Kind
from app.authority.ledger.signing.memory import MemoryFile
from app.authority.ledger.sinks.file import FileSink
from app.authority.ledger.sinks.inline import Inline
from app.authority.ledger.sinks.values import Known
from app.database import migrate, upgrade
from app.domain.refusals import AuditUnavailable, StartRefused
from tests.fakes import events
from tests.fakes.crashes import crash_points
from tests.fakes.database import foreign_connection
from tests.fakes.home import Home, new_home
from tests.fakes.openings import assert_refused, filled

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


def test_a_log_stripped_of_its_tags_does_not_pass_for_one_that_was_never_signed(home: Home) -> None:
    filled(home)
    home.stop()
    shutil.rmtree(home.ledger)
    home.ledger.mkdir(mode=0o700)
    other = foreign_connection(home.database)
    other.execute("DROP TRIGGER ledger_commit_no_delete")
    other.execute("DELETE FROM ledger_commit")
    other.close()
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
    (said,) = ledger.events(kind=Kind.SINK_CHANGED)[-1:]
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
        said = after.start("boot-3").events(kind=Kind.SINK_CHANGED)
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
@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.faults)])
def test_a_first_start_that_ends_anywhere_is_completed_by_the_next(
    tmp_path: Path, every: int
) -> None:
    def prepare(directory: Path) -> Callable[[], object]:
        home = new_home(directory)
        return lambda: home.start("boot-1")

    for directory in crash_points(tmp_path, prepare, every=every):
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
