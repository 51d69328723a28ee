"""An operator sees how the ledger stands, and plainly whether somebody outside can vouch for it."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine

from app.authority.auditing.standing import Standing
from app.authority.ledger import Kind, Ledger
from app.authority.ledger.reserve import DiskWatch
from app.authority.ledger.watching import Watching
from app.database import open_engine
from app.domain.refusals import AuditUnavailable
from app.routers.measuring.looking import Looks
from app.routers.metrics import Metrics
from tests.fakes import events
from tests.fakes.database import connections_closed, fresh_database
from tests.fakes.ledger import new_ledger


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with connections_closed():
        opened = open_engine(fresh_database(tmp_path))
        yield opened
        opened.dispose()


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return new_ledger(engine)


def standing(ledger: Ledger, held: Mapping[str, Any] | None = None) -> Standing:
    return Standing(ledger, Watching(ledger, DiskWatch(Path("/"))), lambda: held)


def test_it_says_what_is_signed_and_which_copies_have_it(ledger: Ledger) -> None:
    ledger.append(events.boot())
    now = standing(ledger)()
    assert (now["size"], now["available"]) == (1, True)
    assert now["checkpoint"]["size"] == 1
    assert [(s["name"], s["required"], s["lag"], s["ok"]) for s in now["sinks"]] == [
        ("own", True, 0, True)
    ]
    assert now["key"].startswith(now["origin"])


def test_it_says_plainly_that_nobody_outside_holds_a_checkpoint(ledger: Ledger) -> None:
    assert standing(ledger)()["held_outside"] is None
    held = {"size": 1, "witness": "w", "time_s": 5}
    assert standing(ledger, held)()["held_outside"] == held


def test_a_copy_that_cannot_be_written_is_named_with_the_reason(ledger: Ledger) -> None:
    ledger.append(events.boot())
    Path(standing(ledger)()["sinks"][0]["path"]).unlink()
    with pytest.raises(AuditUnavailable, match="copy own"):
        ledger.append(events.boot())
    ledger.settle()  # that the index can be written says nothing about events
    now = standing(ledger)()
    assert not now["available"]
    assert not now["sinks"][0]["ok"]
    assert "copy own" in now["sinks"][0]["why"]


def test_metrics_count_how_the_ledger_stands(ledger: Ledger) -> None:
    ledger.append(events.boot())
    shown = Metrics(Looks(ledger=standing(ledger, {"size": 1}))).render().decode()
    assert "lmx_ledger_events 1.0" in shown
    assert "lmx_ledger_available 1.0" in shown
    assert "lmx_ledger_held_outside 1.0" in shown
    assert 'lmx_ledger_sink_lag{required="true"} 0.0' in shown


def test_metrics_of_a_ledger_that_cannot_be_read_say_so() -> None:
    def unreadable() -> Mapping[str, Any]:
        raise AuditUnavailable("The database cannot be read.")

    assert "lmx_ledger_available 0.0" in Metrics(Looks(ledger=unreadable)).render().decode()


def test_metrics_leave_out_the_proposals_that_cannot_be_counted() -> None:
    def unreadable() -> int:
        raise AuditUnavailable("The database cannot be read.")

    shown = Metrics(Looks(proposals=unreadable)).render().decode()
    assert "lmx_proposals_open" not in shown
    assert "lmx_ledger_available" in shown
    assert "lmx_proposals_open 3.0" in Metrics(Looks(proposals=lambda: 3)).render().decode()


def test_a_disk_that_fills_up_is_on_record_once(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = [10, 91, 95, 91]
    monkeypatch.setattr("app.authority.ledger.reserve._usage", lambda _: (used.pop(0), 100))
    watching = Watching(ledger, DiskWatch(Path("/")))
    for _ in range(4):
        watching.look()
    said = ledger.events(kind=Kind.DISK_WARNING)
    assert [event.data["level"] for event in said] == [90]
    assert watching.disk_level == 90


def test_what_cannot_be_recorded_now_is_recorded_later(
    ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.authority.ledger.reserve._usage", lambda _: (80, 100))
    ledger.append(events.boot())
    own = Path(standing(ledger)()["sinks"][0]["path"])
    aside = own.rename(own.with_suffix(".aside"))
    watching = Watching(ledger, DiskWatch(Path("/")))
    with pytest.raises(AuditUnavailable):
        watching.look()
    aside.rename(own)
    watching.look()
    assert ledger.events(kind=Kind.DISK_WARNING)
