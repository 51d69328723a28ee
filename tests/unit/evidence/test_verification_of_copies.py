"""What a copied database can and cannot show, and what was kept elsewhere adds."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.evidence.checkpoints import Checkpoint, signed
from app.evidence.merkle import leaf_hash, root
from app.evidence.notes import verifier_key
from app.evidence.verification import held_in, of_copy, of_home, verify_database
from tests.fakes.tampering import flip_bit, ledger_home, said, unguarded, verified

TAILS = (
    ("ledger_event", "seq"),
    ("ledger_index", "seq"),
    ("ledger_commit", "size"),
    ("ledger_checkpoint", "size"),
)


def cut(home: Path) -> None:
    """Yesterday's database: whole, and ten events shorter."""
    with unguarded(home) as connection:
        for table, column in TAILS:
            connection.execute(f"DELETE FROM {table} WHERE {column} > 290")


def test_an_older_database_is_known_by_everything_outside(tmp_path: Path) -> None:
    home = ledger_home(tmp_path / "home", 300)
    keys = (home / "ledger/keys").read_bytes()
    with closing(sqlite3.connect(home / "lmx.db")) as connection:
        note = connection.execute("SELECT note FROM ledger_checkpoint WHERE size = 300").fetchone()[
            0
        ]
    kept = tmp_path / "kept"
    kept.write_text(note, encoding="utf-8")
    cut(home)
    copy = tmp_path / "copy"
    copy.mkdir()
    shutil.copy(home / "lmx.db", copy)
    (copy / "ledger").mkdir()
    (copy / "ledger/keys").write_bytes(keys)
    alone = verify_database(of_copy(copy / "lmx.db"))
    assert alone.holds  # nothing inside a whole older copy can show that it is older
    assert any("No signer's memory was given" in sentence for sentence in alone.unchecked)
    for given in (
        {"held": [held_in(kept)]},
        {"memory": home / "ledger/signer"},
        {"sinks": [home / "ledger/events.jsonl"]},
    ):
        report = verify_database(of_copy(copy / "lmx.db", **given))  # type: ignore[arg-type]
        assert "an older" in said(report), given


def test_a_log_made_anew_with_another_key_needs_the_key_from_elsewhere(tmp_path: Path) -> None:
    home = ledger_home(tmp_path / "home", 3)
    private = Ed25519PrivateKey.generate()
    origin = (home / "ledger/keys").read_text().partition("+")[0]
    own = verifier_key(origin, private)
    with unguarded(home) as connection:
        for seq in (1, 2, 3):
            (body,) = connection.execute(
                "SELECT body FROM ledger_event WHERE seq = ?", (seq,)
            ).fetchone()
            body = body.replace(b"because", b"pretend")
            connection.execute(
                "UPDATE ledger_event SET body = ?, leaf = ? WHERE seq = ?",
                (body, leaf_hash(body), seq),
            )
        connection.execute("UPDATE ledger_index SET reason = replace(reason, 'because', 'pretend')")
        leaves = [leaf for (leaf,) in connection.execute("SELECT leaf FROM ledger_event")]
        note = signed(Checkpoint(origin, 3, root(leaves)), (own, private.sign))
        connection.execute(
            "UPDATE ledger_checkpoint SET root = ?, note = ?", (root(leaves), str(note))
        )
    true = of_home(home).keys
    database = home / "lmx.db"
    assert "no key that is known here signed this note" in said(verify_database(of_copy(database)))
    (home / "ledger/keys").write_text(f"{own}\n")
    assert verify_database(of_copy(database)).holds
    assert not verify_database(of_copy(database, keys=true)).holds
    assert not verify_database(of_copy(database, sinks=[home / "ledger/events.jsonl"])).holds


def test_without_a_key_it_says_that_nothing_was_signed_for(tmp_path: Path) -> None:
    home = ledger_home(tmp_path / "home", 3)
    (home / "ledger/keys").unlink()
    report = verify_database(of_copy(home / "lmx.db"))
    assert report.covered == 0
    assert "no signed checkpoint covers any event" in report.verdict
    assert any("No signing key is known" in sentence for sentence in report.unchecked)


def test_events_behind_the_last_checkpoint_are_said_and_not_accepted(tmp_path: Path) -> None:
    home = ledger_home(tmp_path / "home", 3)
    with unguarded(home) as connection:
        connection.execute("DELETE FROM ledger_checkpoint")
    report = verify_database(of_copy(home / "lmx.db"))
    assert report.holds
    assert report.covered == 0
    assert report.not_covered == "Events 1 to 3 are not covered by a checkpoint yet."


def test_a_copy_is_read_without_a_trace(tmp_path: Path) -> None:
    home = ledger_home(tmp_path / "home", 3)
    before = {path: path.read_bytes() for path in home.rglob("*") if path.is_file()}
    home.chmod(0o500)
    try:
        assert verified(home).holds
    finally:
        home.chmod(0o700)
    assert {path: path.read_bytes() for path in home.rglob("*") if path.is_file()} == before


def test_a_report_is_json(tmp_path: Path) -> None:
    home = ledger_home(tmp_path / "home", 57)
    with unguarded(home) as connection:
        flip_bit(connection, "ledger_event", "body", "seq = 20", 6000)
    shown = json.loads(json.dumps(verified(home).as_dict()))
    assert shown["holds"] is False
    assert shown["findings_total"] == len(shown["findings"])
    assert shown["findings"][0]["at"] == 20
