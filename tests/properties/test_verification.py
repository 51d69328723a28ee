"""Verify holds if and only if nothing was edited: any row, any bit, in the database or outside."""

import shutil
import sqlite3
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fakes.tampering import flip_bit, flipped, ledger_home, unguarded, verified

SIZES = (1, 2, 57, 270)
COLUMNS = {
    "ledger_event": ("seq", "event_id", "body", "leaf"),
    "ledger_node": ("level", "idx", "hash"),
    "ledger_commit": ("size", "tag"),
    "ledger_checkpoint": ("size", "root", "note"),
    "ledger_blob": ("digest", "bytes"),
    "ledger_index": ("seq", "ts_utc_us", "kind", "action", "actor", "person", "roles", "subject"),
}
# A checkpoint or a commit that others stand behind takes nothing away when it goes.
REMOVABLE = ("ledger_event", "ledger_node", "ledger_index")
INSERTS = (
    "INSERT INTO ledger_event VALUES ({0}, '01234567-89ab-7def-8123-456789abcdef', x'7b7d', {1})",
    "INSERT INTO ledger_node VALUES ({2}, {0}, {1})",
    (
        "INSERT INTO ledger_index SELECT {0}, ts_utc_us, kind, action, actor, person, roles,"
        " subject, model, digest, outcome, plan, run, intent_seq, request_id, reason"
        " FROM ledger_index WHERE seq = 1"
    ),
    "INSERT INTO ledger_checkpoint VALUES ({0}, {1}, 'note')",
)

number = st.integers(0, 2**31)
edit = st.one_of(
    st.tuples(st.just("bit"), st.sampled_from(sorted(COLUMNS)), number, number, number),
    st.tuples(st.just("remove"), st.sampled_from(REMOVABLE), number),
    st.tuples(
        st.just("insert"), st.sampled_from(INSERTS), st.integers(1, 2_000), st.integers(1, 7)
    ),
    st.tuples(st.just("sink bit"), number),
    st.tuples(st.just("sink cut"), number),
    st.tuples(st.just("sink line"), st.sampled_from(["remove", "twice", "swap"]), number),
    st.tuples(st.just("memory bit"), number),
)


def apply(home: Path, done: tuple) -> bool:  # type: ignore[type-arg]
    """Make one edit; False where it turned out to change nothing, or could not be made."""
    what, *how = done
    if what in {"bit", "remove", "insert"}:
        with unguarded(home) as connection:
            try:
                return _in_database(connection, what, how)
            except sqlite3.IntegrityError:
                return False  # the schema refuses it even without its triggers
    path = home / "ledger" / ("signer" if what == "memory bit" else "events.jsonl")
    before = path.read_bytes()
    after = _in_file(before, what, how)
    path.write_bytes(after)
    return after != before


def _in_database(connection: sqlite3.Connection, what: str, how: list) -> bool:  # type: ignore[type-arg]
    if what == "insert":
        statement, at, level = how
        connection.execute(statement.format(at, f"x'{'5a' * 32}'", level))
        return True
    table = how[0]
    key = ("level * 1000000 + idx") if table == "ledger_node" else COLUMNS[table][0]
    keys = [row[0] for row in connection.execute(f"SELECT {key} FROM {table} ORDER BY 1")]
    if not keys:
        return False
    where = f"{key} = {keys[how[1] % len(keys)]!r}"
    if what == "remove":
        connection.execute(f"DELETE FROM {table} WHERE {where}")
        return True
    column = COLUMNS[table][how[2] % len(COLUMNS[table])]
    (value,) = connection.execute(f"SELECT {column} FROM {table} WHERE {where}").fetchone()
    if value in (None, ""):
        connection.execute(f"UPDATE {table} SET {column} = 'x' WHERE {where}")
    else:
        flip_bit(connection, table, column, where, how[3])
    return True


def _in_file(before: bytes, what: str, how: list) -> bytes:  # type: ignore[type-arg]
    if what.endswith("bit"):
        return flipped(before, how[0] % (8 * len(before)))
    if what == "sink cut":
        return before[: how[0] % len(before)]
    lines = before.splitlines(keepends=True)
    events = [at for at, line in enumerate(lines) if not line.startswith(b'{"checkpoint"')]
    place = how[1] % len(events)
    at, other = events[place], events[(place + 1) % len(events)]
    if how[0] == "remove":
        del lines[at]
    elif how[0] == "twice":
        lines.insert(at, lines[at])
    else:
        lines[at], lines[other] = lines[other], lines[at]
    return b"".join(lines)


@settings(max_examples=60, deadline=None)
@given(events=st.sampled_from(SIZES), done=st.one_of(st.none(), edit))
def test_verify_holds_if_and_only_if_nothing_was_edited(
    events: int,
    done: tuple | None,  # type: ignore[type-arg]
) -> None:
    home = Path(tempfile.mkdtemp())
    try:
        ledger_home(home, events)
        edited = done is not None and apply(home, done)
        report = verified(home)
        assert report.holds is not edited, (done, report.findings)
        assert report.covered == events or edited
    finally:
        shutil.rmtree(home)
