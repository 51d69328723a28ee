"""The database is durable, private, guarded, and brought up to date without surprises."""

import re
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from app.authority.catalog import records
from app.authority.ledger.guards import broken_guards
from app.database import current_revision, migrate, open_engine, upgrade
from app.domain.refusals import StartRefused
from app.domain.revisions import REVISIONS
from tests.fakes.database import foreign_connection

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    migrate(tmp_path / "lmx.db")
    return tmp_path / "lmx.db"


@pytest.fixture
def engine(path: Path) -> Engine:
    return open_engine(path)


def test_the_revisions_are_the_files_there_are() -> None:
    found = sorted(p.name[:4] for p in (ROOT / "migrations" / "versions").glob("0*.py"))
    assert list(REVISIONS) == found


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("fullfsync", 1),
        ("checkpoint_fullfsync", 1),
        ("foreign_keys", 1),
        ("recursive_triggers", 1),
        ("trusted_schema", 0),
        ("busy_timeout", 5000),
    ],
)
def test_a_connection_is_durable(engine: Engine, pragma: str, value: object) -> None:
    with engine.connect() as connection:
        assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value


def test_every_table_is_strict(path: Path) -> None:
    raw = foreign_connection(path)
    tables = raw.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table'").fetchall()
    loose = [name for name, sql in tables if not sql.endswith(("STRICT", "STRICT, WITHOUT ROWID"))]
    assert loose == ["alembic_version"]


def test_only_the_owner_reads_the_files(engine: Engine, path: Path) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO receipt VALUES (?, 1, 1, 1, 1, 1, 1)", ("a" * 64,))
    files = list(path.parent.glob("lmx.db*"))
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_file_that_was_left_open_to_others_is_closed(path: Path) -> None:
    path.chmod(0o644)
    migrate(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


FORBIDDEN = [
    "DROP TABLE ledger_event",
    "DROP TABLE model",
    "DROP TRIGGER ledger_event_no_update",
    "DROP INDEX ledger_index_what",
    "ALTER TABLE ledger_event RENAME TO gone",
    "ALTER TABLE ledger_event ADD COLUMN x TEXT",
    "CREATE TABLE other (x)",
    "CREATE TEMP TABLE other (x)",
    "CREATE TEMP TRIGGER t BEFORE INSERT ON model BEGIN SELECT 1; END",
    "CREATE TRIGGER t BEFORE INSERT ON ledger_event BEGIN SELECT RAISE(IGNORE); END",
    "CREATE VIEW v AS SELECT 1",
    "UPDATE ledger_event SET body = x'00'",
    "DELETE FROM ledger_event",
    "UPDATE alembic_version SET version_num = '0001'",
    "UPDATE sqlite_master SET sql = ''",
    "ATTACH DATABASE ':memory:' AS other",
    "VACUUM INTO '/tmp/never-written.db'",
    "REINDEX ledger_index_what",
    "PRAGMA writable_schema = ON",
    "PRAGMA synchronous = OFF",
    "PRAGMA main.synchronous = 0",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA recursive_triggers = OFF",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA ignore_check_constraints = ON",
    "PRAGMA fullfsync = OFF",
    "PRAGMA schema_version = 1",
    "PRAGMA user_version = 1",
    "PRAGMA query_only = OFF",
]


@pytest.mark.parametrize("statement", FORBIDDEN)
def test_our_own_connections_cannot(engine: Engine, statement: str) -> None:
    raw = engine.raw_connection()
    with pytest.raises(
        sqlite3.DatabaseError, match="not authorized|authorization denied|may not be modified"
    ):
        raw.cursor().execute(statement)
    raw.close()


def test_a_reading_connection_cannot_write(path: Path, engine: Engine) -> None:
    reader = open_engine(path, read_only=True)
    with reader.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM model").scalar_one() == 0
        with pytest.raises(DatabaseError):
            connection.exec_driver_sql("INSERT INTO receipt VALUES ('a', 1, 1, 1, 1, 1, 1)")


def test_a_path_with_odd_characters_is_opened_as_it_is(tmp_path: Path) -> None:
    odd = tmp_path / "a b?c#d%20é"
    odd.mkdir()
    migrate(odd / "lmx.db")
    open_engine(odd / "lmx.db", read_only=True).connect().close()
    assert current_revision(odd / "lmx.db") == REVISIONS[-1]


def test_a_database_that_is_up_to_date_costs_no_alembic(path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from app.database import migrate;"
        f"migrate(Path({str(path)!r})); print('alembic' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "services" / "api"), "PATH": ""},
    )
    assert done.stdout.strip() == "False"


def test_migrating_twice_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    migrate(path)
    assert path.read_bytes() == before


def test_a_newer_database_is_refused_with_what_to_do(path: Path) -> None:
    raw = foreign_connection(path)
    raw.execute("UPDATE alembic_version SET version_num = '0999'")
    raw.close()
    with pytest.raises(StartRefused, match="newer release"):
        migrate(path)


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "lmx.db"
    other.write_text("this is a shopping list, and a long one at that" * 20)
    with pytest.raises(StartRefused, match="cannot be read"):
        migrate(other)
    assert other.read_text().startswith("this is a shopping list")


def test_a_link_in_place_of_the_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lmx.db").symlink_to(tmp_path / "elsewhere.db")
    with pytest.raises(StartRefused, match="cannot be opened"):
        migrate(tmp_path / "lmx.db")
    assert not (tmp_path / "elsewhere.db").exists()


def test_a_directory_that_is_missing_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(StartRefused, match="Check that the directory exists"):
        migrate(tmp_path / "nowhere" / "lmx.db")


def test_a_disk_that_fills_while_migrating_is_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "lmx.db"
    upgrade(path, "0001")
    raw = foreign_connection(path)
    raw.execute("CREATE TABLE access_key (in_the_way TEXT)")  # 0002 will fail in its middle
    raw.close()
    with pytest.raises(StartRefused, match="Nothing was changed"):
        migrate(path)
    assert current_revision(path) == "0001"
    assert "model" not in _tables(path)


def test_the_guards_stand_after_every_revision_up_and_down(tmp_path: Path) -> None:
    path = tmp_path / "lmx.db"
    for revision in (*REVISIONS[:2], *reversed(REVISIONS[:1]), *REVISIONS):
        down = (current_revision(path) or "0000") > revision
        upgrade(path, revision, down=down)
        assert current_revision(path) == revision
        with open_engine(path).connect() as connection:
            assert broken_guards(connection, ("ledger_event",)) == []
    with open_engine(path).connect() as connection:
        assert broken_guards(connection) == []


@pytest.mark.parametrize("revision", ["0002", "0001", "base"])
def test_the_ledger_is_never_downgraded_away(path: Path, revision: str) -> None:
    before = _tables(path)
    with pytest.raises(RuntimeError, match="restore a backup"):
        upgrade(path, revision, down=True)
    assert _tables(path) == before
    assert current_revision(path) == REVISIONS[-1]


def test_an_empty_ledger_of_the_first_release_is_never_downgraded_away(tmp_path: Path) -> None:
    upgrade(tmp_path / "lmx.db", "0001")
    with pytest.raises(RuntimeError, match="restore a backup"):
        upgrade(tmp_path / "lmx.db", "base", down=True)
    assert "ledger_event" in _tables(tmp_path / "lmx.db")


def test_the_index_is_derived_and_may_be_made_anew(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE ledger_index SET actor = 'somebody else'")
        connection.exec_driver_sql("DELETE FROM ledger_index")


def test_keys_in_use_are_never_downgraded_away(tmp_path: Path) -> None:
    path = tmp_path / "lmx.db"
    upgrade(path, "0002")
    raw = foreign_connection(path)
    raw.execute(
        "INSERT INTO access_key VALUES ('0badcafe', 'n', 'client', ?, 1, 'x', NULL, NULL)",
        (b"0" * 32,),
    )
    with pytest.raises(RuntimeError, match="restore a backup"):
        upgrade(path, "0001", down=True)
    assert raw.execute("SELECT count(*) FROM access_key").fetchone() == (1,)


def test_a_model_that_was_taken_in_before_licences_were_read_has_none(tmp_path: Path) -> None:
    path = tmp_path / "lmx.db"
    upgrade(path, "0005")
    raw = foreign_connection(path)
    raw.execute(
        "INSERT INTO model (id, digest, trust, size_bytes, architecture, max_context, created,"
        " source, shape_json) VALUES ('a/b', ?, 'pinned', 1, 'llama', 8, 1, 'here', '{}')",
        ("d" * 64,),
    )
    raw.commit()
    raw.close()
    migrate(path)
    with open_engine(path).connect() as connection:
        (model,) = records.models(connection)
    assert (model.id, model.licence) == ("a/b", "")


def test_no_migration_recreates_a_guarded_table() -> None:
    for file in (ROOT / "migrations" / "versions").glob("*.py"):
        assert not re.search("batch_alter_table|drop_table|DROP TRIGGER", file.read_text()), file


def _tables(path: Path) -> set[str]:
    rows = foreign_connection(path).execute("SELECT name FROM sqlite_master").fetchall()
    return {name for (name,) in rows}
