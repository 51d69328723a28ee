"""A home that other programs meddle with, without any guard, and a start that must refuse it."""

import sqlite3

import pytest

from app.authority.ledger import Ledger
from app.domain.refusals import StartRefused
from app.evidence.merkle import leaf_hash
from tests.fakes import events
from tests.fakes.database import foreign_connection
from tests.fakes.home import Home


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
