"""A ledger that is being written holds at every moment at which somebody looks."""

import threading
from pathlib import Path

from app.authority.ledger import Kind, LedgerEvent
from app.database import open_engine
from app.domain.actors import SYSTEM
from app.evidence.verification import Report
from tests.fakes.database import fresh_database
from tests.fakes.ledger import opened_ledger
from tests.fakes.tampering import verified


def test_it_holds_while_events_are_written(tmp_path: Path) -> None:
    engine = open_engine(fresh_database(tmp_path))
    ledger = opened_ledger(engine).ledger
    done = threading.Event()
    written: list[int] = []

    def write() -> None:
        while not done.is_set():
            event = LedgerEvent(Kind.SHUTDOWN, SYSTEM, "boot-1", data={"reason": "asked"})
            written.append(ledger.append(event).seq)
            if len(written) % 7 == 0:
                ledger.settle()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        while len(written) < 10:
            done.wait(0.01)
        reports: list[Report] = []
        while len(reports) < 8 or reports[-1].size == reports[0].size:
            acknowledged = written[-1]
            report = verified(tmp_path)
            assert report.findings == ()
            assert report.covered >= acknowledged
            reports.append(report)
    finally:
        done.set()
        writer.join()
        ledger.close()
        engine.dispose()
    assert verified(tmp_path).uncovered == 0
