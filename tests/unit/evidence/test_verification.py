"""`verify_database` holds for what a server wrote, and names each attack on it for what it is."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from app.evidence.merkle import leaf_hash, root
from app.evidence.sink_lines import CUT_OFF
from tests.fakes.tampering import flip_bit, flipped, ledger_home, said, unguarded, verified

Attack = Callable[[Path], None]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return ledger_home(tmp_path / "home")


def sql(*statements: str) -> Attack:
    def attack(home: Path) -> None:
        with unguarded(home) as connection:
            for statement in statements:
                connection.execute(statement)

    return attack


def bit(table: str, column: str, where: str, at: int = 75) -> Attack:
    def attack(home: Path) -> None:
        with unguarded(home) as connection:
            flip_bit(connection, table, column, where, at)

    return attack


def file(name: str, change: Callable[[bytes], bytes]) -> Attack:
    def attack(home: Path) -> None:
        path = home / "ledger" / name
        path.write_bytes(change(path.read_bytes()))

    return attack


def lines(change: Callable[[list[bytes]], list[bytes]]) -> Attack:
    return file("events.jsonl", lambda text: b"".join(change(text.splitlines(keepends=True))))


def event_in(sink: list[bytes], seq: int) -> int:
    return next(at for at, line in enumerate(sink) if b'"seq":%d,' % seq in line)


def rewritten(connection: sqlite3.Connection, seq: int, *, nodes: bool) -> None:
    """Change one event and its leaf, and every node above it, as somebody who knows how would."""
    (body,) = connection.execute("SELECT body FROM ledger_event WHERE seq = ?", (seq,)).fetchone()
    changed = body.replace(b'"code":"forbidden"', b'"code":"forgiven!"')
    assert changed != body
    connection.execute(
        "UPDATE ledger_event SET body = ?, leaf = ? WHERE seq = ?",
        (changed, leaf_hash(changed), seq),
    )
    if nodes:
        leaves = [leaf for (leaf,) in connection.execute("SELECT leaf FROM ledger_event LIMIT 256")]
        connection.execute("UPDATE ledger_node SET hash = ?", (root(leaves),))


def rewrite(seq: int, *, nodes: bool, sink: bool = False) -> Attack:
    def attack(home: Path) -> None:
        with unguarded(home) as connection:
            rewritten(connection, seq, nodes=nodes)
        if sink:
            file("events.jsonl", lambda text: text.replace(b"forbidden", b"forgiven!"))(home)

    return attack


def swap(home: Path) -> None:
    with unguarded(home) as connection:
        connection.execute("UPDATE ledger_event SET seq = 1000 WHERE seq = 20")
        connection.execute("UPDATE ledger_event SET seq = 20 WHERE seq = 30")
        connection.execute("UPDATE ledger_event SET seq = 30 WHERE seq = 1000")


def cut(home: Path) -> None:
    sql(*(f"DELETE FROM {table} WHERE {column} > 290" for table, column in TAILS))(home)


TAILS = (
    ("ledger_event", "seq"),
    ("ledger_index", "seq"),
    ("ledger_commit", "size"),
    ("ledger_checkpoint", "size"),
)

NOBODY = "'01234567-89ab-7def-8123-456789abcdef'"
ATTACKS: dict[str, tuple[Attack, str]] = {
    "a bit of a body": (
        bit("ledger_event", "body", "seq = 20", 6000),
        r"Event 20: its body was changed: the leaf is the one that the checkpoint covers",
    ),
    "a bit of a leaf": (
        bit("ledger_event", "leaf", "seq = 20"),
        r"Event 20: its recorded leaf was changed: the body is the one",
    ),
    "an event's id": (bit("ledger_event", "event_id", "seq = 20"), r"Event 20 has another id"),
    "a bit of a node": (
        bit("ledger_node", "hash", "idx = 0"),
        r"node over events 1 to 256 \(level 1\) was altered",
    ),
    "a node removed": (sql("DELETE FROM ledger_node"), r"node over events 1 to 256 .* is missing"),
    "a node added": (
        sql("INSERT INTO ledger_node VALUES (1, 1, zeroblob(32))"),
        r"A node \(level 1, number 1\) is over events not there",
    ),
    "a bit of a checkpoint's root": (
        bit("ledger_checkpoint", "root", "size = 200"),
        r"size 200 in the database was changed: its row has another root",
    ),
    "a note's signature": (
        sql("UPDATE ledger_checkpoint SET note = replace(note, '=', 'A=') WHERE size = 200"),
        r"size 200 in the database does not hold",
    ),
    "a note of another size": (
        sql("UPDATE ledger_checkpoint SET size = 250 WHERE size = 200"),
        r"size 250 in the database is one of 200 events",
    ),
    "a bit of the index": (
        bit("ledger_index", "actor", "seq = 20"),
        r"index was altered: of event 20 it has actor .* the event itself has 'key:0badcafe'",
    ),
    "an index row removed": (
        sql("DELETE FROM ledger_index WHERE seq = 20"),
        r"The index lacks event 20, which the log has",
    ),
    "the index's end removed": (
        sql("DELETE FROM ledger_index WHERE seq > 250"),
        r"The index lacks the events 251 to 300, which it had",
    ),
    "an index row added": (
        sql(
            "INSERT INTO ledger_index SELECT 301, ts_utc_us, kind, action, actor, person, roles,"
            " subject, model, digest, outcome, plan, run, intent_seq, request_id, reason"
            " FROM ledger_index WHERE seq = 20"
        ),
        r"The index has event 301, which the log does not have",
    ),
    "an event removed": (
        sql("DELETE FROM ledger_event WHERE seq = 20"),
        r"Event 20 is missing from the database",
    ),
    "many events removed": (
        sql("DELETE FROM ledger_event WHERE seq BETWEEN 20 AND 29"),
        r"Events 20 to 29 are missing",
    ),
    "events swapped": (swap, r"Event 20 says that it is event 30: it was moved here"),
    "an event renumbered to the end": (
        sql("UPDATE ledger_event SET seq = 301 WHERE seq = 20"),
        r"(?s)Event 20 is missing.*Event 301 says that it is event 20",
    ),
    "an event far away": (
        sql(f"INSERT INTO ledger_event VALUES (9000000000, {NOBODY}, x'7b7d', zeroblob(32))"),
        r"Event 9,000,000,000 stands far behind all others",
    ),
    "an event at the end": (
        sql(f"INSERT INTO ledger_event VALUES (301, {NOBODY}, x'7b7d', zeroblob(32))"),
        r"Events 301 to 301 belong to no commit: something else than the server",
    ),
    "an event rewritten with its leaf": (
        rewrite(20, nodes=False),
        r"(?s)events do not lead to the root of the checkpoint.*between event (1|20) and event 20 ",
    ),
    "an event rewritten with its leaf and nodes": (
        rewrite(20, nodes=True),
        r"(?s)events do not lead to the root of the checkpoint.*has event 20 otherwise",
    ),
    "an event rewritten in the sink too": (
        rewrite(20, nodes=True, sink=True),
        r"events do not lead to the root of the checkpoint of size",
    ),
    "the tail cut": (
        cut,
        r"(?s)has 300 events and the database 290: .*signer has signed 300 events and the database",
    ),
    "only events cut": (
        sql("DELETE FROM ledger_event WHERE seq > 290"),
        r"(?s)database has a checkpoint of 300 events, and 290 events.*last commit was of 300",
    ),
    "evidence": (
        sql("UPDATE ledger_blob SET bytes = x'00'"),
        r"evidence: The evidence [0-9a-f]{64} was altered",
    ),
    "a commit's tag": (
        bit("ledger_commit", "tag", "size = 20"),
        r"commit at event 20 does not carry this server's tag",
    ),
    "a guard dropped": (
        lambda home: _execute(home, "DROP TRIGGER ledger_event_no_update"),
        r"guards are not those of this release: ledger_event_no_update is missing",
    ),
    "a guard added": (
        lambda home: _execute(
            home,
            "CREATE TRIGGER x BEFORE INSERT ON ledger_event BEGIN SELECT RAISE(IGNORE); END",
        ),
        r"guards are not those of this release: x was added",
    ),
    "a sink's line changed": (
        lines(lambda sink: [*sink[:38], sink[38].replace(b"forbidden", b"forgiven!"), *sink[39:]]),
        r"sink \S+ has event 20 otherwise than the database",
    ),
    "a sink's line damaged": (
        lines(lambda sink: [*sink[:38], b"x" + sink[38], *sink[39:]]),
        r"in the place of event 20 that is none",
    ),
    "a sink's line removed": (
        lines(lambda sink: sink[:38] + sink[39:]),
        r"lacks event 20, though later ones are there",
    ),
    "a sink's line added": (
        lines(lambda sink: [*sink[:38], b"{}\n", *sink[38:]]),
        r"line before or behind event 20",
    ),
    "a sink's line twice": (
        lines(lambda sink: [*sink[:39], sink[38], *sink[39:]]),
        r"line before or behind event \d+ that",
    ),
    "a sink's checkpoint changed": (
        lines(lambda sink: [*sink[:39], sink[39].replace(b"=", b"A="), *sink[40:]]),
        r"the checkpoint behind event 20 does not hold",
    ),
    "a sink's end cut": (
        lines(lambda sink: sink[:-4]),
        r"sink \S+ ends with event 298, and 300 events",
    ),
    "a sink's last checkpoint cut": (
        lines(lambda sink: sink[:-1]),
        r"has its last checkpoint at 299, and 300 events were signed",
    ),
    "a sink's last line cut": (
        lines(lambda sink: [*sink[:-1], sink[-1][:50]]),
        r"ends inside a line",
    ),
    "a sink deleted": (
        lambda home: (home / "ledger/events.jsonl").unlink(),
        r"events.jsonl cannot be read",
    ),
    "a bit of the memory": (
        file("signer", lambda memory: flipped(memory, 1000)),
        r"signer's memory (has a damaged half|is damaged)",
    ),
    "the memory gone": (
        lambda home: (home / "ledger/signer").unlink(),
        r"signer's memory cannot be read",
    ),
}


def _execute(home: Path, statement: str) -> None:
    with closing(sqlite3.connect(home / "lmx.db", isolation_level=None)) as connection:
        connection.execute(statement)


@pytest.mark.parametrize("events", [1, 3, 255, 256, 300])
def test_what_a_server_wrote_holds_to_its_last_event(tmp_path: Path, events: int) -> None:
    report = verified(ledger_home(tmp_path / "home", events))
    assert report.findings == ()
    assert (report.size, report.covered) == (events, events)
    assert report.verdict.startswith(f"{events:,} event")
    assert report.root.hex() in report.verdict
    assert report.not_covered is None
    assert report.unchecked == ()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_found_and_named(home: Path, name: str) -> None:
    attack, named = ATTACKS[name]
    attack(home)
    report = verified(home)
    assert not report.holds
    assert "DOES NOT HOLD" in report.verdict
    assert re.search(named, said(report)), said(report)


def test_a_changed_body_is_one_finding_and_the_checkpoint_that_shows_it(home: Path) -> None:
    ATTACKS["a bit of a body"][0](home)
    parts = [found.part for found in verified(home).findings]
    assert set(parts) <= {"event", "checkpoint", "sink"}
    assert len(parts) <= 4


def test_a_failed_write_that_a_sink_went_on_after_is_no_finding(home: Path) -> None:
    """The mark of a cut line, and the events and the checkpoint that were then written again."""
    lines(
        lambda sink: [
            *sink[:39], sink[39][:30] + CUT_OFF, sink[36], sink[38][:99] + CUT_OFF,
            sink[36], *sink[38:],
        ]
    )(home)  # fmt: skip
    assert verified(home).findings == ()
